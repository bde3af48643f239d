"""A training from recipe to model: packs, excerpts, loop, export."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from unmixcli.dsp.salience import SalienceAxis
from unmixcli.errors import InputError, ResourceError, UsageError
from unmixcli.models.catalogue import Model
from unmixcli.training import events
from unmixcli.training.augment.chain import AUGMENTATIONS, Step, apply
from unmixcli.training.checkpoint import LAST
from unmixcli.training.excerpts import Drawing, ExcerptSource, validation_batches
from unmixcli.training.export import export_model
from unmixcli.training.logs import LOG, LOG_HEADER, Logs
from unmixcli.training.loop import Outcome, Trainer, ValidationSet, new_fabric
from unmixcli.training.model import untrained_model
from unmixcli.training.pack import PackedTrack, pack_all, resident
from unmixcli.training.pitch import PitchGrid, Wanted
from unmixcli.training.recipe import Recipe, Source
from unmixcli.training.start import find_start, load_start

# Share of an excerpt that is cut beyond it where augmentation may shorten it.
_SPARE = 0.35


@dataclass(frozen=True)
class Place:
    """Where a training happens.

    Attributes:
        folder: of its checkpoints, logs and model; made if it is not there.
        base: what paths of the recipe are relative to.
        device: where to train.
        recipe_text: the recipe's file, for the model's folder.
        devices: how many of this kind share each step.
    """

    folder: Path
    base: Path
    device: torch.device
    recipe_text: str = ""
    devices: int = 1


@dataclass(frozen=True)
class Prepared:
    """What a training runs on.

    Attributes:
        source: of the excerpts.
        validation: one piece of each held-out song.
        tracks: number of training tracks.
        seconds: their length together.
    """

    source: ExcerptSource
    validation: ValidationSet
    tracks: int
    seconds: float


@dataclass(frozen=True)
class Check:
    """What a recipe would do, measured on two steps.

    Attributes:
        parameters: numbers that are trained.
        tracks: training tracks.
        hours: of training tracks.
        validation: validation tracks.
        excerpt_s: length of an excerpt, as the transform's frames make it.
        step_s: seconds of a step with its data.
        data_s: seconds that its data alone take.
        peak_bytes: of the process, or of the GPU.
    """

    parameters: int
    tracks: int
    hours: float
    validation: int
    excerpt_s: float
    step_s: float
    data_s: float
    peak_bytes: int


def train(
    recipe: Recipe,
    place: Place,
    *,
    resume: bool = False,
    listener: events.Listener = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Train the model of a recipe, and write it to `model` in the folder.

    Raises:
        UsageError: for a recipe that contradicts itself, a folder that holds a training though
            none is resumed, or none though one is.
        InputError: for data that cannot be read.
        ResourceError: if the disk is full or the loss is not finite.
    """
    _check_folder(place.folder, resume=resume)
    _check_network(recipe)
    start = None if resume else _start(recipe, place)
    fabric = _launched(recipe, place, listener=listener)
    prepared = prepare(recipe, replace(place, device=fabric.device), listener=listener)
    place.folder.mkdir(parents=True, exist_ok=True)
    told: list[events.Listener] = [listener]

    def tell(event: events.Event) -> None:
        for hear in told:
            hear(event)

    trainer = _trainer(
        recipe, prepared, place.folder, fabric=fabric, start=start, listener=tell, stop=stop
    )
    if resume:
        trainer.resume()
    if not fabric.is_global_zero:
        return trainer.run()
    with Logs(place.folder, step=trainer.step) as logs:
        told.append(logs)
        outcome = trainer.run()
    export_model(outcome.model, recipe, place.folder / "model", recipe_text=place.recipe_text)
    return outcome


