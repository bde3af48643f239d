from __future__ import annotations

import math

import pytest

from unmixcli.errors import UsageError
from unmixcli.evaluation.settings import METRICS, EvalSettings, parse_metrics, parse_oracles


def test_names_may_have_spaces_capitals_and_repeats() -> None:
    assert parse_metrics("BSSeval, sisdr,bsseval") == ("bsseval", "sisdr")


def test_irm_is_the_mask_of_magnitudes() -> None:
    assert parse_oracles("irm,mixture,irm1") == ("irm1", "mixture")


@pytest.mark.parametrize("text", ["bseval", "bsseval,", ""])
def test_what_is_no_metric_is_refused_with_the_ones_that_are(text: str) -> None:
    with pytest.raises(UsageError, match=r"--metrics"):
        parse_metrics(text)


def test_an_unknown_oracle_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"--oracle best: there are mixture, ibm, irm1"):
        parse_oracles("best")


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.inf, math.nan])
def test_a_window_and_a_hop_are_seconds(seconds: float) -> None:
    with pytest.raises(UsageError, match="--window"):
        EvalSettings(window_s=seconds)
    with pytest.raises(UsageError, match="--hop"):
        EvalSettings(hop_s=seconds)


def test_only_what_changes_a_score_is_in_the_fingerprint() -> None:
    base = EvalSettings().fingerprint
    assert EvalSettings(audio=False, oracles=("irm1",)).fingerprint == base
    assert EvalSettings(metrics=METRICS).fingerprint != base
    assert EvalSettings(window_s=30.0).fingerprint != base
    assert EvalSettings(hop_s=0.5).fingerprint != base
