"""The engine: blocks do not matter to the bit, the identity is the mix, stems sum to it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models_for_tests import ConstantMasks, ContextMasks, engine, noise, separate, settings
from unmixcli.dsp.chunks import ChunkConfig
from unmixcli.models.stems import StemSet
from unmixcli.separation.spectral import SpectralOptions
from unmixcli.separation.stems import Request

FREE = StemSet(("vocals", "accompaniment"))
N_FFT = 512
LENGTHS = [0, 1, N_FFT - 1, N_FFT, N_FFT + 1, 3 * 44100 + 17]


def level_db(difference: Tensor) -> float:
    return float(20 * torch.log10(difference.abs().max() + 1e-12))


@pytest.mark.parametrize("samples", LENGTHS)
@pytest.mark.parametrize("sample_rate", [44100, 48000])
@pytest.mark.parametrize("wiener", [0, 1])
def test_blocks_do_not_matter(samples: int, sample_rate: int, wiener: int) -> None:
    model = ContextMasks(settings(), [1.0, 1.0])
    options = SpectralOptions(wiener_iterations=wiener)
    subject = engine(model, sample_rate=sample_rate, options=options)
    mix = noise(2, samples)
    whole = separate(subject, mix)
    assert whole.shape == (2, 2, samples)
    for block in (1009, 44100) if samples > 1000 else (1, 100):
        assert torch.equal(separate(subject, mix, block), whole)


def test_blocks_of_one_sample_over_chunks() -> None:
    chunks = ChunkConfig(length=16, context=2, overlap=4, batch=3)
    model = ContextMasks(settings(chunks=chunks), [1.0, 1.0])
    subject = engine(model, sample_rate=22050)
    mix = noise(2, 9001)
    assert torch.equal(separate(subject, mix, 1), separate(subject, mix))


def test_minutes_in_blocks_of_any_length() -> None:
    model = ContextMasks(settings(), [1.0, 1.0])
    subject = engine(model)
    mix = noise(2, 61 * 44100 + 1)
    whole = separate(subject, mix)
    assert whole.shape == (2, 2, mix.shape[-1])
    assert torch.equal(separate(subject, mix, 44100), whole)


@pytest.mark.parametrize("samples", LENGTHS)
@pytest.mark.parametrize("channels", [1, 2])
def test_identity_network_returns_the_mix(samples: int, channels: int) -> None:
    # No residual: both stems come out of the network.
    model = ConstantMasks(settings(), [1.0, 0.25])
    mix = noise(channels, samples)
    stems = separate(engine(model, stem_set=FREE, channels=channels), mix, 4096)
    torch.testing.assert_close(stems[0], mix, atol=1e-5, rtol=0)
    torch.testing.assert_close(stems[1], 0.25 * mix, atol=1e-5, rtol=0)


@pytest.mark.parametrize("sample_rate", [8000, 22050, 44100, 48000, 192000])
@pytest.mark.parametrize("channels", [1, 2])
def test_complete_set_sums_to_the_mix(sample_rate: int, channels: int) -> None:
    model = ContextMasks(settings(), [1.0, 1.0])
    mix = noise(channels, 50021)
    stems = separate(engine(model, sample_rate=sample_rate, channels=channels), mix)
    assert stems.shape == (2, channels, 50021)
    assert level_db(stems.sum(0) - mix) < -120


@pytest.mark.parametrize("sample_rate", [48000, 96000])
def test_stems_line_up_after_resampling(sample_rate: int) -> None:
    model = ConstantMasks(settings(), [1.0, 1.0])
    time = torch.arange(sample_rate, dtype=torch.float64) / sample_rate
    # Without a window the sine's abrupt ends ring in the resampler's filter.
    window = torch.hann_window(sample_rate, dtype=torch.float64)
    mix = (window * torch.sin(2 * torch.pi * 1000 * time)).float().repeat(2, 1)
    stems = separate(engine(model, stem_set=FREE, sample_rate=sample_rate), mix)
    torch.testing.assert_close(stems[0], mix, atol=1e-5, rtol=0)


def test_mono_model_takes_each_channel_by_itself() -> None:
    model = ContextMasks(settings(channels=1), [1.0, 1.0])
    mix = noise(2, 30011)
    both = separate(engine(model), mix)
    for channel in range(2):
        alone = separate(engine(model, channels=1), mix[channel : channel + 1])
        torch.testing.assert_close(both[:, channel], alone[:, 0], atol=1e-6, rtol=0)


def test_a_stem_does_not_depend_on_what_else_is_asked() -> None:
    model = ContextMasks(settings(), [1.0, 1.0])
    mix = noise(2, 20000)
    everything = separate(engine(model), mix)
    alone = separate(engine(model, request=Request(stems=("vocals",))), mix)
    karaoke = separate(engine(model, request=Request(karaoke=True)), mix)
    assert torch.equal(alone[0], everything[0])
    assert torch.equal(karaoke, everything)


def test_the_mix_itself_needs_no_network() -> None:
    model = ConstantMasks(settings(), [torch.nan, torch.nan])
    request = Request(mixes=(("all", ("vocals", "accompaniment")),))
    mix = noise(2, 20000)
    assert torch.equal(separate(engine(model, request=request), mix)[0], mix)


def test_batch_size_changes_nothing_but_rounding() -> None:
    model = ContextMasks(settings(), [1.0, 1.0])
    mix = noise(2, 100000)
    one = separate(engine(model, options=SpectralOptions(batch=1)), mix)
    five = separate(engine(model, options=SpectralOptions(batch=5)), mix)
    torch.testing.assert_close(one, five, atol=1e-6, rtol=0)


def test_engine_can_be_used_again() -> None:
    subject = engine(ContextMasks(settings(), [1.0, 1.0]))
    mix = noise(2, 30000)
    first = separate(subject, mix)
    separate(subject, noise(2, 12345))
    assert torch.equal(separate(subject, mix), first)


def test_state_does_not_grow() -> None:
    subject = engine(ContextMasks(settings(), [1.0, 1.0]))
    block = noise(2, 44100)
    sizes = []
    for _ in range(60):
        subject.push(block)
        sizes.append(len(subject._mix) + len(subject._stems) + len(subject._pending))
    assert max(sizes) < 2 * 44100


def test_the_caller_may_use_its_buffer_again() -> None:
    subject = engine(ContextMasks(settings(), [1.0, 1.0]))
    mix = noise(2, 9000)
    expected = separate(subject, mix)
    subject.reset()
    buffer, parts = torch.empty(2, 1000), []
    for start in range(0, 9000, 1000):
        buffer.copy_(mix[:, start : start + 1000])
        parts.append(subject.push(buffer))
    buffer.zero_()
    assert torch.equal(torch.cat([*parts, subject.finish()], dim=-1), expected)


def test_wrong_channels_are_refused() -> None:
    subject = engine(ConstantMasks(settings(), [1.0, 1.0]))
    with pytest.raises(ValueError, match=r"expected \(2, samples\), not \(1, 5\)"):
        subject.push(torch.zeros(1, 5))
