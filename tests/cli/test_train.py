"""`unmix train` from songs to stems, as the docs tell it."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from training.songs_for_tests import RATE, RECIPE, write_song
from unmixcli.training.recipe import read_recipe

COMMAND = str(Path(sys.executable).with_name("unmix"))


@pytest.fixture
def studio(tmp_path, monkeypatch):
    """A folder with songs and a recipe, in which commands run."""
    for seed in range(6):
        write_song(
            tmp_path / "songs" / f"song {seed}", seed=seed, names=("vocals", "drums", "other")
        )
    (tmp_path / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_road_from_songs_to_stems(unmix, studio) -> None:
    checked = unmix("train", "recipe.toml", "--check")
    assert checked.code == 0
    assert "about 0 minutes" in checked.out
    trained = unmix("train", "recipe.toml")
    assert trained.code == 0, trained.err
    assert trained.out.splitlines()[-1] == "model: training/small/model"
    done = unmix(
        "separate", "songs/song 0/vocals.wav", "--model", "training/small/model", "--out", "stems"
    )
    assert done.code == 0, done.err
    stems = [
        soundfile.read(path)[0] for path in sorted((studio / "stems" / "vocals").glob("*.wav"))
    ]
    assert len(stems) == 3
    mix, _ = soundfile.read(studio / "songs" / "song 0" / "vocals.wav")
    np.testing.assert_allclose(sum(stems), mix, atol=1e-4)


def test_data_out_and_set(unmix, studio) -> None:
    (studio / "songs").rename(studio / "my songs")
    done = unmix(
        "train", "recipe.toml", "--data", "my songs", "--out", "deep/er",
        "--set", "schedule.steps=1", "--set", "name=mine",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert 'name = "mine"' in (studio / "deep" / "er" / "model" / "model.toml").read_text()


def test_the_model_keeps_the_recipe_as_the_command_line_made_it(unmix, studio) -> None:
    changes = ("excerpts.batch=1", "augment=[{name='gain'}]", "schedule.steps=1")
    sets = [word for change in changes for word in ("--set", change)]
    assert unmix("train", "recipe.toml", "--data", "songs", *sets).code == 0
    kept = read_recipe(studio / "training/small/model/recipe.toml")
    meant = read_recipe(studio / "recipe.toml", changes=changes)
    assert kept.model_copy(update={"data": meant.data}) == meant
    assert kept.data.train[0].path == studio / "songs"
    # All but the songs to train on stays as the recipe has it, such as songs to validate on.
    assert kept.data == meant.data.model_copy(update={"train": kept.data.train})


def test_what_is_there_already_is_not_lost(unmix, studio) -> None:
    kept = studio / "out" / "model" / "notes" / "mine.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    changes = ("--out", "out", "--set", "schedule.steps=1")
    assert unmix("train", "recipe.toml", *changes).code == 0
    assert kept.read_text() == "mine"
    assert (studio / "out" / "model" / "model.toml").is_file()
    (studio / "other").mkdir()
    (studio / "other" / "log.csv").write_text("my,own,table")
    refused = unmix("train", "recipe.toml", "--out", "other")
    assert refused.code == 2
    assert "log.csv is not of a training and would be replaced" in refused.err
    assert (studio / "other" / "log.csv").read_text() == "my,own,table"


def test_the_way_on_can_be_typed(unmix, studio) -> None:
    (studio / "songs").rename(studio / "my songs")
    words = ["--data", "my songs", "--out", "out two", "--device", "cpu"]
    words += ["--set", 'export.title="My model"']
    done = unmix("train", "recipe.toml", *words, "--max-minutes", "0")
    command = done.out.splitlines()[-1].removeprefix("go on by: unmix ")
    assert "--device cpu" in command
    again = unmix(*shlex.split(command))
    assert again.code == 0, again.err
    assert "step 4: all steps are done" in again.out


def test_time_up_saves_and_says_how_to_go_on(unmix, studio) -> None:
    done = unmix("train", "recipe.toml", "--max-minutes", "0", "--set", "optimiser.clip=1")
    assert done.code == 0
    last = done.out.splitlines()[-1]
    assert last == (
        "go on by: unmix train recipe.toml --resume --out training/small --set optimiser.clip=1"
    )
    assert torch.load(studio / "training/small/last.pt", weights_only=True)["state"]["step"] == 1
    again = unmix(*last.removeprefix("go on by: unmix ").split())
    assert again.code == 0
    assert "step 4: all steps are done" in again.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.toml"], "none.toml: cannot be read as a recipe"),
        (["recipe.toml", "--set", "exerpts.batch=1"], "did you mean excerpts?"),
        (["recipe.toml", "--set", "network.parameters.binz=1"], "did you mean bins?"),
        (["recipe.toml", "--set", "network.parameters.network.filter=1"], "did you mean filters?"),
        (["recipe.toml", "--set", "network.architecture=unet_stem"], "did you mean unet_stems?"),
        (["recipe.toml", "--data", "nowhere"], "nowhere does not exist"),
        (["recipe.toml", "--resume"], "holds no checkpoint"),
        (["recipe.toml", "--device", "cuda"], "finds no CUDA device"),
    ],
)
def test_errors_are_one_line(unmix, studio, words, message) -> None:
    if "cuda" in words and torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    done = unmix("train", *words)
    assert done.code in (1, 2)
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not (studio / "training").exists()


def test_ctrl_c_saves_after_the_step(studio) -> None:
    words = ["train", "recipe.toml", "--set", "schedule.steps=1000000", "--set", "data.hold_out=0"]
    with subprocess.Popen(
        [COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=studio
    ) as process:
        deadline = time.monotonic() + 120
        while not (studio / "training/small/log.csv").is_file():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "stopping after this step" in err
    assert "go on by: unmix train recipe.toml --resume" in out
    state = torch.load(studio / "training/small/last.pt", weights_only=True)["state"]
    assert state["step"] >= 1
    assert (studio / "training/small/model/model.toml").is_file()


def test_the_packed_songs_are_kept(unmix, studio) -> None:
    first = unmix("train", "recipe.toml", "--check")
    assert "packing song 0" in first.out
    assert "packing" not in unmix("train", "recipe.toml", "--check").out
    (pack, *_) = sorted((studio / "packs").iterdir())
    assert json.loads((pack / "pack.json").read_text())["targets"][0] == ["vocals"]
    assert np.load(pack / "audio.npy").shape == (3, 1, 2 * RATE)
