"""Small spectral models whose output is known without running them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unmixcli.dsp.chunks import ChunkConfig
from unmixcli.dsp.stft import STFTConfig
from unmixcli.models.spectral import SpectralModel, SpectralSettings
from unmixcli.models.stems import StemSet
from unmixcli.separation.engine import Engine
from unmixcli.separation.spectral import SpectralOptions, SpectralSeparator
from unmixcli.separation.stems import Request, plan_outputs

STFT = STFTConfig(n_fft=512, hop_samples=128)


def settings(
    *,
    stems: tuple[str, ...] = ("vocals", "accompaniment"),
    channels: int = 2,
    sample_rate: int = 44100,
    chunks: ChunkConfig | None = None,
    stft: STFTConfig = STFT,
) -> SpectralSettings:
    return SpectralSettings(
        stems=stems,
        sample_rate=sample_rate,
        channels=channels,
        stft=stft,
        chunks=chunks or ChunkConfig(length=64, context=4, overlap=8, batch=2),
        wiener_window_frames=50,
    )


class ConstantMasks(SpectralModel):
    """Each stem is the mix times a number."""

    def __init__(self, settings: SpectralSettings, gains: Sequence[float]) -> None:
        super().__init__()
        self.settings = settings
        self.gains = nn.Parameter(torch.tensor(gains, dtype=torch.float32), requires_grad=False)

    def masks(self, mix: Tensor, *, stems: Sequence[str]) -> Tensor:
        rows = [self.settings.stems.index(stem) for stem in stems]
        gains = self.gains[rows][None, :, None, None, None]
        return gains.expand(mix.shape[0], -1, *mix.shape[1:])


class ContextMasks(ConstantMasks):
    """Masks in (0, 1) that depend on the whole chunk, its place in the batch not included."""

    def masks(self, mix: Tensor, *, stems: Sequence[str]) -> Tensor:
        level = mix.abs()
        past = level.cumsum(-1) / (1 + torch.arange(level.shape[-1]))
        share = (level / (level + past + 1e-6)).unsqueeze(1)
        rows = [self.settings.stems.index(stem) for stem in stems]
        return torch.cat([share if row == 0 else 1 - share for row in rows], dim=1)


STEMS = StemSet(("vocals", "accompaniment"), "accompaniment")


def noise(channels: int, samples: int) -> Tensor:
    return torch.rand((channels, samples), generator=torch.Generator().manual_seed(samples)) - 0.5


def engine(
    model: SpectralModel,
    *,
    stem_set: StemSet = STEMS,
    request: Request | None = None,
    sample_rate: int = 44100,
    channels: int = 2,
    options: SpectralOptions | None = None,
) -> Engine:
    plan = plan_outputs(stem_set, request or Request(), model="test")
    separator = SpectralSeparator(model, stems=plan.computed, options=options)
    return Engine(separator, plan=plan, sample_rate=sample_rate, channels=channels)


def separate(engine: Engine, mix: Tensor, block: int | None = None) -> Tensor:
    engine.reset()
    blocks = mix.split(block or max(1, mix.shape[-1]), dim=-1) if mix.shape[-1] else ()
    return torch.cat(list(engine.stream(blocks)), dim=-1)
