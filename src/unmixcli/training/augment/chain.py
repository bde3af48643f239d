"""The augmentations by name, and a chain of them on the stems of a track."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import torch
from torch import Generator, Tensor

from unmixcli.training.augment.codec import codec
from unmixcli.training.augment.draw import Draw, Effect
from unmixcli.training.augment.dynamics import compression, limiting
from unmixcli.training.augment.equalisation import equalisation
from unmixcli.training.augment.level import channel_swap, gain, polarity, tremolo
from unmixcli.training.augment.modulation import chorus, flanger
from unmixcli.training.augment.phaser import phaser
from unmixcli.training.augment.reverb import reverb
from unmixcli.training.augment.tempo import pitch_shift, resampling, time_stretch


@dataclass(frozen=True)
class Augmentation:
    """An augmentation of the registry.

    Attributes:
        effect: a signal and a draw to another signal.
        level: whether each stem draws for itself, or all stems of a track together.
        keeps_length: whether the number of samples stays.
    """

    effect: Effect
    level: Literal["stem", "track"] = "stem"
    keeps_length: bool = True


AUGMENTATIONS: Mapping[str, Augmentation] = MappingProxyType(
    {
        "gain": Augmentation(gain),
        "channel_swap": Augmentation(channel_swap),
        "polarity": Augmentation(polarity),
        "equalisation": Augmentation(equalisation),
        "compression": Augmentation(compression),
        "limiting": Augmentation(limiting),
        "chorus": Augmentation(chorus),
        "flanger": Augmentation(flanger),
        "phaser": Augmentation(phaser),
        "tremolo": Augmentation(tremolo),
        "reverb": Augmentation(reverb),
        "codec": Augmentation(codec),
        "time_stretch": Augmentation(time_stretch, "track", keeps_length=False),
        "pitch_shift": Augmentation(pitch_shift, "track"),
        "resampling": Augmentation(resampling, "track", keeps_length=False),
    }
)


@dataclass(frozen=True)
class Step:
    """One augmentation of a chain.

    Attributes:
        name: of the augmentation.
        probability: of its use, 0 to 1; for each stem, or for the track.
        strength: 0 to 1.

    Raises:
        ValueError: for an unknown name or a number outside its range.
    """

    name: str
    probability: float = 1.0
    strength: float = 1.0

    def __post_init__(self) -> None:
        """Check name and ranges."""
        if self.name not in AUGMENTATIONS:
            raise ValueError(
                f"an augmentation must be one of {', '.join(AUGMENTATIONS)}, not {self.name}"
            )
        for word, value in (("probability", self.probability), ("strength", self.strength)):
            if not 0 <= value <= 1:
                raise ValueError(f"{word} must lie in 0..1, not {value}")


def apply(
    chain: Sequence[Step], stems: Tensor, *, sample_rate: int, generator: Generator
) -> Tensor:
    """Augment the stems of one track; their sum is the new mix.

    Steps of stem level draw for each stem; steps of track level draw once and treat all stems in
    one call, so that they stay in time and tune with each other.

    Shape: `(stems, channels, samples)` float32 to the same, or to another number of samples if the
    chain holds a step that does not keep it.
    """
    for step in chain:
        draw = Draw(sample_rate, step.strength, generator)
        if AUGMENTATIONS[step.name].level == "track":
            stems = _perhaps(step, stems, draw)
        else:
            stems = torch.stack([_perhaps(step, stem, draw) for stem in stems])
    return stems


def _perhaps(step: Step, signal: Tensor, draw: Draw) -> Tensor:
    if draw.uniform() >= step.probability:
        return signal
    return AUGMENTATIONS[step.name].effect(signal, draw)
