"""Pitch in training: labels, excerpts in step with the audio, losses, validation, the loop."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

import unmixcli
from training.sung_for_tests import HOP, RATE, RECIPE, glide, voice, write_sung
from unmixcli.dsp.salience import SalienceAxis
from unmixcli.errors import UsageError
from unmixcli.models.adapters.pitch_unets import PitchUNets
from unmixcli.models.card import read_card
from unmixcli.networks.wired import WIRINGS
from unmixcli.training import events, pack
from unmixcli.training.excerpts import Batch, Drawing, ExcerptSource, validation_batches
from unmixcli.training.model import untrained_model
from unmixcli.training.objective import Masked, Objective, Trainee
from unmixcli.training.pack import PackedTrack, pack_source
from unmixcli.training.pitch import PitchGrid, PitchLabels, Wanted, tracked
from unmixcli.training.recipe import Recipe, Source, builtin_recipes, read_recipe
from unmixcli.training.run import Place, prepare, train

AXIS = SalienceAxis(55.0, 12, 48)
GRID = PitchGrid(HOP, AXIS)
CPU = torch.device("cpu")


@pytest.fixture
def recipe(tmp_path: Path):
    """The recipe of sung songs with changes, beside four songs."""
    for seed in range(4):
        write_sung(tmp_path / "songs" / f"song {seed}", seed=seed)
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return lambda *changes: read_recipe(path, changes=changes)


@pytest.fixture
def packed(tmp_path: Path, recipe):
    def pack_with(source="annotation", notice=lambda _: None, **more):
        wanted = Wanted(source, GRID, RATE, **more)
        return pack_source(
            Source(path=tmp_path / "songs"),
            recipe().network,
            cache=tmp_path / "packs",
            notice=notice,
            pitch=wanted,
        )

    return pack_with


def test_labels_are_the_annotation_at_the_centres_of_frames(packed) -> None:
    track = packed()[2]
    assert track.pitch is not None
    values = np.asarray(track.pitch.values[0])
    wanted = glide(2.0, seed=2)[:: RATE // (RATE // HOP)]
    assert len(values) == 1 + 2 * RATE // HOP
    both = (values[:-1] > 0) & (wanted[: len(values) - 1] > 0)
    assert both.mean() > 0.7
    # Cents, but at the leap of the glide, where points of 5 ms lie apart.
    cents = 1200 * np.log2(values[:-1][both] / wanted[: len(values) - 1][both])
    assert np.median(np.abs(cents)) < 1
    assert (values[:-1][wanted == 0][2:-2] == 0).all()


@pytest.mark.parametrize("source", ["swiftf0", "pyin"])
def test_trackers_find_a_tone_and_silence(source) -> None:
    tone = voice(np.r_[np.zeros(RATE), np.full(RATE, 220.0), np.zeros(RATE)]).astype(np.float32)
    times_s = np.arange(1 + len(tone) // HOP) * HOP / RATE
    found = tracked(tone, sample_rate=RATE, source=source, times_s=times_s)
    inside = (times_s > 1.15) & (times_s < 1.85)
    assert (np.abs(1200 * np.log2(found[inside] / 220)) < 20).all()
    assert (found[(times_s < 0.85) | (times_s > 2.15)] == 0).all()
    assert (tracked(0 * tone, sample_rate=RATE, source=source, times_s=times_s) == 0).all()


def test_what_sounds_and_is_no_single_voice_is_unknown() -> None:
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 2 * RATE).astype(np.float32)
    times_s = np.arange(1 + len(noise) // HOP) * HOP / RATE
    found = tracked(noise, sample_rate=RATE, source="swiftf0", times_s=times_s)
    assert np.isnan(found).mean() > 0.8


def test_a_tracker_listens_once(tmp_path: Path, packed) -> None:
    for file in (tmp_path / "songs").rglob("*.csv"):
        file.unlink()
    said: list[str] = []
    first = packed("swiftf0", said.append)
    assert sum("by swiftf0" in line for line in said) == 4
    again: list[str] = []
    second = packed("swiftf0", again.append)
    assert again == []
    for one, two in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.pitch.values, two.pitch.values)
    # Without a tracker nothing is known of them.
    assert all(track.pitch is None for track in packed("annotation"))


def test_another_annotation_makes_other_labels_of_the_same_pack(tmp_path: Path, packed) -> None:
    packed()
    audio = len(list((tmp_path / "packs").glob("*/audio.npy")))
    (tmp_path / "songs" / "song 0" / "vocals_f0.csv").write_text("0.0,0.0\n1.9,0.0\n")
    changed = packed()
    assert not np.asarray(changed[0].pitch.values).any()
    assert len(list((tmp_path / "packs").glob("*/audio.npy"))) == audio


class Teacher:
    """A stream that sees the level of the voice in every bin."""

    axis = AXIS
    sample_rate = RATE
    hop_samples = HOP

    def __init__(self) -> None:
        self.samples = 0

    def push(self, block):
        self.samples += block.shape[-1]
        return torch.zeros(AXIS.bins, 0)

    def finish(self):
        return torch.full((AXIS.bins, 1 + self.samples // HOP), 0.25)


def test_a_teacher_hears_the_isolated_voice(tmp_path: Path, packed, monkeypatch) -> None:
    import unmixcli.pitch.load

    monkeypatch.setattr(unmixcli.pitch.load, "load_stream", lambda *_, **__: Teacher())
    (tmp_path / "songs" / "song 1" / "vocals_f0.csv").unlink()
    tracks = packed("teacher", teacher="some model")
    assert [track.pitch.are_hz for track in tracks] == [True, False, True, True]
    assert tracks[1].pitch.values.shape == (AXIS.bins, 1 + 2 * RATE // HOP)
    assert (tracks[1].pitch.salience(GRID, first=3, frames=5) == 0.25).all()
    (tmp_path / "songs" / "song 2" / "vocals_f0.csv").unlink()
    monkeypatch.setattr(Teacher, "hop_samples", 2 * HOP)
    with pytest.raises(UsageError, match="other bins or frames than the network"):
        packed("teacher", teacher="some model")


def numbered(name: str, *, frames: int, first_hz: float, rows: int = 2) -> PackedTrack:
    """A track whose samples say their frame, and whose pitch says it in bins."""
    audio = np.repeat(np.arange(frames) / 1024, HOP).astype(np.float16)[None, None]
    f0_hz = first_hz * 2 ** ((np.arange(frames + 1) % 24) / 12)
    targets = (("vocals",), ("accompaniment",))[:rows]
    return PackedTrack(
        name,
        targets,
        np.concatenate([audio, 0 * audio])[:rows],
        np.ones((rows, 10), np.float32),
        pitch=PitchLabels(f0_hz[None].astype(np.float32)),
    )


@pytest.mark.parametrize("remix", [0.0, 1.0])
def test_excerpts_cut_pitch_in_step_with_the_voice(remix: float) -> None:
    tracks = [numbered("a", frames=900, first_hz=55.0), numbered("b", frames=700, first_hz=110.0)]
    drawing = Drawing(15 * HOP, batch=16, remix=remix, active=0.5, seed=0, grid=GRID)
    source = ExcerptSource(tracks, stems=("vocals", "accompaniment"), drawing=drawing)
    batch = source.batch(0)
    assert batch.salience is not None
    assert batch.salience.shape == (16, 48, 16)
    by_frame = batch.targets[:, 0, 0].unflatten(1, (15, HOP))
    assert torch.equal(by_frame, by_frame[:, :, :1].expand_as(by_frame))
    starts = batch.targets[:, 0, 0, 0] * 1024
    places = (starts[:, None] + torch.arange(16)) % 24
    found = batch.salience.argmax(dim=1)
    # Song a begins at bin 0, song b an octave higher.
    low = (found == places).all(dim=1)
    high = (found == places + 12).all(dim=1)
    assert (low ^ high).all()
    assert low.any()
    assert high.any()


def test_an_absent_voice_has_no_pitch() -> None:
    audible = replace(
        (made := numbered("a", frames=900, first_hz=55.0)), audio=made.audio + np.float16(1)
    )
    drawing = Drawing(15 * HOP, batch=16, remix=0.0, active=0.5, seed=0, absent=1.0, grid=GRID)
    source = ExcerptSource([audible], stems=("vocals", "accompaniment"), drawing=drawing)
    batch = source.batch(0)
    assert batch.salience is not None
    sung = batch.targets[:, 0].any(dim=-1)[:, 0]
    assert torch.equal(batch.salience.amax(dim=(1, 2)) > 0.9, sung)
    assert not batch.salience[~sung].any()
    assert 0 < int(sung.sum()) < 16
    assert torch.equal(batch.targets[:, 1].any(dim=-1)[:, 0], ~sung)


def test_validation_cuts_pitch_in_step_too() -> None:
    track = numbered("a", frames=900, first_hz=55.0)
    levels = np.zeros_like(track.levels)
    levels[0, 6] = 1.0
    ((_, batch),) = validation_batches(
        [replace(track, levels=levels)],
        stems=("vocals", "accompaniment"),
        samples=15 * HOP,
        grid=GRID,
    )
    by_frame = batch.targets[0, 0, 0].unflatten(0, (15, HOP))
    assert torch.equal(by_frame, by_frame[:, :1].expand_as(by_frame))
    start = float(by_frame[0, 0]) * 1024
    assert start > 0
    assert batch.salience is not None
    assert torch.equal(batch.salience[0].argmax(dim=0), (int(start) + torch.arange(16)) % 24)


def test_excerpts_without_a_grid_are_as_ever() -> None:
    tracks = [numbered("a", frames=900, first_hz=55.0)]
    drawing = Drawing(15 * HOP, batch=4, remix=0.0, active=0.5, seed=0)
    batch = ExcerptSource(tracks, stems=("vocals", "accompaniment"), drawing=drawing).batch(0)
    assert batch.salience is None
    assert batch.to(CPU).salience is None


def test_unknown_frames_and_tracks_are_nan_and_the_end_is_silent() -> None:
    labels = PitchLabels(np.array([[110.0, np.nan, 0.0]], np.float32))
    salience = labels.salience(GRID, first=0, frames=5)
    assert salience.isnan().all(dim=0).tolist() == [False, True, False, False, False]
    assert salience[12, 0] == pytest.approx(1.0, abs=1e-6)
    assert not salience[:, 2:].any()
    track = replace(numbered("a", frames=100, first_hz=55.0), pitch=None)
    drawing = Drawing(15 * HOP, batch=2, remix=0.0, active=0.5, seed=0, grid=GRID)
    batch = ExcerptSource([track], stems=("vocals", "accompaniment"), drawing=drawing).batch(0)
    assert batch.salience is not None
    assert batch.salience.isnan().all()


def masked_and_batch(salience: torch.Tensor, target: torch.Tensor) -> tuple[Masked, Batch]:
    count = len(target)
    audio = torch.zeros(count, 2, 1, 15 * HOP)
    spectrum = torch.zeros(count, 1, 129, 16, dtype=torch.complex64)
    masks = torch.zeros(count, 2, 1, 129, 16)
    known = torch.ones(count, 2) > 0
    batch = Batch(
        audio.sum(1),
        audio,
        torch.eye(2).expand(count, 2, 2),
        known,
        torch.ones(count),
        True,
        target,
    )
    return Masked(masks, spectrum, salience=salience), batch


def test_losses_of_salience_are_means_over_what_is_known() -> None:
    target = torch.zeros(2, 48, 16)
    target[0, :, 8:] = torch.nan
    estimate = torch.full((2, 48, 16), 0.5)
    estimate[0, :, 8:] = 0.9
    config = untrained_stft()
    objective = Objective({"l2_salience": 2.0, "bce_salience": 1.0}, config=config)
    total, parts = objective(*masked_and_batch(estimate, target))
    assert float(parts["l2_salience"]) == pytest.approx(0.25)
    assert float(parts["bce_salience"]) == pytest.approx(np.log(2), rel=1e-6)
    assert float(total) == pytest.approx(0.5 + np.log(2), rel=1e-6)
    # Eight frames of three count a third: their loss is that of 0.1.
    estimate[0, :, :8] = 0.1
    _, parts = objective(*masked_and_batch(estimate, target))
    assert float(parts["l2_salience"]) == pytest.approx((8 * 0.01 + 16 * 0.25) / 24, rel=1e-5)


def test_nothing_known_costs_nothing_and_has_a_gradient_of_zero() -> None:
    estimate = torch.full((1, 48, 16), 0.5, requires_grad=True)
    unknown = torch.full((1, 48, 16), torch.nan)
    objective = Objective({"bce_salience": 1.0}, config=untrained_stft())
    total, _ = objective(*masked_and_batch(estimate, unknown))
    total.backward()
    assert total.item() == 0
    assert estimate.grad is not None
    assert not estimate.grad.any()


def test_stages_cost_their_share() -> None:
    target, estimate = torch.zeros(1, 48, 16), torch.full((1, 48, 16), 0.5)
    masked, batch = masked_and_batch(estimate, target)
    staged = masked._replace(salience_stages=((0.5, torch.full((1, 48, 16), 1.0)),))
    total, parts = Objective({"l2_salience": 1.0}, config=untrained_stft())(staged, batch)
    assert float(total) == pytest.approx(0.25 + 0.5)
    assert float(parts["l2_salience"]) == pytest.approx(0.25)


def untrained_stft():
    return untrained_model(Recipe.model_validate(_parsed())).settings.stft


def _parsed():
    from unmixcli.training.recipe import tomllib

    return tomllib.loads(RECIPE)


def run(recipe: Recipe, tmp_path: Path, *, name: str = "out", resume: bool = False, stop=None):
    told: list[events.Event] = []
    place = Place(tmp_path / name, tmp_path, CPU, "a recipe")
    outcome = train(
        recipe, place, resume=resume, listener=told.append, stop=stop or (lambda: False)
    )
    return outcome, told


def test_training_goes_on_to_the_bit(tmp_path: Path, recipe) -> None:
    run(recipe(), tmp_path, name="whole")
    steps = iter([False, True])
    run(recipe(), tmp_path, name="parts", stop=lambda: next(steps))
    run(recipe(), tmp_path, name="parts", resume=True)
    whole, parts = (
        torch.load(tmp_path / name / "last.pt", weights_only=True)["weights"]
        for name in ("whole", "parts")
    )
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_one_excerpt_is_learned_by_heart(tmp_path: Path, recipe) -> None:
    changes = ("excerpts.remix=0.0", "excerpts.active=0.0", "data.hold_out=0", "excerpts.seconds=2")
    changes += (
        "schedule.steps=120",
        "optimiser.learning_rate=0.01",
        "data.validation=[{path='one'}]",
    )
    changes += ("data.train=[{path='one'}]", "excerpts.batch=1", "validation.every=120")
    changes += ("validation.seconds=2", "optimiser.ema=0.0")
    write_sung(tmp_path / "one" / "song", seed=0)
    _, told = run(recipe(*changes), tmp_path)
    validated = next(event for event in told if isinstance(event, events.Validated))
    assert validated.pitch["OA"] > 0.9
    assert validated.pitch["RPA"] > 0.9
    assert validated.targets["vocals"] > 5
    # The score that chooses the best step is in dB.
    mean = sum(validated.targets.values()) / 2
    assert validated.score == pytest.approx(mean + 20 * validated.pitch["OA"])
    log = (tmp_path / "out" / "log.csv").read_text()
    assert "pitch/OA" in log
    assert "loss/bce_salience" in log


@pytest.mark.parametrize(("threshold", "voiced"), [(0.001, 1.0), (1.0, 0.0)])
def test_held_out_pitch_is_voiced_from_the_threshold_of_the_recipe(
    tmp_path: Path, recipe, threshold: float, voiced: float
) -> None:
    changes = ("schedule.steps=1", "validation.every=1", "data.validation=[{path='one'}]")
    changes += ("data.hold_out=0", "data.train=[{path='one'}]", "validation.seconds=2")
    write_sung(tmp_path / "one" / "song", seed=0)
    _, told = run(recipe(*changes, f"network.pitch.threshold={threshold}"), tmp_path)
    validated = next(event for event in told if isinstance(event, events.Validated))
    assert (validated.pitch["VR"], validated.pitch["VFA"]) == (voiced, voiced)


@pytest.mark.parametrize("wiring", ["oracle-pitch", "oracle-vocals", "pitch", "source", "separate"])
def test_other_wirings_are_trained_and_scored(tmp_path: Path, recipe, wiring: str) -> None:
    changed = recipe(f"network.parameters.wiring={wiring}", "schedule.steps=2")
    _, told = run(changed, tmp_path)
    validated = next(event for event in told if isinstance(event, events.Validated))
    assert ("OA" in validated.pitch) == (wiring in ("oracle-vocals", "pitch", "separate"))


def test_what_moves_time_or_pitch_is_refused(tmp_path: Path, recipe) -> None:
    for name in ("time_stretch", "pitch_shift", "resampling"):
        changed = recipe(f"augment=[{{name='{name}'}}]")
        with pytest.raises(UsageError, match=f"{name} moves time or pitch"):
            prepare(changed, Place(tmp_path / "out", tmp_path, CPU))
    prepare(recipe("augment=[{name='gain'}]"), Place(tmp_path / "out", tmp_path, CPU))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("data={train=[{path='songs'}]}", "bce_salience needs data.pitch"),
        ("network.pitch.hop_samples=65", "must be that of stft, 64"),
        ("network.stems=['drums', 'other']", "is none of drums, other"),
    ],
)
def test_recipes_that_contradict_themselves(recipe, change: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        recipe(change)


def test_a_batch_without_pitch_is_no_oracle(recipe) -> None:
    model = untrained_model(recipe("network.parameters.wiring=oracle-pitch"))
    _, batch = masked_and_batch(torch.zeros(1, 48, 16), torch.zeros(1, 48, 16))
    with pytest.raises(ValueError, match=r"needs data\.pitch"):
        Trainee(model).inputs(replace(batch, salience=None))


def test_of_two_trainings_that_write_one_pack_the_second_takes_what_is_there(
    tmp_path: Path, monkeypatch
) -> None:
    """The other one's folder gets its name after the last look for it."""
    folder, rows = tmp_path / "pack", np.zeros((1, 1, 400), np.float32)
    pack._write(folder, [("vocals",)], rows)
    looks = iter([False])
    whole = pack._is_whole
    monkeypatch.setattr(pack, "_is_whole", lambda path: next(looks, True) and whole(path))
    monkeypatch.setattr(Path, "exists", lambda path: False)
    pack._write(folder, [("vocals",)], rows + 1)
    assert not np.load(folder / "audio.npy").any()
    assert [path.name for path in tmp_path.iterdir()] == ["pack"]


