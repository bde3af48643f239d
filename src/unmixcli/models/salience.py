"""What `unmix pitch` asks of a model that gives salience from an HCQT."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from unmixcli.dsp.chunks import ChunkConfig
from unmixcli.dsp.hcqt import HCQTConfig
from unmixcli.dsp.salience import SalienceAxis
from unmixcli.models.card import Card


@dataclass(frozen=True)
class SalienceSettings:
    """What a model that gives salience needs around it.

    Attributes:
        hcqt: the transform that it sees; its axis is that of the salience.
        chunks: the grid, in frames.
        threshold: of a frame's salience, from which on it is voiced.
    """

    hcqt: HCQTConfig
    chunks: ChunkConfig
    threshold: float


class SalienceModel(nn.Module):
    """A network that gives salience; adapters derive from it.

    Attributes:
        settings: what it needs around it.
    """

    settings: SalienceSettings

    def salience(self, features: Tensor) -> Tensor:
        """The salience of each bin, in 0..1.

        Shape:
            - features: `(batch, harmonics, bins, frames)`, an HCQT by `decibels`
            - result: `(batch, bins, frames)`
        """
        raise NotImplementedError


def salience_axis(card: Card) -> SalienceAxis:
    """The axis of a card's salience.

    Raises:
        ValueError: if the card has no table `pitch`.
    """
    if card.pitch is None:
        raise ValueError("its card has no table pitch")
    return SalienceAxis(card.pitch.f_min_hz, card.pitch.bins_per_octave, card.pitch.bins)


def salience_settings(card: Card, *, harmonics: tuple[float, ...]) -> SalienceSettings:
    """The settings of a card.

    Args:
        card: of the model.
        harmonics: of the transform.

    Raises:
        ValueError: if they contradict each other, or the card has no table `pitch`.
    """
    axis = salience_axis(card)
    assert card.pitch is not None
    return SalienceSettings(
        hcqt=HCQTConfig(axis, harmonics, card.sample_rate, card.pitch.hop_samples),
        chunks=ChunkConfig(**card.chunks.model_dump()),
        threshold=card.pitch.threshold,
    )
