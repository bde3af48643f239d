"""Spectra from magnitudes: each phase keeps what it promises, and the measures are true."""

from __future__ import annotations

import math
import re

import pytest
import torch
from torch import Tensor

from unmixcli.dsp.consistency import inconsistency
from unmixcli.dsp.phase import PhaseUnwrapping, recover_phases
from unmixcli.dsp.stft import STFTConfig, stft
from unmixcli.dsp.wiener import WienerStream, wiener
from unmixcli.separation.phase import (
    PHASES,
    Phase,
    PhaseMeasure,
    PhaseStream,
    UnwrappedPhase,
    WienerPhase,
    open_phase,
)

STFT = STFTConfig(n_fft=64, hop_samples=16)
PAIR = ("harmonic", "percussive")
FOUR = ("vocals", "drums", "bass", "other")


def magnitudes_and_mix(stems: int = 2) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    mix = torch.randn(2, 33, 30, dtype=torch.complex64, generator=rng)
    return torch.rand(stems, 2, 33, 30, generator=rng) / 2 * mix.abs(), mix


def spectra(stream: PhaseStream, magnitudes: Tensor, mix: Tensor, *, block: int = 30) -> Tensor:
    pairs = zip(magnitudes.split(block, dim=-1), mix.split(block, dim=-1), strict=True)
    done = [stream.push(*pair) for pair in pairs]
    rest = stream.finish()
    return torch.cat(done if rest is None else [*done, rest], dim=-1)


def opened(phase: Phase, stems: tuple[str, ...] = PAIR) -> PhaseStream:
    return open_phase(phase, stems=stems, stft=STFT)


def test_phase_of_the_mix() -> None:
    magnitudes, mix = magnitudes_and_mix()
    found = spectra(opened("mixture"), magnitudes, mix)
    torch.testing.assert_close(found, torch.polar(magnitudes, mix.angle().expand(2, -1, -1, -1)))


def test_unwrapping_is_that_of_dsp() -> None:
    magnitudes, mix = magnitudes_and_mix()
    found = spectra(opened("pu"), magnitudes, mix)
    config = PhaseUnwrapping(n_fft=64, hop_samples=16)
    assert torch.equal(found, recover_phases(magnitudes, mix, config=config))
    assert (found - spectra(opened("mixture"), magnitudes, mix)).abs().max() > 0.01


def test_names_tell_what_is_unwrapped_whatever_their_order() -> None:
    magnitudes, mix = magnitudes_and_mix(4)
    config = PhaseUnwrapping(n_fft=64, hop_samples=16, unwrapped=3)
    expected = recover_phases(magnitudes[[0, 2, 3, 1]], mix, config=config)[[0, 3, 1, 2]]
    assert torch.equal(spectra(opened("pu", FOUR), magnitudes, mix), expected)


@pytest.mark.parametrize(("stems", "unwrapped"), [(("drums",), 0), (("vocals", "rest"), 2)])
def test_all_or_none_may_be_percussive(stems: tuple[str, ...], unwrapped: int) -> None:
    magnitudes, mix = magnitudes_and_mix(len(stems))
    config = PhaseUnwrapping(n_fft=64, hop_samples=16, unwrapped=unwrapped)
    expected = recover_phases(magnitudes, mix, config=config)
    assert torch.equal(spectra(UnwrappedPhase(stems, STFT), magnitudes, mix), expected)


def test_signed_magnitudes_count_by_their_size() -> None:
    magnitudes, mix = magnitudes_and_mix()
    expected = spectra(opened("pu"), magnitudes, mix)
    magnitudes[1, :, 3] *= -1
    assert torch.equal(spectra(opened("pu"), magnitudes, mix), expected)


@pytest.mark.parametrize("iterations", [1, 3])
def test_the_wiener_filter_is_that_of_dsp(iterations: int) -> None:
    magnitudes, mix = magnitudes_and_mix()
    stream = open_phase("wiener", stems=PAIR, stft=STFT, wiener_iterations=iterations)
    expected = wiener(magnitudes, mix, iterations=iterations)
    assert torch.equal(spectra(stream, magnitudes, mix), expected)


def test_the_wiener_filter_may_take_the_residual_for_a_stem() -> None:
    magnitudes, mix = magnitudes_and_mix()
    stream = WienerPhase(WienerStream(window_frames=20), left_over=True)
    shares = torch.cat((magnitudes, mix.abs() - magnitudes.sum(0, keepdim=True)))
    windows = (wiener(shares[..., w], mix[..., w])[:2] for w in (slice(20), slice(20, 30)))
    found = spectra(stream, magnitudes, mix)
    torch.testing.assert_close(found, torch.cat(list(windows), dim=-1))


@pytest.mark.parametrize("phase", PHASES)
def test_blocks_and_memory_order_do_not_matter(phase: Phase) -> None:
    magnitudes, mix = magnitudes_and_mix()
    stream = opened(phase)
    whole = spectra(stream, magnitudes, mix)
    stream.reset()
    frames_first = mix.transpose(-1, -2).contiguous().transpose(-1, -2)
    assert torch.equal(spectra(stream, magnitudes, frames_first, block=7), whole)


def measured(stems: tuple[str, ...], given: Tensor, mix: Tensor, *, late: int = 0) -> list[float]:
    """What is said of 480 samples whose spectra come so many frames after the mix."""
    said: list[str] = []
    measure = PhaseMeasure(stems, STFT, said.append)
    for _ in range(2):
        measure.push(given[..., : 20 - late], mix[..., :20])
        measure.push(given[..., 20 - late : 25], mix[..., 20:])
        measure.push(given[..., 25:])
        measure.finish(480)
        measure.reset()
    assert said[0] == said[1]
    assert re.findall(r"(\w+) \S+ dB", said[0]) == list(stems)
    return [float(level) for level in re.findall(r"(\S+) dB", said[0])]


@pytest.mark.parametrize("late", [0, 5])
def test_measures_are_those_of_the_spectra(late: int) -> None:
    rng = torch.Generator().manual_seed(0)
    mix = stft(torch.randn(2, 480, generator=rng), config=STFT)
    given = torch.stack((mix / 2, mix.abs() / 2 + 0j, mix / 4))
    *levels, error = measured(("tone", "buzz"), given, mix, late=late)
    assert levels[0] < -110
    assert levels[1] == pytest.approx(inconsistency(given[1], config=STFT, samples=480), abs=0.06)
    left = (mix - given.sum(dim=0)).abs().square().sum() / mix.abs().square().sum()
    assert error == pytest.approx(10 * math.log10(float(left)), abs=0.06)


def test_silence_is_no_error() -> None:
    silent = torch.zeros(2, 33, 31, dtype=torch.complex64)
    assert measured(("hush",), silent.unsqueeze(0), silent) == [-math.inf, -math.inf]
