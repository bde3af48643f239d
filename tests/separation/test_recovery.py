"""Phases of stems that come as samples: what each promises, streams equal to the whole."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor

from models_for_tests import ConstantMasks, noise, separate, settings
from unmixcli.dsp.phase import PhaseUnwrapping, recover_phases
from unmixcli.dsp.stft import istft, stft
from unmixcli.dsp.wiener import WienerStream
from unmixcli.models.stems import StemSet
from unmixcli.separation.engine import Engine
from unmixcli.separation.phase import PHASES, Phase
from unmixcli.separation.recovery import SPECTRA, MeasuredSeparator, RecoveringSeparator
from unmixcli.separation.separator import Separator
from unmixcli.separation.spectral import SpectralOptions, SpectralSeparator
from unmixcli.separation.stems import Request, plan_outputs

LENGTH = 40001


class Echoes:
    """The mix a little louder each time, as the first stem, and what it leaves; late."""

    stems = ("drums", "vocals")
    sample_rate = 44100
    channels = None

    def reset(self) -> None:
        self._blocks: list[Tensor] = []

    def push(self, block: Tensor) -> Tensor:
        self._blocks.append(block)
        return self._stems(self._blocks.pop(0) if len(self._blocks) > 1 else block[:, :0])

    def finish(self) -> Tensor:
        return self._stems(torch.cat(self._blocks, dim=-1))

    def _stems(self, mix: Tensor) -> Tensor:
        bent = mix.abs() * mix
        return torch.stack((bent, mix - bent))


def run(separator: Separator, mix: Tensor, block: int = LENGTH) -> Tensor:
    separator.reset()
    blocks = mix.split(block, dim=-1) if mix.shape[-1] else (mix,)
    done = [separator.push(part) for part in blocks]
    return torch.cat((*done, separator.finish()), dim=-1)


def recovering(phase: Phase, *, stems: tuple[str, ...] = Echoes.stems) -> RecoveringSeparator:
    return RecoveringSeparator(Echoes(), stems=stems, phase=phase)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("samples", [0, 1, LENGTH])
def test_pieces_do_not_matter(phase: Phase, samples: int) -> None:
    mix = noise(2, samples)
    separator = recovering(phase)
    whole = run(separator, mix)
    assert whole.shape == (2, 2, samples)
    torch.testing.assert_close(run(separator, mix, 9001), whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize("phase", PHASES)
def test_blocks_change_no_bit_of_what_the_engine_gives(phase: Phase) -> None:
    plan = plan_outputs(StemSet(Echoes.stems), Request(), model="echoes")
    engine = Engine(recovering(phase), plan=plan, sample_rate=44100, channels=2)
    mix = noise(2, 4 * LENGTH)
    whole = separate(engine, mix)
    assert whole.shape == (2, *mix.shape)
    assert torch.equal(separate(engine, mix, 9001), whole)


def test_unwrapping_is_that_of_the_stems_spectra() -> None:
    mix = noise(2, LENGTH)
    drums, vocals = run(Echoes(), mix)
    magnitudes = stft(torch.stack((vocals, drums)), config=SPECTRA).abs()
    config = PhaseUnwrapping(n_fft=4096, hop_samples=1024)
    spectra = recover_phases(magnitudes, stft(mix, config=SPECTRA), config=config)
    expected = istft(spectra, config=SPECTRA, samples=LENGTH).flip(0)
    torch.testing.assert_close(run(recovering("pu"), mix), expected)


def test_the_wiener_filter_adds_up_to_the_mix() -> None:
    mix = noise(2, LENGTH)
    filtered = run(recovering("wiener"), mix)
    torch.testing.assert_close(filtered.sum(0), mix, atol=1e-5, rtol=0)
    assert (filtered - run(Echoes(), mix)).abs().max() > 1e-2
    magnitudes = stft(run(Echoes(), mix), config=SPECTRA).abs()
    stream = WienerStream()
    spectra = [stream.push(magnitudes, stft(mix, config=SPECTRA)), stream.finish()]
    expected = istft(torch.cat(spectra, dim=-1), config=SPECTRA, samples=LENGTH)
    torch.testing.assert_close(filtered, expected)


def test_a_share_of_the_mix_has_its_phase_already() -> None:
    network = ConstantMasks(settings(), [0.25, 0.75])
    mix = noise(2, LENGTH)
    separator = SpectralSeparator(network, stems=("vocals", "accompaniment"))
    given = run(separator, mix)
    again = RecoveringSeparator(separator, stems=separator.stems, phase="mixture")
    torch.testing.assert_close(run(again, mix), given, atol=1e-5, rtol=0)


@pytest.mark.parametrize("phase", PHASES)
def test_a_stem_alone_is_the_same(phase: Phase) -> None:
    mix = noise(2, LENGTH)
    both = run(recovering(phase), mix)
    assert torch.equal(run(recovering(phase, stems=("vocals",)), mix)[0], both[1])


def test_it_tells_its_measures_once() -> None:
    said: list[str] = []
    separator = RecoveringSeparator(Echoes(), stems=("vocals",), phase="pu", measured=said.append)
    run(separator, noise(2, LENGTH), 9001)
    assert len(said) == 1
    assert said[0].startswith("inconsistency: drums -")
    assert "vocals -" in said[0]
    assert "mixing error: -" in said[0]


class Shares(Echoes):
    """A half and a quarter of the mix, late."""

    def _stems(self, mix: Tensor) -> Tensor:
        return torch.stack((mix / 2, mix / 4))


@pytest.mark.parametrize("block", [1009, LENGTH])
@pytest.mark.parametrize(("separator", "low", "high"), [(Shares, -12.1, -12), (Echoes, -200, -110)])
def test_without_a_phase_stems_are_measured_and_stay_as_they_are(
    separator: type[Echoes], low: float, high: float, block: int
) -> None:
    said: list[str] = []
    mix = noise(2, LENGTH)
    measured = MeasuredSeparator(separator(), stems=("vocals",), measured=said.append)
    assert measured.stems == ("vocals",)
    for _ in range(2):
        assert torch.equal(run(measured, mix, block)[0], run(separator(), mix)[1])
    assert len(said) == 2
    assert said[0] == said[1]
    drums, vocals, error = (float(level) for level in re.findall(r"(\S+) dB", said[0]))
    # The transform of a signal is that of a signal.
    assert max(drums, vocals) < -110
    assert low < error <= high


def test_nothing_has_no_measures() -> None:
    said: list[str] = []
    measured = MeasuredSeparator(Echoes(), stems=Echoes.stems, measured=said.append)
    assert run(measured, noise(2, 0)).shape == (2, 2, 0)
    assert not said


def spectral(phase: Phase | None, **options: int) -> SpectralSeparator:
    network = ConstantMasks(settings(stems=("vocals", "drums", "rest")), [0.2, 0.5, 0.3])
    given = SpectralOptions(phase=phase, wiener_iterations=options.get("wiener"))
    return SpectralSeparator(network, stems=("drums", "vocals"), options=given)


def test_masks_have_the_phases_that_are_asked_for() -> None:
    """Of a spectral model magnitudes are those of its masks, and every stem takes part."""
    mix = noise(2, LENGTH)
    plain = run(spectral(None), mix)
    assert torch.equal(run(spectral("mixture"), mix), plain)
    assert torch.equal(run(spectral("wiener"), mix), run(spectral(None, wiener=1), mix))
    assert torch.equal(run(spectral("wiener", wiener=2), mix), run(spectral(None, wiener=2), mix))
    transform = spectral(None)._forward.config
    spectrum = stft(mix, config=transform)
    shares = torch.tensor([0.2, 0.3, 0.5])[:, None, None, None]
    config = PhaseUnwrapping(n_fft=transform.n_fft, hop_samples=transform.hop_samples, unwrapped=2)
    vocals, _, drums = istft(
        recover_phases(shares * spectrum.abs(), spectrum, config=config),
        config=transform,
        samples=LENGTH,
    )
    torch.testing.assert_close(run(spectral("pu"), mix), torch.stack((drums, vocals)))
    assert (run(spectral("pu"), mix) - plain).abs().max() > 1e-2
