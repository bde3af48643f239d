"""What the engine asks of a model that works on spectra: masks for chunks of the mix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from torch import Tensor, nn

from unmixcli.dsp.chunks import ChunkConfig
from unmixcli.dsp.salience import SalienceAxis
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
        salience: of the voice's pitch, `(batch, bins, frames)`, of a model that gives it.
        salience_stages: further estimates of it, each with the weight of its loss.
    """

    masks: Tensor
    stages: tuple[tuple[float, Tensor], ...] = ()
    penalties: Mapping[str, Tensor] = field(default_factory=lambda: MappingProxyType({}))
    context: int = 0
    salience: Tensor | None = None
    salience_stages: tuple[tuple[float, Tensor], ...] = ()


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


@dataclass(frozen=True)
class Truth:
    """What is known of a mix in training, which oracles may see.

    Attributes:
        vocals: magnitudes, `(batch, channels, bins, frames)`.
        salience: `(batch, bins, frames)`.
    """

    vocals: Tensor
    salience: Tensor


class JointModel(SpectralModel):
    """A network that gives the salience of the voice's pitch beside masks, or alone.

    Attributes:
        axis: of the salience.
        gives_salience: whether it does; it may be trained beside others that do.
        is_oracle: whether it needs the truth, so that it can be judged but not used.
    """

    axis: SalienceAxis
    gives_salience: bool = True
    is_oracle: bool = False

    def joint(
        self, mix: Tensor, *, stems: Sequence[str], truth: Truth | None = None
    ) -> tuple[Tensor, Tensor]:
        """Masks as `masks`, and the salience that comes with them.

        Shape:
            - mix: `(batch, channels, bins, frames)` complex
            - result: `(batch, stems, channels, bins, frames)`, and `(batch, axis.bins, frames)`
              in 0..1
        """
        raise NotImplementedError

    def masks(self, mix: Tensor, *, stems: Sequence[str]) -> Tensor:
        """The masks alone."""
        return self.joint(mix, stems=stems)[0]

    def salience(self, mix: Tensor) -> Tensor:
        """The salience alone: `(batch, axis.bins, frames)`."""
        return self.joint(mix, stems=self.settings.stems)[1]

    def training_masks(
        self, mix: Tensor, *, stems: Sequence[str], truth: Truth | None = None
    ) -> TrainingMasks:
        """Both, as `SpectralModel.training_masks`."""
        masks, salience = self.joint(mix, stems=stems, truth=truth)
        return TrainingMasks(masks, salience=salience if self.gives_salience else None)
