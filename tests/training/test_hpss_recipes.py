"""Recipes of harmonic and percussive models: paper's sizes, steps, and the way to a separation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from training.songs_for_tests import RATE, SMALL_HPSS, write_song
from unmixcli.api import load_model, separate
from unmixcli.training import events
from unmixcli.training.excerpts import Batch
from unmixcli.training.model import untrained_model
from unmixcli.training.objective import Objective, Trainee
from unmixcli.training.recipe import Recipe, Source, builtin_recipes, read_recipe
from unmixcli.training.run import Place, train


@pytest.fixture
def recipe(tmp_path: Path):
    """A far smaller form of a recipe, on one song."""
    write_song(tmp_path / "songs" / "a", seed=0, names=("vocals", "drums", "other"))

    def small(name: str, *changes: str) -> Recipe:
        common = ("network.sample_rate=8000", "excerpts.batch=2", "data.hold_out=0")
        read = read_recipe(builtin_recipes()[name], changes=(*common, *SMALL_HPSS[name], *changes))
        data = read.data.model_copy(update={"train": (Source(path=tmp_path / "songs"),)})
        return read.model_copy(update={"data": data})

    return small


@pytest.mark.parametrize(
    ("name", "hop", "window"), [("mad-twinnet-1", 384, 2049), ("mad-twinnet-2", 1024, 4096)]
)
def test_mad_twinnet_as_in_the_paper(name: str, hop: int, window: int) -> None:
    recipe = read_recipe(builtin_recipes()[name])
    stft = recipe.network.stft
    assert (stft.hop_samples, stft.window_samples, stft.window) == (hop, window, "hamming")
    assert round(recipe.excerpts.seconds * recipe.network.sample_rate / hop) == 60 + 2 * 10
    assert recipe.learned == ("percussive",)
    with torch.device("meta"):
        model = untrained_model(recipe)
    assert sum(weight.numel() for weight in model.parameters()) == 45_755_923
    exported = sum(weight.numel() for weight in model.network.parameters())  # type: ignore[union-attr]
    assert exported == 27_195_538


@pytest.mark.parametrize("name", ["mad-twinnet-1", "mad-twinnet-2", "mdensenet"])
def test_the_recipes_take_a_step_at_their_sizes(name: str) -> None:
    recipe = read_recipe(builtin_recipes()[name])
    model = untrained_model(recipe)
    hop = recipe.network.stft.hop_samples
    frames = 80 if "mad" in name else 32
    targets = 0.1 * torch.randn(1, 2, 1, (frames - 1) * hop)
    batch = Batch(
        targets.sum(1), targets, torch.eye(2)[None], torch.ones(1, 2) > 0, torch.ones(1), True
    )
    objective = Objective(recipe.loss, config=model.settings.stft)
    total, parts = objective(Trainee(model, all_bins=objective.hears).train()(batch.mix), batch)
    total.backward()
    assert torch.isfinite(total)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert ("twin_distance" in parts) == ("mad" in name)
    before = [p.detach().clone() for p in model.parameters()]
    torch.optim.Adam(model.parameters(), lr=recipe.optimiser.learning_rate).step()
    moved = [
        bool((p != b).any())
        for p, b in zip(model.parameters(), before, strict=True)
        if p.grad.any()
    ]
    assert all(moved)
    assert all(p.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("name", list(SMALL_HPSS))
def test_they_learn_one_excerpt_and_separate(tmp_path: Path, recipe, name: str) -> None:
    losses: list[float] = []

    def note(event: events.Event) -> None:
        if isinstance(event, events.Stepped):
            losses.append(event.loss)

    chosen = recipe(name, "schedule.steps=50")
    place = Place(tmp_path / "out", tmp_path, torch.device("cpu"))
    train(chosen, place, listener=note)
    assert sum(losses[-10:]) < 0.6 * sum(losses[:10])
    weights = load_file(place.folder / "model" / "model.safetensors")
    assert not any("twin" in key for key in weights)
    song = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 2 * RATE)).astype(np.float32)
    stems = separate(song, RATE, model=load_model(str(place.folder / "model")))
    assert set(stems) == {"harmonic", "percussive"}
    np.testing.assert_allclose(sum(stems.values()), song, atol=1e-5)


def test_only_what_is_learned_counts() -> None:
    targets = torch.randn(1, 2, 1, 2048)
    known = torch.ones(1, 2) > 0
    batch = Batch(targets.sum(1), targets, torch.eye(2)[None], known, torch.ones(1), True)
    recipe = read_recipe(builtin_recipes()["mdensenet"], changes=SMALL_HPSS["mdensenet"])
    model = untrained_model(recipe)
    masked = Trainee(model).train()(targets.sum(1)[..., : 31 * 64])
    both, first, second = (
        Objective({"l2_magnitude": 1.0}, config=model.settings.stft, counted=counted)(
            masked, batch_of(batch, 31 * 64)
        )[0]
        for counted in (None, (True, False), (False, True))
    )
    torch.testing.assert_close(both, (first + second) / 2)
    assert not torch.isclose(first, second)
    # And each is that of its own stem.
    alone = replace(batch_of(batch, 31 * 64), known=torch.tensor([[True, False]]))
    objective = Objective({"l2_magnitude": 1.0}, config=model.settings.stft)
    torch.testing.assert_close(objective(masked, alone)[0], first)


def batch_of(batch: Batch, samples: int) -> Batch:
    cut = batch.targets[..., :samples]
    return Batch(cut.sum(1), cut, batch.groups, batch.known, batch.weights, True)


def test_a_group_with_a_stem_that_is_not_learned_does_not_count() -> None:
    recipe = read_recipe(builtin_recipes()["mdensenet"], changes=SMALL_HPSS["mdensenet"])
    model = untrained_model(recipe)
    targets = torch.randn(1, 2, 1, 31 * 64)
    groups = torch.tensor([[[1.0, 1.0], [0.0, 0.0]]])
    known = torch.tensor([[True, False]])
    batch = Batch(targets[:, 0], targets, groups, known, torch.ones(1))
    objective = Objective({"l2_magnitude": 1.0}, config=model.settings.stft, counted=(False, True))
    assert objective(Trainee(model).train()(batch.mix), batch)[0].item() == 0


def test_waveforms_need_all_frames(recipe) -> None:
    model = untrained_model(recipe("mad-twinnet-2"))
    targets = torch.randn(1, 2, 1, 15 * 64)
    known = torch.ones(1, 2) > 0
    batch = Batch(targets.sum(1), targets, torch.eye(2)[None], known, torch.ones(1), True)
    with pytest.raises(ValueError, match="needs all frames"):
        Objective({"l1_waveform": 1.0}, config=model.settings.stft)(
            Trainee(model).train()(batch.mix), batch
        )


def test_learned_must_be_stems() -> None:
    with pytest.raises(Exception, match="vocals is no stem"):
        read_recipe(builtin_recipes()["mdensenet"], changes=["learned=['vocals']"])
