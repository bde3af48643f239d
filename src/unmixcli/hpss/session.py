"""A method made ready for a request, as `separation.session` does for models.

Classical methods have cards as models have, but lie in no folder and have no weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import torch

from unmixcli.dsp.stft import STFTConfig
from unmixcli.errors import UsageError
from unmixcli.hpss.kam import SETTINGS, KernelMethod
from unmixcli.hpss.median import LIBROSA, MedianMethod
from unmixcli.hpss.method import PAIR, FrameMethod
from unmixcli.hpss.separator import HPSSSeparator
from unmixcli.hpss.threshold import LONG, SHORT, CascadeSeparator, ThresholdMethod
from unmixcli.models.card import Card, Chunks, Licence
from unmixcli.models.catalogue import Choice, Model, find_model, list_models
from unmixcli.models.stems import StemSet
from unmixcli.separation.device import resolve_device
from unmixcli.separation.engine import Engine
from unmixcli.separation.phase import PHASES, Phase
from unmixcli.separation.separator import Separator
from unmixcli.separation.session import Session, open_session
from unmixcli.separation.sparing import Notice
from unmixcli.separation.spectral import SpectralOptions
from unmixcli.separation.stems import OutputPlan, Request, plan_outputs

RESIDUAL = "residual"

CLASSICAL: Mapping[str, str] = MappingProxyType(
    {
        "median": "FitzGerald, Harmonic/percussive separation using median filtering, 2010",
        "hpr": "Driedger, Müller, Disch, Extending harmonic-percussive separation, 2014",
        "kam": "FitzGerald et al., Harmonic/percussive separation using KAM, 2014",
        "kam-published": "Drossos et al., Harmonic-percussive source separation, 2018",
    }
)
"""Methods that need no weights, and where they come from."""

# Its square is compared with shares of single precision.
_LARGEST_MARGIN = 1_000_000
_MARGINS: Mapping[str, float] = MappingProxyType({"median": 1.0, "hpr": 2.0})
_TRANSFORMS: Mapping[str, STFTConfig] = MappingProxyType(
    {"median": LIBROSA, "kam": SETTINGS[1], "kam-published": SETTINGS[1]}
)

# Transforms are meant for this rate; at twice the rate windows have twice the samples.
_RATE = 44100


@dataclass(frozen=True)
class HPSSOptions:
    """What a run may choose; None leaves what the method has.

    Attributes:
        phase: "mixture", "pu" or "wiener"; classical methods have "mixture", models what their
            cards say.
        margin: how many times larger one median must be than the other: of `median` 1, of `hpr`
            2, where it is called β.
        setting: the transform, 1 or 2 of Drossos et al.; of models it chooses the one that has it.
        residual: whether what is left of the mix is a stem of its own; it always is where a
            method leaves something by intention.
    """

    phase: Phase | None = None
    margin: float | None = None
    setting: int | None = None
    residual: bool = False


@dataclass(frozen=True)
class HPSSSession:
    """A classical method made ready; in a batch it stands for a `Session`.

    Attributes:
        model: its card; it lies in no folder.
        plan: the outputs as sums of its stems.
        options: what was chosen.
        device: where it runs.
        measured: as of a `Session`.
    """

    model: Model
    plan: OutputPlan
    options: HPSSOptions
    device: torch.device
    measured: bool = False

    def engine(self, *, sample_rate: int, channels: int, notice: Notice | None = None) -> Engine:
        """A separator for one track of this rate in Hz and 1 or 2 channels."""
        separator = self._separator(sample_rate, notice if self.measured else None)
        return Engine(separator, plan=self.plan, sample_rate=sample_rate, channels=channels)

    def _separator(self, rate: int, measured: Notice | None) -> Separator:
        name, margin = self.model.name, self.options.margin
        if margin is None:
            margin = _MARGINS.get(name, 1.0)
        if name == "hpr":
            return self._cascade(rate, factor=margin, measured=measured)
        stft = SETTINGS[self.options.setting] if self.options.setting else _TRANSFORMS[name]
        stft = at_rate(stft, rate)
        method: FrameMethod = MedianMethod(stft, margin=margin)
        if name != "median":
            method = KernelMethod(stft, rate, published=name == "kam-published")
        return self._around(method, rate, stems=self.plan.computed, measured=measured)

    def _cascade(self, rate: int, *, factor: float, measured: Notice | None) -> Separator:
        long, short = at_rate(LONG, rate), at_rate(SHORT, rate)
        harmonic = ThresholdMethod(long, rate, "harmonic", factor)
        percussive = ThresholdMethod(short, rate, "percussive", factor)
        told, told_of_rest = (
            _told(measured, "first stage"),
            _told(measured, "second stage, of the rest"),
        )
        first = self._around(harmonic, rate, stems=PAIR[:1], measured=told)
        if self.plan.computed == PAIR[:1]:
            return first
        second = self._around(percussive, rate, stems=PAIR[1:], measured=told_of_rest)
        return CascadeSeparator(first, second, stems=self.plan.computed)

    def _around(
        self,
        method: FrameMethod,
        rate: int,
        *,
        stems: Sequence[str],
        measured: Notice | None,
    ) -> HPSSSeparator:
        return HPSSSeparator(
            method,
            stems=stems,
            sample_rate=rate,
            phase=self.options.phase or "mixture",
            device=self.device,
            measured=measured,
        )


def select_method(
    name: str, *, options: HPSSOptions, stems: Sequence[str] = ()
) -> tuple[Choice, OutputPlan]:
    """The method of a name and its outputs; loads nothing.

    Args:
        name: one of `CLASSICAL`, or a model that has harmonic and percussive.
        options: what was chosen.
        stems: what shall come out; all if none are named.

    Raises:
        UsageError: for an unknown method or stem, or options that the method has not.
    """
    _check_options(name, options)
    model = Model(_card(name), Path()) if name in CLASSICAL else _learned(name, options.setting)
    stem_set = _stem_set(model, options)
    return Choice(model), plan_outputs(stem_set, Request(stems=tuple(stems)), model=name)


def open_hpss(
    choice: Choice,
    plan: OutputPlan,
    *,
    options: HPSSOptions,
    device: str,
    measured: bool = False,
) -> HPSSSession | Session:
    """Make a method ready.

    Args:
        choice: it.
        plan: the outputs.
        options: what was chosen.
        device: "auto", "cpu", "cuda" or "mps"; used or refused.
        measured: as of a `Session`.

    Raises:
        UsageError: for an unknown device.
        ResourceError: for a device that is not there.
        ModelError: for weights that are missing or not what the card says.
    """
    model = choice.model
    if model.name in CLASSICAL:
        place = resolve_device(device, card=model.card)
        # Named or not, the mix's phase is the same result.
        options = replace(options, phase=options.phase or "mixture")
        return HPSSSession(model, plan, options, place, measured)
    own = SpectralOptions(phase=options.phase)
    return open_session(choice, plan, device=device, options=own, measured=measured)


def _told(notice: Notice | None, stage: str) -> Notice | None:
    """Of two stages each says which it is."""
    return None if notice is None else lambda message: notice(f"{stage}: {message}")


def at_rate(stft: STFTConfig, rate: int) -> STFTConfig:
    """The transform with windows of about the same duration at rates above 44.1 kHz."""
    factor = max(1, 2 ** round(math.log2(rate / _RATE)))
    window = stft.window_samples
    return replace(
        stft,
        n_fft=stft.n_fft * factor,
        hop_samples=stft.hop_samples * factor,
        window_samples=None if window is None else window * factor,
    )


def _check_options(name: str, options: HPSSOptions) -> None:
    if options.phase not in (None, *PHASES):
        raise UsageError(f"--phase {options.phase}: there are {', '.join(PHASES)}")
    if options.margin is not None:
        if name not in _MARGINS:
            raise UsageError(f"--margin: {name} has none; {' and '.join(_MARGINS)} have one")
        if not 1 <= options.margin <= _LARGEST_MARGIN:
            raise UsageError(
                f"--margin {options.margin:g}: must be a number from 1 to {_LARGEST_MARGIN}"
            )
    if options.setting not in (None, *SETTINGS):
        raise UsageError(f"--setting {options.setting}: there are 1 and 2")
    if options.setting is not None and name in CLASSICAL and name not in _TRANSFORMS:
        raise _setting_refused(name)


def _stem_set(model: Model, options: HPSSOptions) -> StemSet:
    """The stems, of which one is what the others leave of the mix, so that they sum to it."""
    left_over = model.name == "hpr" or (options.margin or 1.0) > 1
    if options.residual or left_over:
        return StemSet((*PAIR, RESIDUAL), RESIDUAL)
    return StemSet(PAIR, model.card.residual if model.card.residual in PAIR else PAIR[1])


def setting_of(card: Card) -> int | None:
    """The setting of Drossos et al. whose transform a model has, at their rate; None for others."""
    if card.stft is None or card.sample_rate != _RATE:
        return None
    own = _sizes(STFTConfig(**card.stft.model_dump()))
    return next((number for number, stft in SETTINGS.items() if _sizes(stft) == own), None)


def _sizes(stft: STFTConfig) -> tuple[int, int, int, str]:
    return stft.n_fft, stft.hop_samples, stft.window_length, stft.window


def _learned(name: str, setting: int | None) -> Model:
    """The model of a name and a setting.

    A name may go without the "hpss-" of those that come with the package, and without the number
    that tells a model from the same one in the other setting.
    """
    able = {model.name: model for model in list_models() if model.has(PAIR)}
    spellings = [name, f"hpss-{name}"]
    if setting is not None:
        spellings += [f"{spelling}-{setting}" for spelling in spellings]
    known = [able[full] for full in spellings if full in able] or [_named(name, able)]
    fitting = [model for model in known if setting in (None, setting_of(model.card))]
    if not fitting:
        raise _setting_refused(name, own=setting_of(known[0].card))
    return fitting[0]


def _setting_refused(name: str, *, own: int | None = None) -> UsageError:
    having = ", ".join(_TRANSFORMS)
    if own is None:
        return UsageError(f"--setting: {name} has none; {having}, mad-twinnet have one")
    return UsageError(f"--setting: {name} has {own} alone; leave it out, or take {having}")


def _named(name: str, able: Mapping[str, Model]) -> Model:
    """The model of a name or a folder.

    Raises:
        UsageError: if there is none, or it has other stems.
    """
    known = ", ".join((*CLASSICAL, *able))
    try:
        model = find_model(name)
    except UsageError:
        raise UsageError(
            f"--method {name}: there are {known}; or name the folder of a model that you trained"
        ) from None
    if not model.has(PAIR):
        raise UsageError(f"--method {name}: has no stems {' and '.join(PAIR)}; {known} have")
    return model


def _card(name: str) -> Card:
    # Not validated: a card on disk names weights, of which a method has none.
    return Card.model_construct(
        name=name,
        title=CLASSICAL[name].split(",")[0],
        description="Harmonic and percussive without training.",
        architecture=name,
        stems=PAIR,
        residual=None,
        sample_rate=_RATE,
        channels=1,
        chunks=Chunks(length=1),
        licence=Licence(name="MIT", commercial=True),
        training_data="none",
        citation=CLASSICAL[name],
        files=(),
    )
