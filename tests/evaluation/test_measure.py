from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from evaluation.runs_for_tests import RATE, noise
from unmixcli.data.tracks import Target
from unmixcli.evaluation.material import Material
from unmixcli.evaluation.measure import measure, null_db, with_mixture_sdr
from unmixcli.evaluation.settings import METRICS, EvalSettings
from unmixcli.metrics import bss_eval, ratios

SIX_HUNDRED = EvalSettings(window_s=1.0, hop_s=0.6)


def material_of(*levels: float, seconds: float = 3.0) -> Material:
    rows = [noise(at, level=level, seconds=seconds) for at, level in enumerate(levels)]
    references = torch.from_numpy(np.stack(rows))
    names = [f"stem {at}" for at in range(len(levels))]
    sounding = [level > 0 for level in levels]
    return Material(
        targets=tuple(Target(name, (name,), (name,)) for name in names),
        references=references,
        silent=tuple(not sounds for sounds in sounding),
        alone=tuple(sounds and sum(sounding) == 1 for sounds in sounding),
        mix=references.sum(dim=0),
        sample_rate=RATE,
        complete=True,
    )


def estimates_of(material: Material) -> torch.Tensor:
    rows = [noise(50 + at, level=0.02) for at in range(len(material.targets))]
    return material.references + torch.from_numpy(np.stack(rows))[..., : material.mix.shape[-1]]


def test_frames_are_those_of_bss_eval() -> None:
    material = material_of(0.1, 0.2)
    estimates = estimates_of(material)
    found = measure(material, estimates, SIX_HUNDRED)
    wanted = bss_eval(
        material.references, estimates, sample_rate=RATE, window_s=1.0, hop_s=0.6, version="v4"
    )
    for row, target in enumerate(found):
        assert target.frames is not None
        np.testing.assert_array_equal(target.frames.start_s, wanted.start_s)
        for name in ("SDR", "ISR", "SIR", "SAR"):
            table = getattr(wanted, name.lower())
            np.testing.assert_array_equal(target.frames.scores[name], table[row])


def test_the_ratio_of_a_known_error_is_known() -> None:
    material = material_of(0.1, 0.2)
    # The error is a tenth of the reference: 20 dB.
    found = measure(material, 1.1 * material.references, EvalSettings(metrics=()))
    for target in found:
        assert target.values["SNR"] == pytest.approx(20.0, abs=1e-4)
        assert target.values["global SDR"] == pytest.approx(20.0, abs=1e-3)
        assert target.frames is None
        assert target.windows is None


def test_the_mixture_improves_nothing() -> None:
    material = material_of(0.1, 0.2)
    settings = EvalSettings(metrics=("nsdr", "sisdr"))
    mixture = material.mix.expand_as(material.references)
    for target in measure(with_mixture_sdr(material, settings), mixture, settings):
        assert target.values["NSDR"] == 0
        assert target.values["SI-SDRi"] == 0


def test_every_metric_gives_its_numbers() -> None:
    settings = EvalSettings(metrics=METRICS)
    material = with_mixture_sdr(material_of(0.1, 0.2), settings)
    (target, _) = measure(material, estimates_of(material), settings)
    assert set(target.values) == {
        "global SDR", "SNR", "SI-SDR", "SI-SDRi", "SI-SDRi (sounding)", "NSDR",
        "LSD", "v3 SDR", "v3 SIR", "v3 SAR",
        "AUC", "precision", "recall", "F", "AUC (1 s)", "precision (1 s)", "recall (1 s)",
        "F (1 s)",
    }  # fmt: skip
    assert target.windows is not None
    assert target.windows.scores["SDR"] == [target.values["v3 SDR"]]


def test_v3_and_nsdr_are_those_of_the_metrics() -> None:
    settings = EvalSettings(metrics=("bsseval-v3", "nsdr"))
    material = with_mixture_sdr(material_of(0.1, 0.2), settings)
    estimates = estimates_of(material)
    wanted = bss_eval(
        material.references, estimates, sample_rate=RATE, window_s=math.inf, version="v3"
    )
    nsdr = ratios.nsdr(material.references, estimates, mixture=material.mix)
    for row, target in enumerate(measure(material, estimates, settings)):
        # The ridge that makes v3 sound on any stem is worth less than a hundred-thousandth of a dB.
        assert target.values["v3 SIR"] == pytest.approx(wanted.sir[row, 0], abs=1e-5)
        assert target.values["v3 SDR"] == pytest.approx(wanted.sdr[row, 0], abs=1e-5)
        assert target.values["NSDR"] == pytest.approx(float(nsdr[row]), abs=1e-5)


def test_a_silent_reference_has_no_scores_and_disturbs_no_other() -> None:
    material = material_of(0.1, 0.0, 0.2)
    estimates = estimates_of(material)
    found = measure(material, estimates, SIX_HUNDRED)
    audible = [0, 2]
    wanted = bss_eval(material.references[audible], estimates[audible], sample_rate=RATE, hop_s=0.6)
    for at, row in enumerate(audible):
        assert found[row].frames is not None
        np.testing.assert_array_equal(found[row].frames.scores["SIR"], wanted.sir[at])
    assert found[1].frames is not None
    assert found[1].frames.start_s.shape == wanted.start_s.shape
    assert np.isnan(found[1].frames.scores["SDR"]).all()
    assert math.isnan(found[1].values["global SDR"])


def test_a_leak_is_the_level_beside_the_mix() -> None:
    material = material_of(0.1, 0.0, 0.2)
    estimates = material.references.clone()
    estimates[1] = 0.01 * material.mix
    found = measure(material, estimates, EvalSettings(metrics=()))
    assert found[1].values["leak"] == pytest.approx(-40.0, abs=1e-4)
    assert "leak" not in found[0].values


@pytest.mark.parametrize("seconds", [0.5, 1.0, 1.7, 3.0])
def test_a_stem_alone_has_the_frames_of_any_other_but_no_scores(seconds: float) -> None:
    alone, both = material_of(0.1, 0.0, seconds=seconds), material_of(0.1, 0.1, seconds=seconds)
    found = measure(alone, estimates_of(alone), SIX_HUNDRED)
    usual = measure(both, estimates_of(both), SIX_HUNDRED)
    for one, other in zip(found, usual, strict=True):
        assert one.frames is not None
        assert other.frames is not None
        np.testing.assert_array_equal(one.frames.start_s, other.frames.start_s)
        assert one.frames.duration_s == other.frames.duration_s
        assert np.isnan(one.frames.scores["SDR"]).all()


def test_an_estimate_of_nothing_has_no_scores_and_disturbs_no_other() -> None:
    material = material_of(0.1, 0.2)
    estimates = estimates_of(material)
    usual = measure(material, estimates, SIX_HUNDRED)
    estimates[1] = 0
    found = measure(material, estimates, SIX_HUNDRED)
    assert found[0].frames is not None
    assert usual[0].frames is not None
    np.testing.assert_array_equal(found[0].frames.scores["SIR"], usual[0].frames.scores["SIR"])
    assert found[1].frames is not None
    assert np.isnan(found[1].frames.scores["SDR"]).all()
    assert math.isnan(found[1].values["SI-SDR"])


def test_the_null_test_is_for_stems_that_make_up_the_song() -> None:
    material = material_of(0.1, 0.2)
    assert null_db(material, material.references) < -120
    assert null_db(material, 0.9 * material.references) == pytest.approx(-20.0, abs=1e-3)
    assert math.isnan(null_db(replace(material, complete=False), material.references))
