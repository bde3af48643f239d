"""Harmonic, percussive, residual: each to its own, all of the mix."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from unmixcli.dsp.stft import stft
from unmixcli.hpss.session import HPSSOptions, open_hpss, select_method
from unmixcli.hpss.threshold import LONG, SHORT, CascadeSeparator, ThresholdMethod

Sound = Callable[..., Tensor]
RATE = 44100
PARTS = ("harmonic", "percussive", "residual")


def separated(mix: Tensor, *, stems: tuple[str, ...] = (), margin: float | None = None) -> Tensor:
    options = HPSSOptions(margin=margin)
    choice, plan = select_method("hpr", options=options, stems=stems)
    session = open_hpss(choice, plan, options=options, device="cpu")
    engine = session.engine(sample_rate=RATE, channels=mix.shape[0])
    return torch.cat(list(engine.stream([mix])), dim=-1)


class Gain:
    """A separator of one stem, a share of the mix, some pushes late."""

    sample_rate = RATE
    channels = None

    def __init__(self, stem: str, gain: float, *, late: int) -> None:
        self.stems = (stem,)
        self._gain = gain
        self._late = late
        self.reset()

    def reset(self) -> None:
        self._held: list[Tensor] = []

    def push(self, block: Tensor) -> Tensor:
        self._held.append(self._gain * block)
        return self._held.pop(0)[None] if len(self._held) > self._late else block[None, :, :0]

    def finish(self) -> Tensor:
        return torch.cat(self._held, dim=-1)[None]


def test_the_second_stage_gets_what_the_first_one_leaves(noise: Sound) -> None:
    first, second = Gain("harmonic", 0.25, late=2), Gain("percussive", 0.5, late=1)
    cascade = CascadeSeparator(first, second, stems=("percussive", "harmonic"))
    mix = noise(5000, channels=2)
    parts = [cascade.push(part) for part in mix.split(700, dim=-1)]
    stems = torch.cat((*parts, cascade.finish()), dim=-1)
    torch.testing.assert_close(stems, torch.stack((0.375 * mix, 0.25 * mix)))


def energies_db(stems: Tensor) -> Tensor:
    return 10 * torch.log10(stems[..., 8192:-8192].double().square().sum(dim=(1, 2)) + 1e-12)


def test_each_sound_goes_where_it_belongs(tone: Sound, clicks: Sound, noise: Sound) -> None:
    for row, sound in enumerate((tone(), clicks(), noise())):
        levels = energies_db(separated(sound))
        others = [level for part, level in enumerate(levels) if part != row]
        assert levels[row] - max(others) > (10 if row < 2 else 0), PARTS[row]


def test_parts_sum_to_the_mix(noise: Sound) -> None:
    mix = noise(30011, channels=2)
    stems = separated(mix)
    assert stems.shape == (3, 2, 30011)
    torch.testing.assert_close(stems.sum(0), mix, atol=1e-6, rtol=0)


def test_a_stem_does_not_depend_on_what_else_is_asked(noise: Sound) -> None:
    mix = noise(30011)
    stems = separated(mix)
    for row, part in enumerate(PARTS):
        assert torch.equal(separated(mix, stems=(part,))[0], stems[row])
    assert torch.equal(separated(mix, stems=("percussive", "harmonic")), stems[[1, 0]])


def test_a_larger_factor_leaves_more(noise: Sound) -> None:
    mix = noise(30011)
    left = [energies_db(separated(mix, margin=factor))[2] for factor in (1.0, 2.0, 4.0)]
    assert left == sorted(left)
    assert left[2] > left[0] + 1


@pytest.mark.parametrize("wanted", ["harmonic", "percussive"])
def test_masks_are_all_or_nothing(wanted: str, noise: Sound) -> None:
    spectrum = stft(noise(5000), config=SHORT).unsqueeze(0)
    masks = ThresholdMethod(SHORT, RATE, wanted, 1.2).masks(spectrum)  # type: ignore[arg-type]
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    assert (masks.sum(1) == 1).all()


def test_silence_stays_with_the_rest() -> None:
    silence = torch.zeros(1, 1, 129, 40, dtype=torch.complex64)
    harmonic, percussive = ThresholdMethod(SHORT, RATE, "percussive").masks(silence)[0]
    assert harmonic.all()
    assert not percussive.any()
    assert not ThresholdMethod(SHORT, RATE, "harmonic").masks(silence)[0, 0].any()


def test_medians_of_the_paper() -> None:
    long, short = (ThresholdMethod(config, RATE, "harmonic") for config in (LONG, SHORT))
    # 200 ms and 500 Hz.
    assert (long.frames, long.bins) == (9, 47)
    assert (short.frames, short.bins) == (137, 3)
