"""A recipe: everything that makes a model, in one TOML file.

Every table of the file is one class here; a key that no class has is an error that names the
nearest one. Paths are relative to the recipe.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from unmixcli.errors import UsageError
from unmixcli.models.card import Chunks, Licence, Name, Pitch, Transform, Wiener

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Strict):
    """A data set to train on.

    Attributes:
        path: its folder, or a manifest of tracks.
        kind: its kind where the layout does not tell.
        split: the tracks of this split; all of them without one.
        weight: how often its tracks are drawn, relative to the others'.
        teacher: a model whose stems of the mixes are the targets, for tracks without stems.
        loss_weight: of what is learned from this source; less than 1 suits a teacher.
    """

    path: Path
    kind: str | None = None
    split: str | None = None
    weight: Positive = 1.0
    teacher: str | None = None
    loss_weight: Positive = 1.0


class Data(_Strict):
    """What is trained on, and what the validation scores are taken on.

    Attributes:
        train: the sources.
        validation: sources of the validation; without any, every `hold_out`-th training track.
        hold_out: see `validation`; 0 trains without validation.
        cache: folder of the packs; beside the recipe if it is relative.
        pitch: where the pitch of the voice comes from: what people or scores wrote down alone
            ("annotation"), or for tracks without that a tracker on the isolated voice ("swiftf0",
            "pyin") or the salience that a model gives it ("teacher"); None leaves pitch out.
        pitch_teacher: the model of "teacher".
        pitch_blur_bins: standard deviation of the salience about each known pitch.
    """

    train: Annotated[tuple[Source, ...], Field(min_length=1)]
    validation: tuple[Source, ...] = ()
    hold_out: Annotated[int, Field(ge=0)] = 10
    cache: Path = Path("packs")
    pitch: Literal["annotation", "swiftf0", "pyin", "teacher"] | None = None
    pitch_teacher: str = "deep-salience-vocal"
    pitch_blur_bins: Positive = 1.0


class Excerpts(_Strict):
    """How pieces are cut.

    Attributes:
        seconds: their length.
        batch: excerpts a step.
        remix: share whose stems come from different tracks; the others are of one song.
        active: share of stems drawn where they sound, by the levels of the pack.
        absent: share of excerpts in which one of the targets is silent, the voice's pitch with it.
        workers: threads that prepare batches.
    """

    seconds: Positive = 6.0
    batch: Count = 8
    remix: Share = 0.5
    active: Share = 0.8
    absent: Share = 0.0
    workers: Count = 2


class Augmentation(_Strict):
    """One of `training.augment`, applied with a probability and a strength."""

    name: str
    probability: Share = 1.0
    strength: Share = 0.5


class Network(_Strict):
    """The model; the fields are those of a card.

    Attributes:
        architecture: an adapter of `models.adapters` that can be trained.
        parameters: of that architecture.
        residual: the stem that is the mix minus the others.
        pitch: of a model that gives salience; its hop is that of the transform.
    """

    architecture: str
    stems: Annotated[tuple[Name, ...], Field(min_length=1)]
    residual: str | None = None
    sample_rate: Count = 44100
    channels: Annotated[int, Field(ge=1, le=2)] = 2
    stft: Transform = Transform(n_fft=4096, hop_samples=1024)
    pitch: Pitch | None = None
    chunks: Chunks = Chunks(length=256, overlap=16)
    wiener: Wiener = Wiener()
    half: tuple[Literal["bf16", "fp16"], ...] = ()
    parameters: Mapping[str, Any] = {}

    @model_validator(mode="after")
    def _residual_is_a_stem(self) -> Network:
        if self.residual is not None and self.residual not in self.stems:
            raise ValueError(f"residual {self.residual!r} is none of {', '.join(self.stems)}")
        if self.pitch is not None and self.pitch.hop_samples != self.stft.hop_samples:
            raise ValueError(f"pitch.hop_samples must be that of stft, {self.stft.hop_samples}")
        return self


class Optimiser(_Strict):
    """Adam or AdamW, and how the gradient gets there.

    Attributes:
        accumulate: batches whose gradients make one step.
        clip: largest norm of the gradient; 0 leaves it as it is.
        ema: decay of the moving average of the weights that is validated and exported; 0 is none.
        precision: of the forward pass: 32 bits, or bf16 where the device has it.
    """

    name: Literal["adam", "adamw"] = "adam"
    learning_rate: Positive = 1e-3
    betas: tuple[Share, Share] = (0.9, 0.999)
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    accumulate: Count = 1
    clip: Annotated[float, Field(ge=0)] = 5.0
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    precision: Literal["32", "bf16"] = "32"


class Schedule(_Strict):
    """How long, and how fast when.

    Attributes:
        steps: of the optimiser.
        warmup: steps in which the rate grows from nothing.
        decay: of the rate after that: none, half a cosine down to nothing, or by `factor` where
            the validation has not improved for `patience` validations.
        stop_after: validations without gain that end the training; 0 never does.
    """

    steps: Count = 100_000
    warmup: Annotated[int, Field(ge=0)] = 0
    decay: Literal["none", "cosine", "plateau"] = "none"
    factor: Share = 0.5
    patience: Count = 5
    stop_after: Annotated[int, Field(ge=0)] = 0


class Validation(_Strict):
    """How the model is judged on the way: the mean SI-SDR improvement in dB over stems and pieces.

    Attributes:
        every: steps between validations.
        seconds: of each validation track, from its loudest place on.
        pitch_weight: of a model that gives pitch: dB that an overall accuracy of 1 is worth in the
            score.
    """

    every: Count = 1000
    seconds: Positive = 20.0
    pitch_weight: Annotated[float, Field(ge=0)] = 20.0


class Export(_Strict):
    """What the card of the trained model says."""

    title: str = ""
    description: str = ""
    licence: Licence = Licence(name="unstated", commercial=False)
    training_data: str = "unstated"
    citation: str = ""


class Recipe(_Strict):
    """A training, whole.

    Attributes:
        name: of the model.
        seed: of everything that is drawn.
        start: a model whose weights the training begins with, by its name or folder.
        loss: weights by the names of `training.losses.LOSSES` and `SALIENCE_LOSSES`.
        learned: the stems whose targets count in the loss; all if none are named.
        checkpoint_every: steps between checkpoints; what a kill can cost.
    """

    name: Name
    seed: int = 0
    start: str | None = None
    data: Data
    excerpts: Excerpts = Excerpts()
    augment: tuple[Augmentation, ...] = ()
    network: Network
    loss: Annotated[Mapping[str, Positive], Field(min_length=1)]
    learned: tuple[Name, ...] = ()
    optimiser: Optimiser = Optimiser()
    schedule: Schedule = Schedule()
    validation: Validation = Validation()
    checkpoint_every: Count = 200
    export: Export = Export()

    @model_validator(mode="after")
    def _learned_are_stems(self) -> Recipe:
        if unknown := set(self.learned) - set(self.network.stems):
            raise ValueError(f"learned: {', '.join(sorted(unknown))} is no stem of the network")
        return self

    @model_validator(mode="after")
    def _pitch_of_a_voice(self) -> Recipe:
        if self.data.pitch is None:
            if salience := [name for name in self.loss if name.endswith("_salience")]:
                raise ValueError(f"loss.{salience[0]} needs data.pitch, say data.pitch='swiftf0'")
            return self
        if self.network.pitch is None:
            raise ValueError(
                "data.pitch needs a network that gives salience, a table network.pitch"
            )
        if "vocals" not in self.network.stems:
            raise ValueError("data.pitch needs the stem vocals among network.stems")
        return self


def builtin_recipes() -> dict[str, Path]:
    """The recipes that come with the package, by name."""
    paths = (Path(__file__).parent / "recipes").glob("*.toml")
    return {path.stem: path for path in sorted(paths, key=lambda path: path.stem)}


def read_recipe(path: Path, *, changes: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe.

    Args:
        path: of the TOML file.
        changes: `key.key=value` each, the value as in TOML; a bare word is a string.

    Raises:
        UsageError: if it cannot be read, or names what is wrong and what was meant.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{path}: cannot be read as a recipe: {reason}") from error
    for change in changes:
        _change(content, change)
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise UsageError(f"{path}: {_explained(error.errors()[0])}") from error


def _change(content: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"--set {change}: it must read key=value, such as excerpts.batch=4")
    *tables, last = key.strip().split(".")
    place: Any = content
    for table in tables:
        place = _inner(place, table, change)
    if isinstance(place, list):
        place[_number(place, last, change)] = _value(text)
    else:
        place[last] = _value(text)


def _inner(place: Any, table: str, change: str) -> Any:
    if isinstance(place, list):
        return place[_number(place, table, change)]
    inner = place.setdefault(table, {})
    if not isinstance(inner, dict | list):
        raise UsageError(f"--set {change}: {table} is a value, not a table")
    return inner


def _number(place: list[Any], text: str, change: str) -> int:
    if not text.isdecimal() or int(text) >= len(place):
        raise UsageError(f"--set {change}: {text} is no number from 0 to {len(place) - 1}")
    return int(text)


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _explained(error: Any) -> str:
    where = ".".join(map(str, error["loc"])) or "the recipe"
    if error["type"] != "extra_forbidden":
        return f"{where}: {error['msg']}"
    known = _keys(error["loc"][:-1])
    near = difflib.get_close_matches(str(error["loc"][-1]), known, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    return f"{where}: no such key; {hint}"


def _keys(tables: Sequence[str | int]) -> list[str]:
    """The keys of a table, found by walking the classes as the file does."""
    model: type[BaseModel] = Recipe
    for table in tables:
        if isinstance(table, str):
            model = _table_class(model.model_fields[table].annotation)
    return list(model.model_fields)


def _table_class(annotation: Any) -> type[BaseModel]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_table_class(part) for part in getattr(annotation, "__args__", ()) if part is not ...)
    return next(inner)
