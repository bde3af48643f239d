"""Models that give samples: chunks as triangles and centred ends have them, whatever the blocks."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models_for_tests import noise
from unmixcli.dsp.chunks import ChunkConfig, ChunkStream
from unmixcli.errors import ResourceError
from unmixcli.models.stems import StemSet
from unmixcli.models.waveform import WaveformModel, WaveformSettings
from unmixcli.separation.engine import Engine
from unmixcli.separation.separator import Separator
from unmixcli.separation.stems import Request, plan_outputs
from unmixcli.separation.waveform import WaveformOptions, WaveformSeparator, shift_silences

RATE = 400  # 0.5 s of shift are 200 samples
DEMUCS = ChunkConfig(length=64, overlap=16, batch=3, ends="centred", fade="triangle")
GRIDS = [
    DEMUCS,
    ChunkConfig(length=64, overlap=31, ends="centred", fade="triangle"),
    ChunkConfig(length=65, overlap=16, batch=2, fixed=False, fade="triangle"),
    ChunkConfig(length=64, context=8, overlap=4, batch=2),
    ChunkConfig(length=64, context=8, overlap=4, ends="centred"),
]
LENGTHS = [1, 2, 15, 47, 48, 49, 63, 64, 65, 96, 100, 112, 113, 300, 1001]


class Gains(WaveformModel):
    """Each stem is the mix times a number."""

    def __init__(self, chunks: ChunkConfig, gains: dict[str, float], *, channels: int = 2) -> None:
        super().__init__()
        self.settings = WaveformSettings(tuple(gains), RATE, channels, chunks)
        self.gains = nn.ParameterDict({name: torch.tensor(gain) for name, gain in gains.items()})
        self.requires_grad_(False)

    def stems(self, mix: Tensor, *, stems: Sequence[str]) -> Tensor:
        assert mix.shape[1] == self.settings.channels
        return torch.stack([mix * self.gains[stem] for stem in stems], dim=1)


class Contextual(Gains):
    """Stems that depend on the whole chunk and on each sample's place in it."""

    def stems(self, mix: Tensor, *, stems: Sequence[str]) -> Tensor:
        past = mix.cumsum(-1) / torch.arange(1, mix.shape[-1] + 1)
        return super().stems(mix + past + mix.flip(-1), stems=stems)


GAINS = {"vocals": 0.25, "other": -2.0}


def run(separator: Separator, mix: Tensor, block: int) -> Tensor:
    separator.reset()
    parts = [separator.push(part) for part in mix.split(block, dim=-1)]
    return torch.cat([*parts, separator.finish()], dim=-1)


def overlap_added(model: WaveformModel, mix: Tensor, *, length: int, stride: int) -> Tensor:
    """Every chunk that begins in the mix, its end centred, weighed by a triangle, divided."""
    steps = torch.arange(length)
    triangle = torch.minimum(steps + 1, length - steps).to(torch.float64)
    samples = mix.shape[-1]
    total = torch.zeros(len(GAINS), *mix.shape, dtype=torch.float64)
    weights = torch.zeros(samples, dtype=torch.float64)
    for start in range(0, samples, stride):
        stop = min(start + length, samples)
        first = start - (length - (stop - start)) // 2
        padded = F.pad(mix, (length, length))[:, first + length : first + 2 * length]
        stems = model.stems(padded[None], stems=tuple(GAINS))[0]
        weight = triangle[: stop - start]
        total[..., start:stop] += weight * stems[..., start - first : stop - first]
        weights[start:stop] += weight
    return (total / weights).to(torch.float32)


@pytest.mark.parametrize("samples", LENGTHS)
@pytest.mark.parametrize("overlap", [1, 16, 21, 32])
def test_centred_triangles_are_an_overlap_add_by_triangles(samples: int, overlap: int) -> None:
    chunks = ChunkConfig(length=64, overlap=overlap, ends="centred", fade="triangle")
    model = Contextual(chunks, GAINS)
    mix = noise(2, samples)
    expected = overlap_added(model, mix, length=64, stride=64 - overlap)
    found = run(WaveformSeparator(model, stems=tuple(GAINS)), mix, 50)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_a_short_end_is_seen_centred() -> None:
    seen = []

    def see(batch: Tensor) -> Tensor:
        seen.extend(batch[:, 0].tolist())
        return batch

    config = ChunkConfig(length=8, overlap=2, ends="centred", fade="triangle")
    stream = ChunkStream(config, see)
    signal = torch.arange(1.0, 10.0)[None]
    list(stream.push(signal))
    list(stream.finish())
    # The second chunk keeps 7, 8 and 9; of the 5 steps that are missing 2 come before.
    assert seen == [[1, 2, 3, 4, 5, 6, 7, 8], [5, 6, 7, 8, 9, 0, 0, 0]]


@pytest.mark.parametrize("chunks", GRIDS)
@pytest.mark.parametrize("samples", LENGTHS)
def test_gains_are_exact_on_every_grid(chunks: ChunkConfig, samples: int) -> None:
    mix = noise(2, samples)
    found = run(WaveformSeparator(Gains(chunks, GAINS), stems=("other", "vocals")), mix, 77)
    torch.testing.assert_close(found, torch.stack([-2 * mix, 0.25 * mix]))


@pytest.mark.parametrize("chunks", GRIDS)
@pytest.mark.parametrize("shifts", [0, 2])
@pytest.mark.parametrize("samples", [1, 63, 65, 1001])
def test_blocks_do_not_matter(chunks: ChunkConfig, shifts: int, samples: int) -> None:
    model = Contextual(chunks, GAINS)
    separator = WaveformSeparator(model, stems=tuple(GAINS), options=WaveformOptions(shifts=shifts))
    mix = noise(2, samples)
    whole = run(separator, mix, samples)
    assert whole.shape == (2, 2, samples)
    for block in (1, 7, 64, 500):
        assert torch.equal(run(separator, mix, block), whole)