def test_a_pack_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    folder, rows = tmp_path / "pack", np.zeros((1, 1, 400), np.float32)
    pack._write(folder, [("vocals",)], rows)
    inode = (folder / "audio.npy").stat().st_ino
    pack._write(folder, [("vocals",)], rows)
    assert (folder / "audio.npy").stat().st_ino == inode


MODELS = Path(unmixcli.__file__).parents[2] / "models"


def built(path: Path, *changes: str) -> tuple[Recipe, PitchUNets]:
    """A recipe and its model without memory."""
    read = read_recipe(path, changes=changes)
    with torch.device("meta"):
        model = untrained_model(read)
    assert isinstance(model, PitchUNets)
    return read, model


@pytest.mark.parametrize(("name", "nets"), [("vocal-pitch", 4), ("vocal-pitch-separate", 2)])
def test_the_recipes_that_ship_train_one_model_after_the_other(name: str, nets: int) -> None:
    folder = MODELS / name
    (first, begun), (second, trained) = (
        built(folder / f"{file}.toml") for file in ("first", "recipe")
    )
    assert first.data.pitch == second.data.pitch == "swiftf0"
    gives = [node.gives for node in trained.network.config.nodes]
    assert gives == ["vocals", "salience"] * (nets // 2)
    assert sum(weight.numel() for weight in trained.parameters()) < 4.8e6
    # The second begins with what the first writes by --out first, and the card is what it writes.
    assert second.start == "first/model"
    shapes = ({key: value.shape for key, value in m.state_dict().items()} for m in (begun, trained))
    assert next(shapes) == next(shapes)
    card = read_card(folder / "model.toml")
    assert card.pitch == second.network.pitch
    assert dict(card.parameters) == dict(second.network.parameters)
    assert (card.stft, card.chunks) == (second.network.stft, second.network.chunks)


@pytest.mark.parametrize("wiring", WIRINGS)
def test_the_recipe_of_the_thesis_builds_every_wiring(wiring: str) -> None:
    change = f"network.parameters.wiring={wiring}"
    read, model = built(builtin_recipes()["vocal-pitch-wirings"], change)
    config = model.network.config
    assert config.unet.filters == (16, 32, 64, 128, 256, 512)
    assert (config.bins, config.axis.bins, config.harmonics) == (512, 360, (1.0,))
    assert read.loss == {"l1_magnitude": 1.0, "l2_salience": 1.0}
    # One loss is of the vocals alone, as in the thesis.
    assert read.learned == ("vocals",)


def test_cross_stitch_has_no_more_than_the_two_nets_but_its_first_decoder_layers() -> None:
    def count(wiring: str) -> int:
        path = builtin_recipes()["vocal-pitch-wirings"]
        _, model = built(path, f"network.parameters.wiring={wiring}")
        return sum(weight.numel() for weight in model.parameters())

    apart = count("pitch") + count("source")
    assert count("source-pitch") == count("separate") == apart
    assert count("cross-stitch") == apart + 2 * 25 * 512 * 256
    encoder = sum(25 * a * b + 3 * b for a, b in pairwise((1, 16, 32, 64, 128, 256, 512)))
    assert count("shared-encoder") == apart - encoder
