"""The card of a model: `model.toml`, everything there is to know but the weights themselves."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from unmixcli.errors import ModelError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
SHA256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PackageSource(_Strict):
    """A checkpoint inside an installed Python package, converted once into the cache."""

    package: str
    path: str
    sha256: SHA256
    extra: str


class WebSource(_Strict):
    """A file to download."""

    url: Annotated[str, Field(pattern=r"^https?://")]


class HubSource(_Strict):
    """A file of a repository on the Hugging Face Hub."""

    repo: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    revision: str
    path: str


class WeightFile(_Strict):
    """One file of weights.

    Attributes:
        role: what it holds: a stem, or `all`.
        name: its name in the model's folder or in the cache.
        sha256: of the whole file; None only where its makers publish no more than `sha256_prefix`.
        sha256_prefix: the first hex digits of it, as in the names of torch.hub's files.
        tail_md5: md5 of the last 10,000 KiB (of the whole file if it is shorter), by which UVR
            knows its models; for those whose sha256 nobody publishes.
        size: bytes, None where it is not published.
        source: where it comes from; None if it lies beside the card.
    """

    role: str
    name: Annotated[str, Field(pattern=r"^[\w][\w.-]*$")]
    sha256: SHA256 | None = None
    sha256_prefix: Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")] | None = None
    tail_md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None
    size: Annotated[int, Field(gt=0)] | None = None
    source: PackageSource | WebSource | HubSource | None = None

    @model_validator(mode="after")
    def _identified(self) -> WeightFile:
        if not (self.sha256 or self.sha256_prefix or self.tail_md5):
            raise ValueError(f"{self.name}: sha256, sha256_prefix or tail_md5 is needed")
        return self

    @property
    def expected_hash(self) -> str:
        """The digits that the file's sha256 must begin with."""
        return self.sha256 or self.sha256_prefix or ""


class Transform(_Strict):
    """The short-time Fourier transform of a spectral model; see `STFTConfig`."""

    n_fft: int
    hop_samples: int
    window_samples: int | None = None
    window: Literal["hann", "hamming"] = "hann"
    edge: Literal["zeros", "reflect"] = "zeros"


class Chunks(_Strict):
    """How a song is cut, in frames (or samples without a transform); see `ChunkConfig`."""

    length: int
    context: int = 0
    overlap: int = 0
    batch: int = 1
    fixed: bool = True
    multiple: int = 1


class Wiener(_Strict):
    """The multichannel Wiener filter after the network, when none is asked for."""

    iterations: Annotated[int, Field(ge=0)] = 0
    window_frames: Annotated[int, Field(gt=0)] = 300
    eps: Annotated[float, Field(gt=0)] | None = None


class Pitch(_Strict):
    """The salience of a model that gives it; see `SalienceAxis`.

    Attributes:
        hop_samples: between frames, at the model's rate.
        f_min_hz: of bin 0.
        bins_per_octave: 60 are 20 cents each.
        bins: how many.
        threshold: of a frame's salience, from which on it is voiced.
    """

    hop_samples: Annotated[int, Field(gt=0)]
    f_min_hz: Annotated[float, Field(gt=0)]
    bins_per_octave: Annotated[int, Field(gt=0)]
    bins: Annotated[int, Field(gt=0)]
    threshold: Annotated[float, Field(ge=0, le=1)]


class Licence(_Strict):
    """Terms of the weights."""

    name: str
    commercial: bool
    note: str = ""


class Score(_Strict):
    """A published or measured figure: what, how, and who says so."""

    stem: str
    metric: str
    value: float
    protocol: str
    source: str


class Speed(_Strict):
    """A measured figure: seconds of music in a second, on what, by which command."""

    factor: Annotated[float, Field(gt=0)]
    device: str
    command: str


class Card(_Strict):
    """A model.

    Attributes:
        name: what users type.
        architecture: the module of `models.adapters` that builds it.
        parameters: that architecture's own settings.
        stems: in the order in which they are shown; none for a model that gives pitch alone.
        residual: the stem that is the mix minus the others.
        sample_rate: of the network, Hz.
        channels: audio channels of the network; 1 takes each channel of the input by itself.
        stft: of a spectral model, which gives masks; None for one that gives waveforms.
        pitch: of a model that gives salience; None for others.
        extra: of this package, that brings what the architecture needs; None if nothing is.
        half: reduced precisions in which it may run on a GPU, best first.
        mps: whether it has been run on Apple's GPU.
    """

    name: Name
    title: str
    description: str
    architecture: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    parameters: dict[str, Any] = {}
    stems: tuple[Name, ...] = ()
    residual: str | None = None
    sample_rate: Annotated[int, Field(gt=0)]
    channels: Annotated[int, Field(ge=1, le=2)]
    stft: Transform | None = None
    pitch: Pitch | None = None
    chunks: Chunks
    extra: str | None = None
    wiener: Wiener = Wiener()
    half: tuple[Literal["bf16", "fp16"], ...] = ()
    mps: bool = False
    licence: Licence
    training_data: str
    citation: str = ""
    files: tuple[WeightFile, ...] = ()
    scores: tuple[Score, ...] = ()
    speeds: tuple[Speed, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Card:
        if self.residual is not None and self.residual not in self.stems:
            raise ValueError(f"residual {self.residual!r} is none of the stems {self.stems}")
        if not self.gives:
            raise ValueError("stems: at least one is needed, or a table pitch")
        if not self.files and self.architecture != "ensemble":
            raise ValueError("files: at least one is needed")
        if len({file.name for file in self.files}) < len(self.files):
            raise ValueError("two files have one name")
        return self

    @property
    def gives(self) -> tuple[str, ...]:
        """Its stems, and "pitch" if it gives that."""
        return (*self.stems, "pitch") if self.pitch else self.stems

    def score(self, stem: str) -> float | None:
        """The best stated SDR of a stem, in dB."""
        values = [s.value for s in self.scores if s.stem == stem and s.metric == "SDR"]
        return max(values, default=None)


def read_card(path: Path) -> Card:
    """Read and check a `model.toml`.

    Raises:
        ModelError: if it cannot be read, or names the first field that is wrong.
    """
    try:
        return Card.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ModelError(f"{path}: cannot be read as a model card: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the card"
        raise ModelError(f"{path}: {field}: {first['msg']}") from error