def check(recipe: Recipe, place: Place, *, listener: events.Listener = lambda _: None) -> Check:
    """Take two steps of a recipe that leave nothing but packs behind, and measure them.

    Raises:
        UsageError, InputError, ResourceError: as `train`.
    """
    _check_network(recipe)
    start = _start(recipe, place)
    prepared = prepare(recipe, place, listener=listener)
    prepared.source.batch(0)  # what is loaded at the first call
    started = time.perf_counter()
    prepared.source.batch(1)
    data_s = time.perf_counter() - started
    short = recipe.model_copy(update={"schedule": recipe.schedule.model_copy(update={"steps": 2})})
    times: list[float] = []

    def note(event: events.Event) -> None:
        if isinstance(event, events.Stepped):
            times.append(1 / event.steps_per_s)

    with tempfile.TemporaryDirectory() as folder:
        trainer = _trainer(
            short,
            replace(prepared, validation=()),
            Path(folder),
            fabric=new_fabric(recipe, device=place.device),
            start=start,
            listener=note,
        )
        trainer.run()
    return Check(
        parameters=sum(weight.numel() for weight in untrained_model(recipe).parameters()),
        tracks=prepared.tracks,
        hours=prepared.seconds / 3600,
        validation=len(prepared.validation),
        excerpt_s=prepared.source.drawing.samples / recipe.network.sample_rate,
        step_s=times[-1],
        data_s=data_s,
        peak_bytes=_peak_bytes(place.device),
    )


def follows() -> bool:
    """Whether this process trains for another one, which speaks for both."""
    return os.environ.get("LOCAL_RANK", "0") != "0"


def _launched(recipe: Recipe, place: Place, *, listener: events.Listener) -> Fabric:
    if place.device.type == "cuda" and place.devices > torch.cuda.device_count():
        raise ResourceError(
            f"--devices {place.devices}: there are {torch.cuda.device_count()} CUDA devices here"
        )
    fabric = new_fabric(recipe, device=place.device, devices=place.devices)
    if place.devices > 1 and not follows():
        # Once, before there are others who would pack the same.
        prepare(recipe, replace(place, device=torch.device("cpu")), listener=listener)
    fabric.launch()
    return fabric


def prepare(
    recipe: Recipe, place: Place, *, listener: events.Listener = lambda _: None
) -> Prepared:
    """Pack the data of a recipe and split them.

    Raises:
        UsageError, InputError, ResourceError: as `train`.
    """
    cache = place.base / recipe.data.cache
    grid, wanted = _grid(recipe), _wanted(recipe)

    def packed(sources: Sequence[Source]) -> list[PackedTrack]:
        placed = [s.model_copy(update={"path": place.base / s.path}) for s in sources]
        return pack_all(
            placed,
            recipe.network,
            cache=cache,
            notice=lambda m: listener(events.Noticed(m)),
            pitch=wanted,
        )

    training = packed(recipe.data.train)
    held = packed(recipe.data.validation)
    if not held and recipe.data.hold_out:
        training, held = split_off(training, every=recipe.data.hold_out)
    if not held:
        listener(events.Noticed("no validation: no song is held out"))
    rate, stems = recipe.network.sample_rate, recipe.network.stems
    samples = _whole_frames(recipe, recipe.validation.seconds)
    training = resident(training, place.device)
    return Prepared(
        _source(recipe, training),
        list(validation_batches(held, stems=stems, samples=samples, grid=grid)),
        len(training),
        sum(track.samples for track in training) / rate,
    )


def _grid(recipe: Recipe) -> PitchGrid | None:
    """The frames and bins of pitch, if the recipe learns any."""
    pitch = recipe.network.pitch
    if recipe.data.pitch is None or pitch is None:
        return None
    axis = SalienceAxis(pitch.f_min_hz, pitch.bins_per_octave, pitch.bins)
    return PitchGrid(pitch.hop_samples, axis, recipe.data.pitch_blur_bins)


def _wanted(recipe: Recipe) -> Wanted | None:
    grid, source = _grid(recipe), recipe.data.pitch
    if grid is None or source is None:
        return None
    return Wanted(source, grid, recipe.network.sample_rate, recipe.data.pitch_teacher)


