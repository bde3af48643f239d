"""What finds pitch, made ready for a request: chosen, loaded once, used for any number of tracks.

`--model` is a model whose network gives salience, or a tracker of one voice (`pyin`, `swiftf0`);
with a stem named, a separator comes first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unmixcli.audio.blocks import Block
from unmixcli.audio.resample import Resampler
from unmixcli.errors import UsageError
from unmixcli.models.card import Card, Chunks, Licence
from unmixcli.models.catalogue import Choice, Model, list_models
from unmixcli.models.salience import salience_axis
from unmixcli.pitch.decode import Decoder, PeakDecoder, PitchRange
from unmixcli.pitch.f0 import F0, Voices, join_lines
from unmixcli.pitch.finder import (
    SHORTEST_RUN_S,
    Found,
    Method,
    PitchFinder,
    SalienceMethod,
    TrackerMethod,
)
from unmixcli.pitch.hcqt_stream import referenced
from unmixcli.pitch.load import load_stream, pitch_model
from unmixcli.pitch.steps import f0_of, step_of, step_times
from unmixcli.pitch.stream import SalienceStream
from unmixcli.pitch.trackers import (
    PACKAGES,
    TrackerOptions,
    check_tracker,
    open_tracker,
    swiftf0_network,
    tracker_version,
)
from unmixcli.pitch.viterbi import ViterbiDecoder
from unmixcli.pitch.voices import VoicesDecoder
from unmixcli.separation.device import resolve_device
from unmixcli.separation.engine import Engine
from unmixcli.separation.session import Session, open_session, select_model
from unmixcli.separation.sparing import Notice
from unmixcli.separation.spectral import SpectralOptions
from unmixcli.separation.stems import OutputPlan, Request

DEFAULT_MODEL = "vocal-pitch"
VOCALS = "vocals"

# Basses go down to 31 Hz, which SwiftF0 does not hear and pYIN is not asked for by default.
_BASS = TrackerOptions(f_min_hz=30.0, f_max_hz=400.0)


@dataclass(frozen=True)
class PitchOptions:
    """What a run may choose.

    Attributes:
        threshold: confidence from which a frame is voiced, in 0..1; None takes what the model's
            card says, of swiftf0 0.5, of pyin its own decision.
        viterbi: whether salience is decoded by its likeliest path.
        polyphonic: whether several voices are looked for.
        step_ms: between frames of the result.
        f_min_hz: the lowest pitch; None is the method's own.
        f_max_hz: the highest.
        stem: of which the pitch is wanted, separated first; None takes the track as it is.
    """

    threshold: float | None = None
    viterbi: bool = False
    polyphonic: bool = False
    step_ms: float = 10.0
    f_min_hz: float | None = None
    f_max_hz: float | None = None
    stem: str | None = None


@dataclass(frozen=True)
class PitchChoice:
    """What runs, before anything is loaded.

    Attributes:
        model: of the pitch; a tracker has a card but lies in no folder.
        options: what was chosen, where it is settled.
        separator: what separates first, and its outputs; None if nothing does.
        notice: one sentence on what runs, where it is more than the model.
    """

    model: Model
    options: PitchOptions
    separator: tuple[Choice, OutputPlan] | None = None
    notice: str = ""

    @property
    def is_tracker(self) -> bool:
        """Whether it finds the pitch of one voice without salience."""
        return self.model.name in PACKAGES

    @property
    def stem(self) -> str | None:
        """What can be written of the track beside its pitch; None if nothing."""
        if self.separator is not None:
            return self.options.stem
        return VOCALS if VOCALS in self.model.card.stems else None


@dataclass(frozen=True)
class TrackAudio:
    """A track before it is heard.

    Attributes:
        sample_rate: Hz.
        channels: 1 or 2.
        blocks: gives all of it, `(channels, samples)` each; called by models that need to look
            at a track twice.
    """

    sample_rate: int
    channels: int
    blocks: Callable[[], Iterable[Block]]


@dataclass
class PitchSession:
    """What `open_pitch` makes.

    Attributes:
        choice: what runs.
        device: where it runs.
        separation: what separates first; None if nothing does.
    """

    choice: PitchChoice
    device: torch.device
    separation: Session | None = None
    _network: Any = None
    # Streams hold one track each; of those that are free any will do.
    _free: list[SalienceStream] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def finder(
        self, track: TrackAudio, *, stem: bool = False, notice: Notice | None = None
    ) -> Iterator[PitchFinder]:
        """What finds the pitch of one track.

        Args:
            track: what it will be.
            stem: whether the separated stem is wanted.
            notice: is told what memory did not allow.

        Raises:
            UsageError: if a stem is wanted of a model that gives none.
        """
        engine = self._engine(track, notice)
        with self._method(track, stem=stem and engine is None) as method:
            yield PitchFinder(
                method,
                step_s=self._step_s,
                sample_rate=track.sample_rate,
                channels=track.channels,
                engine=engine,
            )

    def find(self, audio: Block, *, sample_rate: int) -> F0:
        """The pitch of a whole track, `(channels, samples)` of 1 or 2 channels, Hz."""
        parts = self._found(audio, sample_rate)
        return f0_of(join_lines([part.f0 for part in parts]), step_s=self._step_s)

    def find_voices(self, audio: Block, *, sample_rate: int) -> Voices:
        """The pitch of all voices of a whole track; the options must be polyphonic."""
        parts = [part.voices for part in self._found(audio, sample_rate)]
        lines = join_lines([part for part in parts if part is not None])
        times_s = step_times(0, lines.frames, step_s=self._step_s)
        return Voices(times_s, lines.f0_hz, lines.confidence)

    def _found(self, audio: Block, sample_rate: int) -> tuple[Found, Found]:
        track = TrackAudio(sample_rate, audio.shape[0], lambda: [audio])
        with self.finder(track) as finder:
            return finder.push(audio), finder.finish()

    @property
    def _step_s(self) -> Fraction:
        return step_of(self.choice.options.step_ms)

    @contextmanager
    def _method(self, track: TrackAudio, *, stem: bool) -> Iterator[Method]:
        model, options = self.choice.model, self.choice.options
        if self.choice.is_tracker:
            yield TrackerMethod(
                open_tracker(model.name, _tracker_options(options), network=self._network)
            )
            return
        with self._lock:
            free = self._free.pop() if self._free else None
        free = free or load_stream(model.folder, device=self.device)
        stream = referenced(free, self._first_look(track, free.sample_rate))
        row = _stem_row(stream, model.name) if stem else None
        yield decoded(stream, options, card=model.card, stem=row)
        with self._lock:
            self._free.append(free)

    def _engine(self, track: TrackAudio, notice: Notice | None = None) -> Engine | None:
        if self.separation is None:
            return None
        return self.separation.engine(
            sample_rate=track.sample_rate, channels=track.channels, notice=notice
        )

    def _first_look(self, track: TrackAudio, rate: int) -> Iterator[Tensor]:
        """What the model will hear, for one that must know all of it before the first frame."""
        engine = self._engine(track)
        resampler = Resampler(track.sample_rate, to_rate=rate, channels=track.channels)
        for block in track.blocks():
            if engine is not None:
                block = engine.push(torch.from_numpy(block))[0].numpy()
            yield torch.from_numpy(np.ascontiguousarray(resampler.push(block)))
        if engine is not None:
            last = resampler.push(engine.finish()[0].numpy())
            yield torch.from_numpy(np.ascontiguousarray(last))
        yield torch.from_numpy(np.ascontiguousarray(resampler.finish()))


def select_pitch(
    name: str | None, *, options: PitchOptions, separator: str | None = None
) -> PitchChoice:
    """What runs for a request; loads nothing.

    Args:
        name: of a model, its folder, or a tracker; None takes `vocal-pitch` where it is, else
            a tracker on the vocals, or on the stem that the options name.
        options: what was chosen.
        separator: the model that separates the stem; None takes the best installed one.

    Raises:
        UsageError: for an unknown model or stem, or options that contradict each other.
        ResourceError: for a tracker whose package is missing.
    """
    _check(options)
    if separator is not None and options.stem is None:
        options = replace(options, stem=VOCALS)
    notice = ""
    if name is None:
        name, options = _default(options)
    parts = None
    if options.stem is not None:
        parts = select_model(separator, Request(stems=(options.stem,)))
        notice = f"{parts[0].model.name} separates the {options.stem}, {name} finds the pitch"
    if name in PACKAGES:
        _check_tracker(name, options)
        return PitchChoice(Model(_card(name), Path()), options, parts, notice)
    model = pitch_model(name)
    _range(options, model.card).bins(salience_axis(model.card))
    return PitchChoice(model, options, parts, notice)


def open_pitch(choice: PitchChoice, *, device: str) -> PitchSession:
    """Make it ready.

    Raises:
        UsageError: for an unknown device, or one that a tracker has no use for.
        ResourceError: for a device that is not there.
        ModelError: for weights that are missing or not what the card says.
    """
    place = check_device(choice, device)
    session = PitchSession(choice, place)
    if choice.separator is not None:
        separator, plan = choice.separator
        session.separation = open_session(separator, plan, device=device, options=SpectralOptions())
    if choice.model.name == "swiftf0":
        session._network = swiftf0_network()
    elif not choice.is_tracker:
        # At once, so that weights that are missing are told of before the first track.
        session._free.append(load_stream(choice.model.folder, device=place))
    return session


def check_device(choice: PitchChoice, device: str) -> torch.device:
    """The device of the separator, or else of the model.

    Raises:
        UsageError: for an unknown one, or one that a tracker has no use for.
        ResourceError: for one that is not there.
    """
    if choice.separator is not None:
        return resolve_device(device, card=choice.separator[0].model.card)
    if choice.is_tracker and device not in ("auto", "cpu"):
        raise UsageError(f"--device {device}: {choice.model.name} runs on the cpu; leave it out")
    return resolve_device("cpu" if choice.is_tracker else device, card=choice.model.card)


def settings_of(choice: PitchChoice) -> dict[str, Any]:
    """What changes a result, for manifests."""
    separator = None
    if choice.separator is not None:
        separator = choice.separator[0].model.card.model_dump_json()
    version = tracker_version(choice.model.name) if choice.is_tracker else None
    settings = {"options": asdict(choice.options), "separator": separator, "package": version}
    # Of trackers, too, but results of theirs have never been without.
    return settings if choice.is_tracker else {**settings, "shortest_run_s": SHORTEST_RUN_S}


def decoded(
    stream: SalienceStream, options: PitchOptions, *, card: Card, stem: int | None = None
) -> SalienceMethod:
    """What finds pitch in the salience of a stream.

    Args:
        stream: for one track.
        options: what was chosen.
        card: of the model, with a table `pitch`.
        stem: the row of the stem that the stream shall give as well, if one is wanted.
    """
    within = _range(options, card)
    decoder: Decoder = PeakDecoder(stream.axis, within=within)
    if options.viterbi:
        decoder = ViterbiDecoder(stream.axis, within=within)
    voices = VoicesDecoder(stream.axis, within=within) if options.polyphonic else None
    return SalienceMethod(stream, decoder=decoder, voices=voices, stem=stem)


def _range(options: PitchOptions, card: Card) -> PitchRange:
    assert card.pitch is not None
    threshold = card.pitch.threshold if options.threshold is None else options.threshold
    return PitchRange(threshold, options.f_min_hz, options.f_max_hz)


def _tracker_options(options: PitchOptions) -> TrackerOptions:
    usual = _BASS if options.stem == "bass" else TrackerOptions()
    return TrackerOptions(
        options.threshold,
        options.f_min_hz or usual.f_min_hz,
        options.f_max_hz or usual.f_max_hz,
    )


def _stem_row(stream: SalienceStream, name: str) -> int:
    stems = tuple(getattr(stream, "stems", ())) if hasattr(stream, "push_both") else ()
    if VOCALS not in stems:
        raise UsageError(f"--stems: {name} gives no {VOCALS}; add --stem {VOCALS}")
    return stems.index(VOCALS)


def _default(options: PitchOptions) -> tuple[str, PitchOptions]:
    here = any(model.name == DEFAULT_MODEL and model.installed for model in list_models())
    if options.stem is None and here:
        return DEFAULT_MODEL, options
    stem = options.stem or VOCALS
    return usual_tracker(stem), replace(options, stem=stem)


def usual_tracker(stem: str) -> str:
    """The tracker that is taken for a stem where none is named."""
    return "swiftf0" if stem != "bass" and tracker_version("swiftf0") is not None else "pyin"


def _check(options: PitchOptions) -> None:
    step_of(options.step_ms)
    if options.threshold is not None and not 0 < options.threshold <= 1:
        raise UsageError(f"--threshold {options.threshold:g}: must be above 0 and at most 1")
    for option, value in (("--fmin", options.f_min_hz), ("--fmax", options.f_max_hz)):
        if value is not None and not 1 <= value <= 20000:
            raise UsageError(f"{option} {value:g}: must be from 1 to 20000 Hz")
    if options.f_min_hz and options.f_max_hz and options.f_min_hz >= options.f_max_hz:
        raise UsageError(
            f"--fmin {options.f_min_hz:g} --fmax {options.f_max_hz:g}: the second must be higher"
        )


def _check_tracker(name: str, options: PitchOptions) -> None:
    for option, wanted in (("--polyphonic", options.polyphonic), ("--viterbi", options.viterbi)):
        if wanted:
            raise UsageError(
                f"{option}: {name} gives one voice and no salience; take a model that gives "
                "salience by --model"
            )
    check_tracker(name, _tracker_options(options))


def _card(name: str) -> Card:
    # Not validated: a card on disk names weights, of which a tracker has none of ours.
    return Card.model_construct(
        name=name,
        title=name,
        description=f"Pitch of one voice, by the package {PACKAGES[name]}.",
        architecture=name,
        stems=(),
        residual=None,
        sample_rate=22050 if name == "pyin" else 16000,
        channels=1,
        chunks=Chunks(length=1),
        licence=Licence(name="as the package", commercial=True),
        training_data="none of ours",
        citation="",
        files=(),
    )
