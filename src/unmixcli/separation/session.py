"""A model made ready for a request: chosen, loaded once, used for any number of tracks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace

import torch

from unmixcli.errors import UsageError
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
from unmixcli.separation.recovery import RecoveringSeparator
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
            every = self.options.phase is not None
            separator = WaveformSeparator(
                self.network,
                stems=self.network.settings.stems if every else self.plan.computed,
                options=_with_shifts(self.options),
                notice=notice,
                limits=self.limits,
            )
            return self._recovering(separator, notice)
        return SpectralSeparator(
            self.network,
            stems=self.plan.computed,
            options=self.options,
            notice=notice,
            limits=self.limits,
            measured=notice if self.measured else None,
        )

    def _recovering(self, separator: Separator, notice: Notice | None) -> Separator:
        """A separator with the phase that was asked for, if one was."""
        if self.options.phase is None:
            return separator
        return RecoveringSeparator(
            separator,
            stems=self.plan.computed,
            phase=self.options.phase,
            wiener_iterations=self.options.wiener_iterations,
            measured=notice if self.measured else None,
        )


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
        ensemble = EnsembleSeparator(members, stems=self.combined, method=self.method)
        separator = self._recovering(ensemble, notice)
        return Engine(separator, plan=self.plan, sample_rate=sample_rate, channels=channels)


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
    choice: Choice, plan: OutputPlan, *, device: str, options: SpectralOptions
) -> Session:
    """Load the model.

    Raises:
        UsageError: for options out of range or an unknown device.
        ResourceError: for a device that is not there.
        ModelError: for weights that are missing or not what the card says.
    """
    card = choice.model.card
    check_options(options, choice.model)
    if card.architecture == ARCHITECTURE:
        return _open_ensemble(choice, plan, device=device, options=options)
    place = resolve_device(device, card=card)
    if place.type == "cuda":
        # For the process, since threads share the flag: algorithms that sum in the same order
        # each time.
        torch.backends.cudnn.deterministic = True
    if options.half is None:
        options = replace(options, half=best_half(card, place))
    return Session(choice.model, load_model(choice.model, device=place), plan, options)


def _open_ensemble(
    choice: Choice, plan: OutputPlan, *, device: str, options: SpectralOptions
) -> EnsembleSession:
    card = choice.model.card
    ensemble = ensemble_of(card)
    # Where all that is asked for is the mix itself, nothing runs, but something must be there.
    stems = plan.computed or card.stems[:1]
    own = options
    if options.phase is not None:
        stems, own = card.stems, _without_phase(options)
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
        choice.model, first.network, plan, options,
        members=tuple(members), method=ensemble.method, combined=stems,
    )  # fmt: skip


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
