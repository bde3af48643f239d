"""The road of docs/training.md: its recipe and its commands, on small songs."""

from __future__ import annotations

from pathlib import Path

import pytest

import unmixcli
from training.songs_for_tests import RATE, write_song
from unmixcli.training.augment.chain import AUGMENTATIONS
from unmixcli.training.losses import LOSSES
from unmixcli.training.recipe import Recipe, builtin_recipes

DOCS = Path(unmixcli.__file__).parents[2] / "docs" / "training.md"
# What makes it run in seconds.
SMALL = (
    "excerpts.seconds=1.0",
    "excerpts.batch=1",
    "schedule.steps=2",
    "data.hold_out=2",
    "validation.seconds=1.0",
    "network.parameters.network.filters=[4, 4, 4, 4, 4, 4]",
)


def blocks(kind: str) -> list[str]:
    fenced = (part.split("\n", 1) for part in DOCS.read_text(encoding="utf-8").split("```")[1::2])
    return [body for word, body in fenced if word == kind]


def test_the_road(tmp_path, unmix, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for seed in range(3):
        names = ("vocals", "drums_other") if seed == 1 else ("vocals", "drums", "other")
        write_song(tmp_path / "songs" / f"song {seed}", seed=seed, names=names)
    (recipe,) = blocks("toml")
    (tmp_path / "recipe.toml").write_text(recipe, encoding="utf-8")
    (tmp_path / "song.wav").write_bytes((tmp_path / "songs/song 0/vocals.wav").read_bytes())
    commands = [line for line in blocks("")[1].splitlines() if line.startswith("unmix ")]
    assert len(commands) == 3
    for command in commands:
        words = command.split()[1:]
        small = [part for change in SMALL for part in ("--set", change)] * (words[0] == "train")
        done = unmix(*words, *small)
        assert done.code == 0, done.err
    assert RATE == 8000
    assert len(list(tmp_path.rglob("song/*.wav"))) == 4


@pytest.mark.parametrize("names", [LOSSES, AUGMENTATIONS, builtin_recipes()])
def test_every_name_is_told(names) -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert [name for name in names if f"`{name}`" not in text] == []


def test_every_table_is_told() -> None:
    text = DOCS.read_text(encoding="utf-8")
    keys = {"name", "seed", "checkpoint_every", "learned", "start"}
    tables = set(Recipe.model_fields) - keys - {"data"}
    assert [table for table in tables if f"[{table}]" not in text] == []
    assert "`learned`" in text
    assert "`start`" in text