def split_off(
    tracks: Sequence[PackedTrack], *, every: int
) -> tuple[list[PackedTrack], list[PackedTrack]]:
    """Take every so-manieth song, a track of several stems, for the validation."""
    songs = [track for track in tracks if len(track.audio) > 1]
    held = songs[every - 1 :: every]
    names = {id(track) for track in held}
    return [track for track in tracks if id(track) not in names], held


def _source(recipe: Recipe, tracks: Sequence[PackedTrack]) -> ExcerptSource:
    excerpts = recipe.excerpts
    samples = _whole_frames(recipe, excerpts.seconds)
    chain = _chain(recipe)
    changes_length = any(not AUGMENTATIONS[step.name].keeps_length for step in chain)
    grid = _grid(recipe)
    moved = [step.name for step in chain if AUGMENTATIONS[step.name].level == "track"]
    if grid is not None and moved:
        raise UsageError(
            f"augment: {moved[0]} moves time or pitch, and labels of pitch do not follow; "
            "leave it out, or data.pitch"
        )
    drawing = Drawing(
        samples=samples,
        batch=excerpts.batch,
        remix=excerpts.remix,
        active=excerpts.active,
        absent=excerpts.absent,
        seed=recipe.seed,
        spare=round(_SPARE * samples) if changes_length else 0,
        grid=grid,
    )

    def augment(rows: Tensor, random: np.random.Generator) -> Tensor:
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        rate = recipe.network.sample_rate
        return apply(chain, rows, sample_rate=rate, generator=generator)

    stems = recipe.network.stems
    return ExcerptSource(tracks, stems=stems, drawing=drawing, augment=augment if chain else None)


def _chain(recipe: Recipe) -> list[Step]:
    try:
        return [Step(step.name, step.probability, step.strength) for step in recipe.augment]
    except ValueError as error:
        raise UsageError(f"augment: {error}") from error


def _whole_frames(recipe: Recipe, seconds: float) -> int:
    """Samples whose frames a network takes: the nearest multiple, at least one."""
    hop, multiple = recipe.network.stft.hop_samples, recipe.network.chunks.multiple
    frames = seconds * recipe.network.sample_rate / hop
    return (max(1, round(frames / multiple)) * multiple - 1) * hop


def _trainer(
    recipe: Recipe,
    prepared: Prepared,
    folder: Path,
    *,
    fabric: Fabric,
    start: Model | None,
    listener: events.Listener,
    stop: Callable[[], bool] = lambda: False,
) -> Trainer:
    try:
        trainer = Trainer(
            recipe,
            prepared.source,
            validation=prepared.validation,
            folder=folder,
            fabric=fabric,
            listener=listener,
            stop=stop,
        )
    except ValueError as error:
        raise UsageError(f"recipe {recipe.name}: {error}") from error
    if start is not None:
        trainer.start_from(start)
    return trainer


def _check_folder(folder: Path, *, resume: bool) -> None:
    found = (folder / LAST).is_file()
    if found and not resume:
        raise UsageError(
            f"{folder} holds a training; go on by --resume, or name another folder by --out"
        )
    if resume and not found:
        raise InputError(f"{folder} holds no checkpoint to go on from; leave --resume out")
    log = folder / LOG
    if log.is_file() and not log.read_bytes().startswith(LOG_HEADER.encode()):
        raise UsageError(f"{log} is not of a training and would be replaced; name another --out")


def _check_network(recipe: Recipe) -> None:
    """Build the network without its memory, before songs are packed for it."""
    with torch.device("meta"):
        untrained_model(recipe)


def _start(recipe: Recipe, place: Place) -> Model | None:
    """The model that the recipe begins with, tried before songs are packed."""
    start = find_start(recipe, base=place.base)
    if start is not None:
        load_start(untrained_model(recipe), start)
    return start


def _peak_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
