"""What a run is told, and the names that users type for it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unmixcli.errors import UsageError
from unmixcli.metrics.oracles import ORACLES

METRICS = ("bsseval", "bsseval-v3", "nsdr", "sisdr", "lsd", "melody", "activity")
DEFAULT_METRICS = ("bsseval", "bsseval-v3", "nsdr", "sisdr")

# The plain name means the mask of magnitudes; the one of powers has to be asked for.
_ORACLE_ALIASES = {"irm": "irm1"}


# Frames closer than this would be millions a song.
_LEAST_HOP_S = 0.001


@dataclass(frozen=True)
class EvalSettings:
    """Everything but the data and the model.

    Attributes:
        metrics: of `METRICS`.
        oracles: of `unmixcli.metrics.oracles.ORACLES`, scored beside the model.
        window_s: length of a frame of BSS Eval v4.
        hop_s: from one frame to the next.
        device: where BSS Eval computes, "cpu" or "cuda".
        audio: whether the stems are kept as MP3, to be heard on the page.
    """

    metrics: tuple[str, ...] = DEFAULT_METRICS
    oracles: tuple[str, ...] = ()
    window_s: float = 1.0
    hop_s: float = 1.0
    device: str = "cpu"
    audio: bool = True

    def __post_init__(self) -> None:
        for name, seconds in (("--window", self.window_s), ("--hop", self.hop_s)):
            if not (seconds > 0 and math.isfinite(seconds)):
                raise UsageError(f"{name} {seconds}: must be seconds above 0")
        if self.hop_s < _LEAST_HOP_S:
            raise UsageError(f"--hop {self.hop_s:g}: must be {_LEAST_HOP_S:g} s or more")
        _known("--metrics", self.metrics, METRICS)
        _known("--oracle", self.oracles, tuple(ORACLES))

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """What changes a score."""
        return {
            "metrics": sorted(self.metrics),
            "window_s": self.window_s,
            "hop_s": self.hop_s,
            "device": self.device,
        }


def parse_metrics(text: str) -> tuple[str, ...]:
    """The metrics in `bsseval,sisdr`; `UsageError` for an unknown one."""
    return _known("--metrics", _names("--metrics", text), METRICS)


def parse_oracles(text: str) -> tuple[str, ...]:
    """The oracles in `irm,mixture`; `UsageError` for an unknown one."""
    names = tuple(_ORACLE_ALIASES.get(name, name) for name in _names("--oracle", text))
    return _known("--oracle", tuple(dict.fromkeys(names)), tuple(ORACLES))


def _names(option: str, text: str) -> tuple[str, ...]:
    names = tuple(name.strip().lower() for name in text.split(","))
    if not all(names):
        raise UsageError(f"{option} {text!r} must look like {option} one,two")
    return tuple(dict.fromkeys(names))


def _known(option: str, names: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"{option} {unknown[0]}: there are {', '.join(known)}")
    return names
