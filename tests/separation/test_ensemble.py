"""Ensembles: means and choices that are known without running them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from models_for_tests import ConstantMasks, ContextMasks, engine, noise, separate, settings
from unmixcli.dsp.chunks import ChunkConfig
from unmixcli.models.ensemble import Method
from unmixcli.models.stems import StemSet
from unmixcli.separation.engine import Engine
from unmixcli.separation.ensemble import EnsembleMember, EnsembleSeparator
from unmixcli.separation.sparing import Notice
from unmixcli.separation.stems import Request, plan_outputs

STEMS = ("vocals", "accompaniment")


def member(gains: Sequence[float], weights: tuple[float, ...] = (1.0, 1.0)) -> EnsembleMember:
    """A separator whose stems are the mix times gains."""
    given = Request(stems=tuple(s for s, weight in zip(STEMS, weights, strict=True) if weight))
    model = ConstantMasks(settings(), gains)
    return EnsembleMember(engine(model, stem_set=StemSet(STEMS), request=given), weights)


def ensemble(
    *members: EnsembleMember,
    method: Method = "mean",
    given: tuple[str, ...] = STEMS,
    measured: Notice | None = None,
) -> Engine:
    plan = plan_outputs(StemSet(STEMS), Request(stems=given), model="both")
    separator = EnsembleSeparator(
        members, stems=STEMS, method=method, given=given, measured=measured
    )
    return Engine(separator, plan=plan, sample_rate=44100, channels=2)


@pytest.mark.parametrize("samples", [1, 4095, 100_003])
def test_the_mean_is_weighted_by_stem(samples: int) -> None:
    mix = noise(2, samples)
    both = ensemble(member([0.2, 1.0], (1.0, 3.0)), member([0.8, 0.0], (2.0, 1.0)))
    found = separate(both, mix)
    expected = torch.stack([(0.2 + 2 * 0.8) / 3 * mix, 0.75 * mix])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_a_member_without_a_weight_has_no_say() -> None:
    mix = noise(2, 50_000)
    both = ensemble(member([0.2, 1.0], (0.0, 1.0)), member([0.8, 0.0], (1.0, 0.0)))
    torch.testing.assert_close(
        separate(both, mix), torch.stack([0.8 * mix, mix]), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize(
    ("method", "expected"), [("min", 0.1), ("max", 0.9), ("median", 0.4), ("mean", 1.4 / 3)]
)
@pytest.mark.parametrize("samples", [1, 4095, 100_003])
def test_choices_by_magnitude(method: Method, expected: float, samples: int) -> None:
    mix = noise(2, samples)
    three = ensemble(*(member([gain, 1.0]) for gain in (0.4, 0.9, 0.1)), method=method)
    found = separate(three, mix)
    assert found.shape == (2, 2, samples)
    torch.testing.assert_close(found[0], expected * mix, atol=1e-5, rtol=0)
    torch.testing.assert_close(found[1], mix, atol=1e-5, rtol=0)


def test_the_median_of_four_is_the_mean_of_the_middle() -> None:
    mix = noise(2, 20_000)
    four = ensemble(*(member([gain, 1.0]) for gain in (0.4, 0.9, 0.1, 0.6)), method="median")
    torch.testing.assert_close(separate(four, mix)[0], 0.5 * mix, atol=1e-5, rtol=0)


class Band(ConstantMasks):
    kept: Tensor

    def masks(self, mix: Tensor, *, stems: Sequence[str]) -> Tensor:
        return super().masks(mix, stems=stems) * self.kept[:, None]


def halves() -> list[EnsembleMember]:
    """Two members, each without the other's half of the spectrum."""
    members = []
    for kept in (torch.arange(257) < 128, torch.arange(257) >= 128):
        model = Band(settings(), [1.0, 1.0])
        model.kept = kept
        members.append(EnsembleMember(engine(model, stem_set=StemSet(STEMS)), (1.0, 1.0)))
    return members


def test_choices_are_by_bin_not_by_song() -> None:
    """Of two estimates, each without the other's half of the spectrum, the least is silence."""
    members, mix = halves(), noise(2, 60_000)
    least = separate(ensemble(*members, method="min"), mix)
    greatest = separate(ensemble(*members, method="max"), mix)
    assert least.square().mean() < 0.02 * mix.square().mean()
    assert (greatest - mix).square().mean() < 0.02 * mix.square().mean()


@pytest.mark.parametrize("method", ["mean", "median"])
@pytest.mark.parametrize("block", [1009, 44_100])
def test_blocks_do_not_matter(method: Method, block: int) -> None:
    chunks = (ChunkConfig(length=64, context=4, overlap=8), ChunkConfig(length=32, overlap=4))
    members = [
        EnsembleMember(
            engine(ContextMasks(settings(chunks=c), [1.0, 1.0]), stem_set=StemSet(STEMS)),
            (1.0, 1.0),
        )
        for c in chunks
    ]
    both, mix = ensemble(*members, method=method), noise(2, 130_001)
    whole = separate(both, mix)
    assert whole.shape == (2, 2, 130_001)
    assert torch.equal(separate(both, mix, block), whole)


def test_a_stem_that_nobody_gives() -> None:
    with pytest.raises(ValueError, match="'vocals'"):
        ensemble(member([1.0, 1.0], (0.0, 1.0)), member([1.0, 1.0], (0.0, 1.0)))


def levels(said: list[str]) -> tuple[list[float], float]:
    """The inconsistency of both stems and the mixing error, told once."""
    (line,) = said
    told = r"inconsistency: vocals (\S+) dB, accompaniment (\S+) dB; mixing error: (\S+) dB"
    found = re.fullmatch(told, line)
    assert found is not None
    *stems, error = map(float, found.groups())
    return stems, error


@pytest.mark.parametrize("block", [9001, 60_000])
@pytest.mark.parametrize("method", ["mean", "min", "max", "median"])
def test_the_mixing_error_is_what_all_stems_leave_of_the_mix(method: Method, block: int) -> None:
    """Whichever come out: 0.5 and 0.25 of the mix leave a quarter, -12 dB."""
    said: list[str] = []
    members = (member([0.5, 0.25]), member([0.5, 0.25]))
    mix = noise(2, 60_000)
    both = ensemble(*members, method=method, given=("vocals",), measured=said.append)
    found = separate(both, mix, block)
    stems, error = levels(said)
    assert error == pytest.approx(-12.04, abs=0.06)
    # A share of a signal is one.
    assert all(level < -110 for level in stems)
    plain = separate(ensemble(*members, method=method), mix)
    assert torch.equal(found, plain[:1])


@pytest.mark.parametrize(("method", "low", "high"), [("mean", -160, -110), ("max", -90, -20)])
def test_spectra_that_were_chosen_bin_by_bin_are_those_of_no_signal(
    method: Method, low: float, high: float
) -> None:
    said: list[str] = []
    separate(ensemble(*halves(), method=method, measured=said.append), noise(2, 60_000))
    assert all(low < level < high for level in levels(said)[0])
    said.clear()
    separate(ensemble(*halves(), method=method, measured=said.append), torch.zeros(2, 9))
    assert levels(said) == ([-math.inf, -math.inf], -math.inf)