@pytest.mark.parametrize("shifts", [0, 2])
def test_nothing_in_nothing_out(shifts: int) -> None:
    options = WaveformOptions(shifts=shifts)
    separator = WaveformSeparator(Gains(DEMUCS, GAINS), stems=("vocals",), options=options)
    assert separator.push(torch.zeros(2, 0)).shape == (1, 2, 0)
    assert separator.finish().shape == (1, 2, 0)


@pytest.mark.parametrize("chunks", GRIDS)
def test_memory_does_not_grow(chunks: ChunkConfig) -> None:
    options = WaveformOptions(shifts=2)
    separator = WaveformSeparator(Gains(chunks, GAINS), stems=("vocals",), options=options)
    given = 0
    for _ in range(500):
        given += separator.push(torch.zeros(2, 32)).shape[-1]
        held = sum(
            tensor.untyped_storage().nbytes() // 8
            for each in separator._passes
            for tensor in (*each._waiting, *each._stream._pieces)
        )
        # Per pass a batch of chunks on either side and what centring may need, plus the shift.
        assert held < 2 * (2 * (chunks.batch + 1) * 64 + 32 + 200)
    assert given > 500 * 32 - (chunks.batch + 1) * 64 - 200


def test_a_mono_model_takes_each_channel_by_itself() -> None:
    model = Contextual(DEMUCS, GAINS, channels=1)
    separator = WaveformSeparator(model, stems=tuple(GAINS))
    assert separator.channels is None
    mix = noise(2, 500)
    both = run(separator, mix, 100)
    for channel in range(2):
        alone = run(separator, mix[channel : channel + 1], 100)
        torch.testing.assert_close(both[:, channel : channel + 1], alone)


def test_shifts_are_the_mean_of_passes_after_silence() -> None:
    model = Contextual(DEMUCS, GAINS)
    mix = noise(2, 500)
    plain = WaveformSeparator(model, stems=tuple(GAINS))
    silences = shift_silences(3, sample_rate=RATE, seed=5)
    passes = [run(plain, F.pad(mix, (n, 0)), 100)[..., n:] for n in silences]
    shifted = WaveformSeparator(
        model, stems=tuple(GAINS), options=WaveformOptions(shifts=3, seed=5)
    )
    torch.testing.assert_close(run(shifted, mix, 100), torch.stack(passes).mean(0))


def test_shifts_come_from_the_seed_alone() -> None:
    ours = shift_silences(50, sample_rate=RATE, seed=1)
    assert ours == shift_silences(50, sample_rate=RATE, seed=1)
    assert ours != shift_silences(50, sample_rate=RATE, seed=2)
    assert 0 <= min(ours) < max(ours) <= 200
    assert shift_silences(0, sample_rate=RATE, seed=1) == (0,)


def test_options_change_the_grid() -> None:
    seen = []

    class Counting(Gains):
        def stems(self, mix: Tensor, *, stems: Sequence[str]) -> Tensor:
            seen.append(mix.shape[0])
            return super().stems(mix, stems=stems)

    options = WaveformOptions(batch=2, overlap=0.5)
    separator = WaveformSeparator(Counting(DEMUCS, GAINS), stems=("vocals",), options=options)
    run(separator, noise(2, 160), 160)
    # A chunk every 32 samples, the last of them of shared samples alone.
    assert seen == [2, 2, 1]
    with pytest.raises(ValueError, match="overlap must lie"):
        WaveformSeparator(
            Counting(DEMUCS, GAINS), stems=("vocals",), options=WaveformOptions(overlap=0.7)
        )


def test_a_batch_that_does_not_fit_is_halved_and_said() -> None:
    class Large(Gains):
        def stems(self, mix: Tensor, *, stems: Sequence[str]) -> Tensor:
            if mix.shape[0] > 1:
                raise RuntimeError("CUDA out of memory")
            return super().stems(mix, stems=stems)

    said: list[str] = []
    separator = WaveformSeparator(Large(DEMUCS, GAINS), stems=("vocals",), notice=said.append)
    mix = noise(2, 1000)
    torch.testing.assert_close(run(separator, mix, 1000)[0], 0.25 * mix)
    assert said == ["out of memory: going on with batches of 1"]


def test_a_chunk_of_fixed_length_is_not_halved() -> None:
    class TooLarge(Gains):
        def stems(self, mix: Tensor, *, stems: Sequence[str]) -> Tensor:
            raise RuntimeError("CUDA out of memory")

    chunks = ChunkConfig(length=64, multiple=64)
    separator = WaveformSeparator(TooLarge(chunks, GAINS), stems=("vocals",))
    with pytest.raises(ResourceError, match="one chunk of 64 steps"):
        separator.push(noise(2, 64))


@pytest.mark.parametrize("rate", [RATE, 2 * RATE, 441])
@pytest.mark.parametrize("channels", [1, 2])
def test_in_the_engine_stems_sum_to_the_mix(rate: int, channels: int) -> None:
    model = Contextual(DEMUCS, GAINS)
    plan = plan_outputs(StemSet(tuple(GAINS), "other"), Request(), model="test")
    separator = WaveformSeparator(model, stems=plan.computed)
    engine = Engine(separator, plan=plan, sample_rate=rate, channels=channels)
    mix = noise(channels, 3001)
    stems = torch.cat(list(engine.stream(mix.split(1000, dim=-1))), dim=-1)
    assert stems.shape == (2, channels, 3001)
    torch.testing.assert_close(stems.sum(0), mix, atol=1e-5, rtol=0)
