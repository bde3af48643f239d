"""Spectra from masks: each phase keeps what it promises."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unmixcli.dsp.phase import PhaseUnwrapping, recover_phases
from unmixcli.dsp.stft import STFTConfig
from unmixcli.dsp.wiener import wiener
from unmixcli.hpss.method import PAIR
from unmixcli.hpss.phase import PHASES, Phase, open_phase

STFT = STFTConfig(n_fft=64, hop_samples=16)


def masks_and_mix() -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    masks = torch.rand(2, 2, 33, 30, generator=rng) / 2
    return masks, torch.randn(2, 33, 30, dtype=torch.complex64, generator=rng)


def spectra(phase: Phase, masks: Tensor, mix: Tensor) -> Tensor:
    stream = open_phase(phase, stems=PAIR, stft=STFT)
    done = stream.push(masks, mix)
    rest = stream.finish()
    return done if rest is None else torch.cat((done, rest), dim=-1)


def test_phase_of_the_mix() -> None:
    masks, mix = masks_and_mix()
    torch.testing.assert_close(spectra("mixture", masks, mix), masks * mix)


def test_unwrapping_keeps_magnitudes_and_is_that_of_dsp() -> None:
    masks, mix = masks_and_mix()
    found = spectra("pu", masks, mix)
    torch.testing.assert_close(found.abs(), masks * mix.abs(), rtol=1e-5, atol=1e-6)
    config = PhaseUnwrapping(n_fft=64, hop_samples=16)
    torch.testing.assert_close(found, recover_phases(masks * mix.abs(), mix, config=config))
    assert (found - masks * mix).abs().max() > 0.01


def test_the_wiener_filter_takes_the_residual_for_a_stem() -> None:
    masks, mix = masks_and_mix()
    shares = torch.cat((masks, 1 - masks.sum(0, keepdim=True)))
    expected = wiener(shares * mix.abs(), mix)[:2]
    torch.testing.assert_close(spectra("wiener", masks, mix), expected)


@pytest.mark.parametrize("phase", PHASES)
def test_blocks_and_memory_order_do_not_matter(phase: Phase) -> None:
    masks, mix = masks_and_mix()
    whole = spectra(phase, masks, mix)
    stream = open_phase(phase, stems=PAIR, stft=STFT)
    frames_first = mix.transpose(-1, -2).contiguous().transpose(-1, -2)
    pairs = zip(masks.split(7, dim=-1), frames_first.split(7, dim=-1), strict=True)
    done = [stream.push(*pair) for pair in pairs]
    rest = stream.finish()
    assert torch.equal(torch.cat(done if rest is None else [*done, rest], dim=-1), whole)
