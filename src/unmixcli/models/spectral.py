"""What the engine asks of a model that works on spectra: masks for chunks of the mix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from torch import Tensor, nn

from unmixcli.dsp.chunks import ChunkConfig
from unmixcli.dsp.stft import STFTConfig


@dataclass(frozen=True)
class SpectralSettings:
    """What a spectral model needs around it.

    Attributes:
        stems: those that the network gives, in the order of its masks.
        sample_rate: Hz.
        channels: audio channels of the network; 1 takes each channel by itself.
        stft: the transform.
        chunks: the grid, in frames.
        wiener_iterations: of the multichannel Wiener filter when none are asked for.
        wiener_window_frames: frames that share one spatial model.
        wiener_eps: its regularisation; None is `wiener`'s own.
    """

    stems: tuple[str, ...]
    sample_rate: int
    channels: int
    stft: STFTConfig
    chunks: ChunkConfig
    wiener_iterations: int = 0
    wiener_window_frames: int = 300
    wiener_eps: float | None = None


@dataclass(frozen=True)
class TrainingMasks:
    """What a model gives in training.

    Attributes:
        masks: as `SpectralModel.masks`.
        stages: masks of further estimates of the same stems, each with the weight of its loss.
        penalties: added to the loss as they are, by name.
        context: frames at each end for which there are no masks.
    """

    masks: Tensor
    stages: tuple[tuple[float, Tensor], ...] = ()
    penalties: Mapping[str, Tensor] = field(default_factory=lambda: MappingProxyType({}))
    context: int = 0


class SpectralModel(nn.Module):
    """A network that gives masks; adapters derive from it.

    Attributes:
        settings: what it needs around it.
        seen_bins: the lowest bins, whose masks depend on these bins alone and from which those
            above follow; None if it sees all.
    """

    settings: SpectralSettings
    seen_bins: int | None = None

    def masks(self, mix: Tensor, *, stems: Sequence[str]) -> Tensor:
        """Masks of some of the stems.

        Shape:
            - mix: `(batch, channels, bins, frames)` complex
            - result: `(batch, stems, channels, bins, frames)`, real or complex; mask times mix is
              the stem
        """
        raise NotImplementedError

    def training_masks(self, mix: Tensor, *, stems: Sequence[str]) -> TrainingMasks:
        """The masks of a mix as `masks`, and what else the training of this model wants."""
        return TrainingMasks(self.masks(mix, stems=stems))
