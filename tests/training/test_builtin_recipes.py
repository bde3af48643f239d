"""The recipes of the package: they build what they say, take steps, and can overfit."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from training.songs_for_tests import write_song
from unmixcli.training import events
from unmixcli.training.model import untrained_model
from unmixcli.training.objective import Trainee
from unmixcli.training.recipe import Source, builtin_recipes, read_recipe
from unmixcli.training.run import Place, train

# Of the thesis: what a network of each recipe has to train, counted by hand in `counted`.
NAMES = (
    "complex-unet-magnitude",
    "complex-unet-sdr",
    "complex-unet-sdr-magnitude",
    "unet-2017",
    "unet-2017-no-skips",
)


HPSS = ("mad-twinnet-1", "mad-twinnet-2", "mdensenet")
PITCH = ("vocal-pitch-wirings",)


def test_these_are_all() -> None:
    assert tuple(builtin_recipes()) == tuple(sorted((*NAMES, *HPSS, *PITCH)))


@pytest.mark.parametrize("name", NAMES)
def test_shapes_of_the_thesis(name: str) -> None:
    recipe = read_recipe(builtin_recipes()[name])
    rate, frames = (22050, 256) if "complex" in name else (8192, 128)
    assert recipe.network.sample_rate == rate
    assert recipe.network.chunks.length == frames
    assert recipe.excerpts.batch == 16
    model = untrained_model(recipe).eval()
    hop = recipe.network.stft.hop_samples
    mix = torch.randn(1, 1, (frames - 1) * hop, generator=torch.Generator().manual_seed(0)) * 0.1
    with torch.no_grad():
        spectra = Trainee(model)(mix).spectra
    assert spectra.shape == (1, 2, 1, 513, frames)


@pytest.mark.parametrize(("name", "skips"), [("unet-2017", True), ("unet-2017-no-skips", False)])
def test_parameters_of_the_u_nets(name: str, skips: bool) -> None:
    widths = [1, 16, 32, 64, 128, 256, 512]
    pairs = list(pairwise(widths))
    encoder = sum(25 * a * b + 3 * b for a, b in pairs)
    decoder = 0
    for depth, (out, came) in enumerate(reversed(pairs)):
        inputs = came * (2 if skips and depth else 1)
        decoder += 25 * inputs * out + out + (2 * out if out > 1 else 0)
    model = untrained_model(read_recipe(builtin_recipes()[name]))
    counted = sum(weight.numel() for weight in model.parameters())
    assert counted == 2 * (encoder + decoder)


@pytest.mark.parametrize("name", ["unet-2017", "complex-unet-sdr-magnitude"])
def test_they_learn_one_excerpt(tmp_path, name: str) -> None:
    """Far smaller networks of the same kind: their loss falls on one song."""
    write_song(tmp_path / "songs" / "a", seed=0, names=("vocals", "drums", "other"))
    changes = [
        "excerpts.batch=1",
        "excerpts.seconds=1",
        "excerpts.active=0.0",
        "network.parameters.network.filters=[4, 8, 8, 8, 8, 8]",
        "network.parameters.network.dropout=0.0",
        "augment=[]",
        "data.hold_out=0",
        "schedule.steps=60",
        "optimiser.learning_rate=0.01",
    ]
    recipe = read_recipe(builtin_recipes()[name], changes=changes)
    data = recipe.data.model_copy(update={"train": (Source(path=tmp_path / "songs"),)})
    recipe = recipe.model_copy(update={"data": data})
    losses: list[float] = []

    def note(event: events.Event) -> None:
        if isinstance(event, events.Stepped):
            losses.append(event.loss)

    train(recipe, Place(tmp_path / "out", tmp_path, torch.device("cpu")), listener=note)
    first, last = sum(losses[:5]) / 5, sum(losses[-5:]) / 5
    # The SDR term may go down to -1.
    assert last < (0.5 * first if name == "unet-2017" else first - 0.5)
