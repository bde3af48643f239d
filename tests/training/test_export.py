from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

import unmixcli
from unmixcli.errors import ModelError
from unmixcli.models.card import Licence, Score, read_card
from unmixcli.training.export import export_model, toml_text
from unmixcli.training.model import untrained_model

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@pytest.mark.parametrize(
    "content",
    [
        {"a": 1, "b": [1.5, True, "x"], "c": {"d": {"e": "deep"}, "f": []}},
        {"quotes": 'a "b" \\ \n é 🎵', "a key": {"b.c": 1}},
        {"tables": [{"x": 1, "inner": {"y": [1, 2]}}, {"x": 2}], "after": "all"},
        {"tiny": 1e-10, "empty": {}},
    ],
)
def test_toml_reads_back(content) -> None:
    assert tomllib.loads(toml_text(content)) == content


def test_the_folder_separates_as_the_model_does(tmp_path, recipe) -> None:
    model = untrained_model(recipe()).eval()
    folder = export_model(model, recipe(), tmp_path / "my model", recipe_text="# how\n")
    mix = np.random.default_rng(0).standard_normal((1, 8000)).astype(np.float32) * 0.1
    stems = unmixcli.separate(mix, 8000, model=folder)
    assert list(stems) == ["vocals", "drums", "other"]
    np.testing.assert_allclose(sum(stems.values()), mix, atol=1e-5)
    assert (folder / "recipe.toml").read_text() == "# how\n"
    again = unmixcli.load_model(folder)
    theirs = dict(again.network.named_parameters())
    for name, value in model.named_parameters():
        assert torch.equal(value, theirs[name])


def test_the_card_says_what_the_recipe_says(tmp_path, recipe) -> None:
    licence = Licence(name="CC0", commercial=True)
    about = recipe().export.model_copy(update={"licence": licence, "training_data": "my songs"})
    described = recipe().model_copy(update={"export": about})
    score = Score(stem="vocals", metric="SDR", value=1.5, protocol="p", source="s")
    model = untrained_model(described)
    folder = export_model(model, described, tmp_path / "m", scores=[score])
    card = read_card(folder / "model.toml")
    assert (card.name, card.training_data, card.licence, card.scores) == (
        "small",
        "my songs",
        licence,
        (score,),
    )
    assert card.files[0].size == (folder / "model.safetensors").stat().st_size


def test_an_older_export_is_replaced_and_notes_stay(tmp_path, recipe) -> None:
    folder = tmp_path / "models" / "m"
    export_model(untrained_model(recipe()), recipe(), folder)
    (folder / "NOTES").write_text("mine")
    (folder / "older.safetensors").write_text("")
    export_model(untrained_model(recipe("seed=8")), recipe("seed=8"), folder)
    assert [path.name for path in folder.parent.iterdir()] == ["m"]
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["NOTES", "model.safetensors", "model.toml"]
    assert (folder / "NOTES").read_text() == "mine"
    unmixcli.load_model(folder)


def test_tampered_weights_are_refused(tmp_path, recipe) -> None:
    folder = export_model(untrained_model(recipe()), recipe(), tmp_path / "m")
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError):
        unmixcli.load_model(folder)


def test_the_same_seed_is_the_same_start(recipe) -> None:
    torch.manual_seed(1)
    first = untrained_model(recipe())
    drawn = torch.rand(())
    torch.manual_seed(1)
    assert torch.rand(()) == drawn
    second, other = untrained_model(recipe()), untrained_model(recipe("seed=8"))
    pairs = zip(first.parameters(), second.parameters(), other.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    pairs = zip(first.parameters(), second.parameters(), other.parameters(), strict=True)
    assert any(not torch.equal(a, c) for a, _, c in pairs)
