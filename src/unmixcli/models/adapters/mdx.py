"""UVR's MDX-Net models: one spectrogram network in ONNX, one stem; the rest is the other.

The network sees the low bins of a stereo spectrum as four channels, the real and imaginary parts
of left and right, and gives the spectrum of its stem in the same form. UVR sets the lowest three
bins of what the network sees to zero, and multiplies what it gives by `compensate`, the level that
the network loses; so does this. Chunks are extended by reflection, and half a window at each of
their ends is thrown away.

The networks do not say what they are: the table beside this file knows them by the md5 of their
last 10,000 KiB, as UVR does.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from unmixcli.dsp.stft import STFTConfig, istft, stft
from unmixcli.errors import ModelError
from unmixcli.models.card import Card, Chunks, Licence, WeightFile
from unmixcli.models.onnx import Graph
from unmixcli.models.waveform import WaveformModel, WaveformSettings
from unmixcli.models.weights import sha256, tail_md5

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SILENCED_BINS = 3
"""The lowest bins, which the network sees as zeros."""

FADE_HOPS = 8
"""What neighbouring chunks cross-fade in the cards made here."""

_SECOND_STEMS = {"vocals": "accompaniment", "accompaniment": "vocals", "no_crowd": "crowd"}


class Parameters(BaseModel):
    """The card's `parameters`.

    Attributes:
        dim_f: the lowest bins, which the network sees and gives; those above are zero.
        dim_t: frames of a chunk.
        n_fft: of the transform, with a periodic Hann window.
        hop_samples: of the transform.
        compensate: what the network's output is multiplied by.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dim_f: int = Field(gt=SILENCED_BINS)
    dim_t: int = Field(gt=1)
    n_fft: int
    hop_samples: int = 1024
    compensate: float = Field(default=1.0, gt=0)

    @property
    def stft(self) -> STFTConfig:
        """The transform."""
        return STFTConfig(self.n_fft, self.hop_samples, edge="reflect")

    @property
    def samples(self) -> int:
        """Samples of a chunk."""
        return self.hop_samples * (self.dim_t - 1)


class MDXNet(WaveformModel):
    """A network that gives one stem of two.

    Args:
        settings: with the two stems.
        path: the ONNX file; `to(device)` opens it there.
        parameters: those of the card.
        primary: the stem that the network gives.

    Raises:
        ValueError: if the graph, the chunks or the stems do not fit the parameters.
        ModelError: if the file cannot be opened.
    """

    compensate: Tensor

    def __init__(
        self, settings: WaveformSettings, path: Path, parameters: Parameters, *, primary: str
    ) -> None:
        super().__init__()
        self.settings = settings
        self.chosen = parameters
        self.primary = primary
        # A buffer, so that the model has a device.
        self.register_buffer("compensate", torch.tensor(parameters.compensate), persistent=False)
        self._path = path
        self._graph = Graph(path, device=torch.device("cpu"))
        _check(settings, parameters, self._graph.input_shape)

    def to(self, *args: Any, **kwargs: Any) -> MDXNet:
        """Move to a device, on which the network is opened.

        Raises:
            ResourceError: if ONNX Runtime cannot run there.
        """
        super().to(*args, **kwargs)
        if self.device != self._graph.device:
            self._graph = Graph(self._path, device=self.device)
        return self

    def stems(self, mix: Tensor, *, stems: Sequence[str]) -> Tensor:
        """Return the network's stem, and what is left of the mix as the other."""
        primary = self._primary(mix)
        return torch.stack([primary if s == self.primary else mix - primary for s in stems], dim=1)

    def _primary(self, mix: Tensor) -> Tensor:
        config, low = self.chosen.stft, self.chosen.dim_f
        spectrum = stft(mix, config=config)
        parts = torch.view_as_real(spectrum[..., :low, :]).permute(0, 1, 4, 2, 3).flatten(1, 2)
        parts = parts.contiguous()
        parts[:, :, :SILENCED_BINS] = 0
        real, imaginary = self._run(parts).unflatten(1, (-1, 2)).unbind(2)
        given = torch.zeros_like(spectrum)
        given[..., :low, :] = torch.complex(real, imaginary)
        return istft(given, config=config, samples=mix.shape[-1]) * self.compensate

    def _run(self, parts: Tensor) -> Tensor:
        if self._graph.input_shape[0] is None:
            return self._graph.run(parts, shape=parts.shape)
        return torch.cat([self._graph.run(one, shape=one.shape) for one in parts.split(1)])


