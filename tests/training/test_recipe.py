from __future__ import annotations

import pytest

from unmixcli.errors import UsageError
from unmixcli.training.recipe import read_recipe


def test_a_recipe_is_read(recipe) -> None:
    read = recipe()
    assert (read.name, read.network.stems) == ("small", ("vocals", "drums", "other"))
    assert read.optimiser.betas == (0.9, 0.999)


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("excerpts.batch=5", lambda r: r.excerpts.batch == 5),
        ("name=other-name", lambda r: r.name == "other-name"),
        ("data.train.0.weight=2.5", lambda r: r.data.train[0].weight == 2.5),
        ("optimiser.betas=[0.5, 0.9]", lambda r: r.optimiser.betas == (0.5, 0.9)),
        ("loss.si_sdr=0.1", lambda r: r.loss == {"l1_magnitude": 1.0, "si_sdr": 0.1}),
        ("validation.every = 9", lambda r: r.validation.every == 9),
    ],
)
def test_values_can_be_changed(recipe, change, value) -> None:
    assert value(recipe(change))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("exerpts.batch=5", "exerpts: no such key; did you mean excerpts?"),
        ("excerpts.bach=5", "excerpts.bach: no such key; did you mean batch?"),
        ("data.train.0.wieght=5", "data.train.0.wieght: no such key; did you mean weight?"),
        ("network.stft.hop=5", "did you mean hop_samples?"),
        ("excerpts.qqq=5", "there are seconds, batch"),
        ("excerpts.batch=0", "excerpts.batch"),
        ("excerpts.remix=1.5", "excerpts.remix"),
        ("network.residual=voice", "'voice' is none of"),
        ("excerpts", "it must read key=value"),
        ("data.train.7.weight=1", "no number from 0 to 0"),
        ("name.x=1", "name is a value"),
    ],
)
def test_what_is_wrong_is_said_with_what_was_meant(recipe, change, words) -> None:
    with pytest.raises(UsageError, match=words.replace("?", r"\?")) as caught:
        recipe(change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, "name = ", b"\xff\xfe"])
def test_a_file_that_is_no_recipe(tmp_path, content) -> None:
    path = tmp_path / "r.toml"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError, match="cannot be read as a recipe"):
        read_recipe(path)
