"""Fine-tuning: a training that begins with the weights of another model."""

from __future__ import annotations

import shutil

import pytest
import torch
from safetensors.torch import load_file

from training.songs_for_tests import SMALL_HPSS
from unmixcli.errors import UsageError
from unmixcli.models.catalogue import find_model
from unmixcli.training import events
from unmixcli.training.export import export_model
from unmixcli.training.model import untrained_model
from unmixcli.training.recipe import builtin_recipes, read_recipe
from unmixcli.training.run import Place, check, train
from unmixcli.training.start import load_start

STILL = ("optimiser.learning_rate=1e-12", "schedule.steps=2")


@pytest.fixture
def run(tmp_path, recipe):
    """Train in a folder of tmp_path; the weights of the model that comes of it."""

    def start(*changes, name, resume=False, stop=lambda: False):
        place = Place(tmp_path / name, tmp_path, torch.device("cpu"))
        train(recipe(*changes), place, resume=resume, stop=stop)
        written = tmp_path / name / "model" / "model.safetensors"
        return load_file(written)

    return start


def farthest(one, other):
    """The largest difference of what is learned; running statistics move without learning."""
    names = [name for name in one if name.endswith(("weight", "bias"))]
    assert len(names) > 10
    return max(float((one[name] - other[name]).abs().max()) for name in names)


@pytest.mark.parametrize("ema", [0.0, 0.5])
def test_training_begins_with_the_weights_of_a_model(run, ema) -> None:
    first = run(name="first")
    changes = (*STILL, f"optimiser.ema={ema}", "seed=8")
    assert farthest(run(*changes, "start=first/model", name="tuned"), first) < 1e-6
    assert farthest(run(*changes, name="other"), first) > 0.01


def test_it_is_said_and_a_folder_without_a_card_hides_no_name(tmp_path, recipe, run) -> None:
    run(name="first")
    told = []
    place = Place(tmp_path / "tuned", tmp_path, torch.device("cpu"))
    train(recipe("start=first/model"), place, listener=told.append)
    assert events.Noticed("begins with the weights of small") in told
    (tmp_path / "spleeter-2stems").mkdir()
    with pytest.raises(UsageError, match="start: spleeter-2stems is unet_masks"):
        run("start=spleeter-2stems", name="other")


def test_a_start_is_no_longer_needed_once_a_training_runs(tmp_path, run) -> None:
    run(name="first")
    whole = run("start=first/model", name="whole")
    told = iter((False, True, True))
    run("start=first/model", name="parts", stop=lambda: next(told))
    shutil.rmtree(tmp_path / "first")
    assert farthest(run("start=first/model", name="parts", resume=True), whole) == 0


def test_a_twin_stays_at_random(tmp_path) -> None:
    """It exists only in training, so that no model has its weights."""
    name = "mad-twinnet-2"
    small = read_recipe(builtin_recipes()[name], changes=SMALL_HPSS[name])
    folder = export_model(untrained_model(small), small, tmp_path / "first")
    model = untrained_model(small.model_copy(update={"seed": 5}))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    load_start(model, find_model(str(folder)))
    moved = {key for key, value in model.state_dict().items() if (value != before[key]).any()}
    assert any(key.startswith("network.") for key in moved)
    assert not any(key.startswith("twin.") for key in moved)
    theirs = load_file(folder / "model.safetensors")
    assert all(torch.equal(theirs[key], value) for key, value in model.network.state_dict().items())


def test_what_would_run_is_checked_with_it(tmp_path, run, recipe) -> None:
    run(name="first")
    place = Place(tmp_path / "checked", tmp_path, torch.device("cpu"))
    assert check(recipe("start=first/model"), place).parameters > 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("network.parameters.network={filters=[8,12,24],mask='ratio'}", "have other sizes"),
        ("network.parameters.network={filters=[8,12],mask='ratio'}", "have other sizes"),
    ],
)
def test_networks_of_other_sizes_are_refused_before_songs_are_packed(
    tmp_path, run, change, said
) -> None:
    run(name="first")
    shutil.rmtree(tmp_path / "packs")
    with pytest.raises(UsageError, match=f"start: the networks of small {said}"):
        run("start=first/model", change, name="tuned")
    assert not (tmp_path / "packs").exists()
    assert not (tmp_path / "tuned").exists()


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (
            "spleeter-2stems",
            "start: spleeter-2stems is unet_masks, the recipe's network unet_stems",
        ),
        ("no-such", "no-such"),
    ],
)
def test_other_models_are_refused(run, start, said) -> None:
    with pytest.raises(UsageError, match=said):
        run(f"start={start}", name="tuned")