def build(card: Card, paths: Mapping[str, Path], settings: WaveformSettings) -> MDXNet:
    """Open the network of a card, the file of role "all"."""
    given = [stem for stem in card.stems if stem != card.residual]
    if len(given) != 1 or len(card.stems) != 2:
        raise ValueError(f"the network gives one of two stems, the residual is the other: {given}")
    parameters = Parameters.model_validate(card.parameters)
    return MDXNet(settings, paths["all"], parameters, primary=given[0])


def card_for(path: Path) -> Card:
    """The card of an MDX-Net model, known by its contents; the card's file is named after it.

    Raises:
        ModelError: for a file that is not in the table, or cannot be read.
    """
    try:
        known, size, digest = tail_md5(path), path.stat().st_size, sha256(path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error
    facts = _table().get(known)
    if facts is None:
        raise ModelError(
            f"{path}: none of the MDX-Net models known here (the md5 of its last 10,000 KiB is "
            f'{known}); put it into a folder with a model.toml that says architecture = "mdx" '
            "and its parameters dim_f, dim_t, n_fft and compensate, and name that folder"
        )
    name = re.sub(r"[^\w.-]+", "-", path.name).lstrip(".-")
    file = WeightFile(role="all", name=name, sha256=digest, tail_md5=known, size=size)
    return _card(path.stem, facts, file)


def _table() -> dict[str, dict[str, Any]]:
    text = files(__package__).joinpath("mdx_table.toml").read_text(encoding="utf-8")
    table: dict[str, dict[str, Any]] = tomllib.loads(text)
    return table


def _card(title: str, facts: Mapping[str, Any], file: WeightFile) -> Card:
    primary = facts["primary"]
    second = _SECOND_STEMS.get(primary, f"no_{primary}")
    sizes = {key: facts[key] for key in ("dim_f", "dim_t", "n_fft", "compensate")}
    parameters = Parameters.model_validate(sizes)
    karaoke = "; backing vocals stay in the accompaniment" if facts.get("karaoke") else ""
    return Card(
        name=re.sub(r"[^a-z0-9._-]+", "-", title.lower()).strip("-._") or "mdx-net",
        title=title,
        description=f"MDX-Net of Ultimate Vocal Remover that gives the {primary}{karaoke}.",
        architecture="mdx",
        parameters=parameters.model_dump(),
        stems=(second, primary) if second == "vocals" else (primary, second),
        residual=second,
        sample_rate=44100,
        channels=2,
        chunks=Chunks(
            length=parameters.samples,
            context=parameters.n_fft // 2,
            overlap=FADE_HOPS * parameters.hop_samples,
            multiple=parameters.samples,
        ),
        extra="cpu",
        licence=Licence(
            name="not stated",
            commercial=False,
            note="UVR asks applications to credit it and its developers; ask the model's makers.",
        ),
        training_data="not stated",
        files=(file,),
    )


def _check(settings: WaveformSettings, parameters: Parameters, shape: Sequence[int | None]) -> None:
    if parameters.dim_f > parameters.stft.bins:
        raise ValueError(f"dim_f {parameters.dim_f} is more than n_fft {parameters.n_fft} gives")
    if settings.channels != 2 or len(settings.stems) != 2:
        raise ValueError("the network takes two channels, and its card has two stems")
    if settings.chunks.length != parameters.samples or not settings.chunks.fixed:
        raise ValueError(f"chunks must be fixed, hop_samples * (dim_t - 1) = {parameters.samples}")
    expected = (1, 4, parameters.dim_f, parameters.dim_t)
    lengths = zip(shape, expected, strict=False)
    if len(shape) != len(expected) or any(have not in (None, want) for have, want in lengths):
        raise ValueError(f"its network takes {tuple(shape)}, the card says {expected}")
