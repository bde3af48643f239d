"""Streams of every method: blocks do not matter to the bit, chunks give what the whole gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from unmixcli.dsp.chunks import ChunkStream
from unmixcli.dsp.stft import STFTConfig, stft
from unmixcli.hpss.kam import KernelMethod
from unmixcli.hpss.median import MedianMethod
from unmixcli.hpss.method import PAIR, FrameMethod, exact_chunks, odd
from unmixcli.hpss.separator import HPSSSeparator
from unmixcli.hpss.threshold import CascadeSeparator, ThresholdMethod
from unmixcli.separation.phase import PHASES, Phase
from unmixcli.separation.separator import Separator

Sound = Callable[..., Tensor]

# Kernels of as many frames as in setting 1 of Drossos et al., at half the rate and a quarter of
# the bins.
RATE = 22050
SMALL = STFTConfig(n_fft=1024, hop_samples=192, window_samples=513, window="hamming")
METHODS: dict[str, FrameMethod] = {
    "median": MedianMethod(SMALL, margin=1.5),
    "kam": KernelMethod(SMALL, RATE),
    "kam-published": KernelMethod(SMALL, RATE, published=True),
    "harmonic": ThresholdMethod(SMALL, RATE, "harmonic"),
    "percussive": ThresholdMethod(SMALL, RATE, "percussive"),
}


def around(
    method: FrameMethod, phase: Phase = "mixture", stems: tuple[str, ...] = PAIR
) -> Separator:
    return HPSSSeparator(method, stems=stems, sample_rate=RATE, phase=phase)


def cascade() -> Separator:
    stages = ((METHODS["harmonic"], PAIR[:1]), (METHODS["percussive"], PAIR[1:]))
    return CascadeSeparator(*(around(method, stems=stems) for method, stems in stages), stems=PAIR)


def separators() -> Iterator[tuple[str, Separator]]:
    yield "cascade", cascade()
    for name in ("median", "kam", "kam-published"):
        yield name, around(METHODS[name])
    for phase in PHASES[1:]:
        yield phase, around(METHODS["median"], phase)


def run(separator: Separator, mix: Tensor, block: int) -> Tensor:
    separator.reset()
    blocks = mix.split(block, dim=-1) if mix.shape[-1] else (mix,)
    done = [separator.push(part) for part in blocks]
    return torch.cat((*done, separator.finish()), dim=-1)


@pytest.mark.parametrize("separator", [pytest.param(s, id=name) for name, s in separators()])
@pytest.mark.parametrize("samples", [0, 1, 512, 40001])
def test_blocks_do_not_matter(separator: Separator, samples: int, noise: Sound) -> None:
    mix = noise(samples, channels=2)
    before = mix.clone()
    whole = run(separator, mix, max(1, samples))
    assert whole.shape == (2, 2, samples)
    for block in (777, 16384) if samples > 1000 else (1, 100):
        assert torch.equal(run(separator, mix, block), whole)
    assert torch.equal(mix, before)


def test_blocks_do_not_matter_over_several_chunks(noise: Sound) -> None:
    mix = noise(1200 * SMALL.hop_samples + 5)
    separator = cascade()
    assert torch.equal(run(separator, mix, 10007), run(separator, mix, mix.shape[-1]))


@pytest.mark.parametrize("name", METHODS)
def test_chunks_give_the_masks_of_the_whole(name: str, noise: Sound) -> None:
    method = METHODS[name]
    spectrum = stft(noise(1300 * SMALL.hop_samples), config=SMALL)
    whole = method.masks(spectrum.unsqueeze(0))[0]
    stream = ChunkStream(method.chunks, method.masks)
    streamed = [masks for _, masks in (*stream.push(spectrum), *stream.finish())]
    assert len(streamed) >= 3
    torch.testing.assert_close(torch.cat(streamed, dim=-1), whole, atol=1e-6, rtol=0)


def test_less_context_would_not_do(noise: Sound) -> None:
    """The kernels reach as far as they say."""
    method = KernelMethod(SMALL, RATE, iterations=1)
    assert method.chunks.context == 22
    spectrum = stft(noise(100 * SMALL.hop_samples), config=SMALL).unsqueeze(0)
    seen = [method.masks(spectrum[..., 50 - reach :])[..., reach] for reach in (50, 22, 21)]
    assert torch.equal(seen[1], seen[0])
    assert not torch.equal(seen[2], seen[0])


@pytest.mark.parametrize("phase", PHASES)
def test_a_stem_alone_is_the_same(phase: Phase, noise: Sound) -> None:
    mix = noise(20000)
    both = run(around(METHODS["median"], phase), mix, 20000)
    for row, stem in enumerate(PAIR):
        alone = run(around(METHODS["median"], phase, (stem,)), mix, 20000)
        assert torch.equal(alone[0], both[row])


def test_state_does_not_grow(noise: Sound) -> None:
    separator, block = around(METHODS["median"]), noise(30000)
    waiting, done = [], 0
    for count in range(1, 21):
        done += separator.push(block).shape[-1]
        waiting.append(count * 30000 - done)
    assert max(waiting[10:]) <= max(waiting[:10]) + 30000


def test_odd_numbers_next_to_a_length() -> None:
    assert [odd(steps) for steps in (0, 0.4, 1.9, 2.1, 4.3, 46.4)] == [1, 1, 1, 3, 5, 47]
    assert exact_chunks(7).length == 512 + 14
