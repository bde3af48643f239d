"""The stems of a model, and the names of sums of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BACKING_NAMES = ("accompaniment", "instrumental", "karaoke")
"""Names of one and the same sum: everything but the vocals."""

Weights = Mapping[str, float]


@dataclass(frozen=True)
class StemSet:
    """The stems of a model.

    Attributes:
        names: in the order in which they are shown.
        residual: the one that is the mix minus the others; None if the stems need not sum to it.
    """

    names: tuple[str, ...]
    residual: str | None = None

    def weights(self, name: str) -> Weights | None:
        """The sum of stems that `name` means here, None if it means nothing."""
        if name in self.names:
            return {name: 1.0}
        if name in BACKING_NAMES and "vocals" in self.names:
            return {stem: 1.0 for stem in self.names if stem != "vocals"}
        return None
