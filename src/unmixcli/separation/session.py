"""A model made ready for a request: chosen, loaded once, used for any number of tracks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace

import torch

from unmixcli.errors import UsageError
from unmixcli.models.card import Card
from unmixcli.models.catalogue import Choice, Model, choose_model, find_model, models_with
from unmixcli.models.ensemble import ARCHITECTURE, Method, ensemble_of, weights_of
from unmixcli.models.load import load_model, model_settings
from unmixcli.models.spectral import SpectralModel
from unmixcli.models.waveform import WaveformModel
from unmixcli.models.weights import obtain_command
from unmixcli.separation.device import best_half, resolve_device
from unmixcli.separation.engine import Engine
from unmixcli.separation.ensemble import EnsembleMember, EnsembleSeparator
from unmixcli.separation.phase import PHASES
from unmixcli.separation.recovery import MeasuredSeparator, RecoveringSeparator
from unmixcli.separation.separator import Separator
from unmixcli.separation.sparing import Limits, Notice
from unmixcli.separation.spectral import SpectralOptions, SpectralSeparator
from unmixcli.separation.stems import OutputPlan, Request, plan_outputs
from unmixcli.separation.waveform import WaveformOptions, WaveformSeparator


@dataclass(frozen=True)
class Session:
    """What `open_session` makes.

    Attributes:
        model: its card and folder.
        network: it, on its device.
        plan: the outputs as sums of its stems.
        options: what differs from the card; `WaveformOptions` where it may be shifts.
        limits: what memory has allowed so far, for all tracks.
        measured: whether spectra of stems are measured for each track, which the notice is told.
    """

    model: Model
    network: SpectralModel | WaveformModel
    plan: OutputPlan
    options: SpectralOptions
    limits: Limits = field(default_factory=Limits)
    measured: bool = False

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        if isinstance(self.network, WaveformModel):
            return self.network.device
        return next(self.network.parameters()).device

    def engine(self, *, sample_rate: int, channels: int, notice: Notice | None = None) -> Engine:
        """A separator for one track of this rate in Hz and 1 or 2 channels."""
        separator = self._separator(notice)
        return Engine(separator, plan=self.plan, sample_rate=sample_rate, channels=channels)

    def _separator(self, notice: Notice | None) -> Separator:
        if isinstance(self.network, WaveformModel):
            # All stems share in the mix, whichever come out.
            every = self.options.phase is not None or self._told(notice) is not None
            separator = WaveformSeparator(
                self.network,
                stems=self.network.settings.stems if every else self.plan.computed,
                options=_with_shifts(self.options),
                notice=notice,
                limits=self.limits,
            )
            return self._as_asked(separator, notice)
        return SpectralSeparator(
            self.network,
            stems=self.plan.computed,
            options=self.options,
            notice=notice,
            limits=self.limits,
            measured=self._told(notice),
        )

    def _told(self, notice: Notice | None) -> Notice | None:
        """Who is told measures, if any are wanted."""
        return notice if self.measured else None

    def _as_asked(self, separator: Separator, notice: Notice | None) -> Separator:
        """A separator with the phase that was asked for, or measured, if either was."""
        told = self._told(notice)
        if self.options.phase is not None:
            return RecoveringSeparator(
                separator,
                stems=self.plan.computed,
                phase=self.options.phase,
                wiener_iterations=self.options.wiener_iterations,
                measured=told,
            )
        if told is None:
            return separator
        return MeasuredSeparator(separator, stems=self.plan.computed, measured=told)


@dataclass(frozen=True)
class EnsembleSession(Session):
    """The same for several models at once.

    Attributes:
        members: sessions of the models, and their weights for each of `combined`.
        method: how their estimates become one.
        combined: the stems that they give together.
    """

    members: tuple[tuple[Session, tuple[float, ...]], ...] = ()
    method: Method = "mean"
    combined: tuple[str, ...] = ()

    def engine(self, *, sample_rate: int, channels: int, notice: Notice | None = None) -> Engine:
        """A separator for one track of this rate in Hz and 1 or 2 channels."""
        members = [
            EnsembleMember(
                session.engine(sample_rate=sample_rate, channels=channels, notice=notice), weights
            )
            for session, weights in self.members
        ]
        separator = self._combining(members, notice)
        return Engine(separator, plan=self.plan, sample_rate=sample_rate, channels=channels)

    def _combining(self, members: Sequence[EnsembleMember], notice: Notice | None) -> Separator:
        if self.options.phase is not None:
            every = EnsembleSeparator(members, stems=self.combined, method=self.method)
            return self._as_asked(every, notice)
        return EnsembleSeparator(
            members,
            stems=self.combined,
            given=self.plan.computed,
            method=self.method,
            measured=self._told(notice),
        )


def select_model(name: str | None, request: Request) -> tuple[Choice, OutputPlan]:
    """The model that runs for a request, and its outputs; loads nothing.

    Raises:
        UsageError: for an unknown model, or a stem that it has not.
    """
    choice = choose_model(request.names_used) if name is None else Choice(find_model(name))
    model = choice.model
    try:
        return choice, plan_outputs(model.stem_set, request, model=model.name)
    except UsageError as error:
        raise UsageError(f"{error}{_hint(model, request.names_used)}") from None


def open_session(
    choice: Choice,
    plan: OutputPlan,
    *,
    device: str,
    options: SpectralOptions,
    measured: bool = False,
) -> Session:
    """Load the model.

    Args:
        choice: it.
        plan: the outputs.
        device: "auto", "cpu", "cuda" or "mps"; used or refused.
        options: what differs from the card.
        measured: as of a `Session`.

    Raises:
        UsageError: for options out of range or an unknown device.
        ResourceError: for a device that is not there.
        ModelError: for weights that are missing or not what the card says.
    """
    card = choice.model.card
    check_options(options, choice.model)
    if card.architecture == ARCHITECTURE:
        return _open_ensemble(choice, plan, device=device, options=options, measured=measured)
    place = resolve_device(device, card=card)
    if place.type == "cuda":
        # For the process, since threads share the flag: algorithms that sum in the same order
        # each time.
        torch.backends.cudnn.deterministic = True
    if options.half is None:
        options = replace(options, half=best_half(card, place))
    network = load_model(choice.model, device=place)
    return Session(choice.model, network, plan, options, measured=measured)


def _open_ensemble(
    choice: Choice, plan: OutputPlan, *, device: str, options: SpectralOptions, measured: bool
) -> EnsembleSession:
    card = choice.model.card
    ensemble = ensemble_of(card)
    # Where all that is asked for is the mix itself, nothing runs, but something must be there.
    stems = plan.computed or card.stems[:1]
    own = options if options.phase is None else _without_phase(options)
    # What nobody gives is what the others leave of the mix: no sum to measure against it.
    measured = measured and _is_whole(card)
    if measured or options.phase is not None:
        # All stems share in the mix, whichever come out.
        stems = card.stems
    members = []
    for part in ensemble.members:
        model = find_model(part.model)
        weights = weights_of(part, model.card, stems)
        if any(weights):
            asked = Request(stems=tuple(s for s, w in zip(stems, weights, strict=True) if w))
            its_plan = plan_outputs(model.stem_set, asked, model=model.name)
            opened = open_session(Choice(model), its_plan, device=device, options=own)
            members.append((opened, weights))
    if not members:
        raise UsageError(f"no model of {choice.model.name} has a weight for {', '.join(stems)}")
    first = members[0][0]
    return EnsembleSession(
        choice.model, first.network, plan, options, measured=measured,
        members=tuple(members), method=ensemble.method, combined=stems,
    )  # fmt: skip


def _is_whole(card: Card) -> bool:
    """Whether every stem of an ensemble has a model with a weight for it."""
    rows = [
        weights_of(part, find_model(part.model).card, card.stems)
        for part in ensemble_of(card).members
    ]
    return all(any(weights) for weights in zip(*rows, strict=True))


def check_options(options: SpectralOptions, model: Model) -> None:
    """Check options against a model without loading it.

    Raises:
        UsageError: for one that is out of range.
    """
    _check_phase(options)
    if model.card.architecture == ARCHITECTURE:
        own = options if options.phase is None else _without_phase(options)
        for part in ensemble_of(model.card).members:
            check_options(own, find_model(part.model))
        return
    if options.batch is not None and options.batch < 1:
        raise UsageError(f"--batch {options.batch}: must be at least 1")
    _check_kind(options, model)
    if options.overlap is not None:
        try:
            model_settings(model.card).chunks.with_overlap(options.overlap)
        except ValueError as error:
            raise UsageError(f"--overlap {options.overlap}: {error}") from error


def _check_phase(options: SpectralOptions) -> None:
    """Refuse a phase that there is not, and a filter that contradicts it."""
    phase, iterations = options.phase, options.wiener_iterations
    if phase not in (None, *PHASES):
        raise UsageError(f"--phase {phase}: there are {', '.join(PHASES)}")
    if iterations is None:
        return
    if iterations < 0:
        raise UsageError(f"--wiener {iterations}: must be at least 0")
    if phase is not None and (phase == "wiener") != (iterations > 0):
        raise UsageError(f"--phase {phase} and --wiener {iterations} contradict each other")


def _check_kind(options: SpectralOptions, model: Model) -> None:
    """Refuse what only the other kind of model has."""
    shifts = _with_shifts(options).shifts
    if shifts < 0:
        raise UsageError(f"--shifts {shifts}: must be at least 0")
    if model.card.stft is None and options.wiener_iterations and options.phase is None:
        raise UsageError(
            f"--wiener {options.wiener_iterations}: {model.name} gives samples, not masks, and "
            "has no Wiener filter of its own; leave it out, or add --phase wiener"
        )
    if model.card.stft is not None and shifts:
        raise UsageError(
            f"--shifts {shifts}: {model.name} gives masks and has no shifts; leave it out"
        )


def _without_phase(options: SpectralOptions) -> SpectralOptions:
    """What the models of an ensemble get when the phase is that of its stems."""
    return replace(options, phase=None, wiener_iterations=None)


def _with_shifts(options: SpectralOptions) -> WaveformOptions:
    if isinstance(options, WaveformOptions):
        return options
    return WaveformOptions(**asdict(options))


def _hint(model: Model, names: Sequence[str]) -> str:
    """Name a model that has what this one has not."""
    for name in names:
        if model.stem_set.weights(name) is None and (others := models_with(name)):
            other = others[0]
            how = f"--model {other.name}" if other.installed else obtain_command(other.card)
            return f"; {other.name} has {name!r}: {how}"
    return ""
