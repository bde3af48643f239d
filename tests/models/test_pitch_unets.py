"""Wired U-Nets as a model: masks, salience, files, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pitch_models_for_tests import pitch_card, pitch_model
from unmixcli.errors import ModelError
from unmixcli.models.adapters import pitch_unets
from unmixcli.models.load import spectral_settings
from unmixcli.models.spectral import Truth

STEMS = ("vocals", "accompaniment")


def mix() -> torch.Tensor:
    random = torch.Generator().manual_seed(1)
    return torch.randn(2, 1, 129, 32, dtype=torch.complex64, generator=random)


def test_masks_sum_to_one_and_vocals_end_below_the_highest_bin() -> None:
    masks = pitch_model().masks(mix(), stems=STEMS)
    assert masks.shape == (2, 2, 1, 129, 32)
    torch.testing.assert_close(masks.sum(1), torch.ones(2, 1, 129, 32))
    assert not masks[:, 0, :, 128].any()
    assert masks[:, 0, :, :128].std() > 0.01


def test_stems_come_in_the_order_they_are_asked_for() -> None:
    model = pitch_model()
    both, turned = model.masks(mix(), stems=STEMS), model.masks(mix(), stems=STEMS[::-1])
    assert torch.equal(both.flip(1), turned)
    assert torch.equal(model.masks(mix(), stems=STEMS[1:]), both[:, 1:])


def test_salience_is_that_of_the_last_net_of_pitch() -> None:
    model = pitch_model()
    salience = model.salience(mix())
    assert salience.shape == (2, 48, 32)
    found = model.network(mix()[:, 0, :128].abs())
    assert torch.equal(salience, found.logits["pitch_2"].sigmoid())
    assert not torch.equal(salience, found.logits["pitch_1"].sigmoid())


def test_a_wiring_without_pitch_or_vocals_gives_zeros() -> None:
    assert not pitch_model(wiring="source").salience(mix()).any()
    model = pitch_model(wiring="pitch")
    masks = model.masks(mix(), stems=STEMS)
    assert not masks[:, 0].any()
    assert (masks[:, 1] == 1).all()
    assert (model.gives_salience, pitch_model(wiring="source").gives_salience) == (True, False)


def test_oracles_need_the_truth() -> None:
    model = pitch_model(wiring="oracle-pitch")
    with pytest.raises(ModelError, match="reads their true pitch, which only a training knows"):
        model.masks(mix(), stems=STEMS)
    truth = Truth(torch.rand(2, 1, 129, 32), torch.rand(2, 48, 32))
    first, _ = model.joint(mix(), stems=STEMS, truth=truth)
    second, _ = model.joint(mix(), stems=STEMS, truth=Truth(truth.vocals, 0 * truth.salience))
    assert not torch.allclose(first, second)


def test_stages_are_what_earlier_nets_gave() -> None:
    assert pitch_model().training_masks(mix(), stems=STEMS).stages == ()
    given = pitch_model(parameters={"stages": 0.5}).training_masks(mix(), stems=STEMS)
    ((weight, masks),) = given.stages
    ((_, salience),) = given.salience_stages
    assert weight == 0.5
    assert masks.shape == given.masks.shape
    assert given.salience is not None
    assert salience.shape == given.salience.shape
    assert not torch.equal(masks, given.masks)


def test_quiet_chunks_are_heard_as_loud_ones() -> None:
    model, plain = (pitch_model(parameters={"level": level}) for level in (50.0, 0.0))
    loudest = mix()[:, 0, :128].abs().square().mean(1).sqrt().amax(-1)
    level = mix() * (50.0 / loudest)[:, None, None, None]
    heard = plain.joint(level, stems=STEMS)
    # Each chunk of a batch by itself, however quiet, but not by more than 30 dB.
    quiet = level * torch.tensor([0.8, 0.04])[:, None, None, None]
    for found, expected in zip(model.joint(quiet, stems=STEMS), heard, strict=True):
        torch.testing.assert_close(found, expected)
    for factor in (1.0, 3.0):
        found, expected = (m.salience(factor * level) for m in (model, plain))
        torch.testing.assert_close(found, expected)
    fainter = model.salience(1e-3 * level)
    torch.testing.assert_close(fainter, plain.salience(0.0316 * level))
    assert not torch.allclose(fainter, heard[1])
    assert model.salience(0 * level).isfinite().all()


def test_the_truth_is_raised_with_the_mix() -> None:
    model = pitch_model(wiring="oracle-vocals", parameters={"level": 10.0})
    truth = Truth(torch.rand(2, 1, 129, 32), torch.rand(2, 48, 32))
    half = Truth(0.5 * truth.vocals, truth.salience)
    _, salience = model.joint(mix(), stems=STEMS, truth=truth)
    _, same = model.joint(0.5 * mix(), stems=STEMS, truth=half)
    torch.testing.assert_close(salience, same)


def test_weights_go_through_a_file(tmp_path: Path) -> None:
    model, card = pitch_model(), pitch_card()
    ((role, state),) = pitch_unets.states(model).items()
    assert role == "all"
    assert not [name for name in state if "map" in name]
    save_file({k: v.contiguous() for k, v in state.items()}, tmp_path / "model.safetensors")
    paths = {"all": tmp_path / "model.safetensors"}
    loaded = pitch_unets.build(card, paths, spectral_settings(card)).eval()
    for one, two in zip(
        model.joint(mix(), stems=STEMS), loaded.joint(mix(), stems=STEMS), strict=True
    ):
        assert torch.equal(one, two)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stems": ["vocals", "drums", "accompaniment"]}, "vocals and another one"),
        ({"channels": 2}, "one channel"),
        ({"chunks": {"length": 30, "multiple": 2}}, "a multiple of 8"),
        ({"pitch": None}, "no table pitch"),
        ({"wiring": "s-p"}, "wiring must be one of pitch"),
        ({"parameters": {"bins": 100}}, "multiple of 8 up to 129"),
        ({"parameters": {"network": {"filter": [1]}}}, "did you mean filters"),
    ],
)
def test_what_does_not_fit_is_said(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        pitch_model(**changes)
