"""Salience from an HCQT as a stream: frames, blocks, and the reference of the whole track."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor, nn

from unmixcli.audio.resample import resample
from unmixcli.dsp.chunks import ChunkConfig
from unmixcli.dsp.hcqt import HCQTConfig, decibels, hcqt
from unmixcli.dsp.salience import SalienceAxis
from unmixcli.models.catalogue import find_model
from unmixcli.models.salience import SalienceModel, SalienceSettings
from unmixcli.models.weights import cached_path
from unmixcli.pitch.hcqt_stream import HCQTSalienceStream, referenced
from unmixcli.pitch.load import load_stream

CONFIG = HCQTConfig(
    axis=SalienceAxis(f_min_hz=300.0, bins_per_octave=36, bins=72), harmonics=(1.0, 2.0)
)


class Neighbours(SalienceModel):
    """The mean over harmonics, and over a frame's neighbours."""

    def __init__(self) -> None:
        super().__init__()
        self.settings = SalienceSettings(
            hcqt=CONFIG, chunks=ChunkConfig(length=20, context=2, fixed=False), threshold=0.4
        )
        self.weight = nn.Parameter(torch.full((1, 1, 3), 1 / 3), requires_grad=False)

    def salience(self, features: Tensor) -> Tensor:
        mean = features.mean(1)
        rows = mean.flatten(0, 1).unsqueeze(1)
        return nn.functional.conv1d(rows, self.weight, padding=1).reshape(mean.shape)


def music(samples: int, channels: int = 2) -> Tensor:
    """A tone in noise that grows, so that the loudest place is the end."""
    noise = 0.1 * torch.randn(channels, samples, generator=torch.Generator().manual_seed(0))
    tone = torch.sin(2 * torch.pi * 700 * torch.arange(samples) / 22050)
    return (noise + tone) * torch.linspace(0.01, 1, samples)


def run(stream: HCQTSalienceStream, track: Tensor, block: int) -> Tensor:
    pieces = [stream.push(part) for part in track.split(block, dim=-1)]
    return torch.cat((*pieces, stream.finish()), dim=-1)


@pytest.mark.parametrize("samples", [1, 255, 256, 5000, 60000])
@pytest.mark.parametrize("known", [False, True])
def test_blocks_make_no_difference(samples: int, known: bool) -> None:
    track = music(samples)
    stream = HCQTSalienceStream(Neighbours())
    if known:
        stream = stream.referenced([track])
    whole = run(stream, track, samples)
    assert whole.shape == (72, 1 + samples // 256)
    for block in (1000, 4096):
        stream.reset()
        assert torch.equal(run(stream, track, block), whole)


def test_with_the_reference_it_is_the_model_on_the_whole_track() -> None:
    track = music(60000)
    model = Neighbours()
    magnitudes = hcqt(track.mean(0), config=CONFIG)
    features = decibels(magnitudes, reference=float(magnitudes.max()))
    expected = model.salience(features[None])[0]
    # The first pass sees other blocks than the second.
    stream = HCQTSalienceStream(model).referenced(track.split(7000, dim=-1))
    torch.testing.assert_close(run(stream, track, 3333), expected, atol=1e-6, rtol=0)
    # Given by hand it is the same, and stays after a reset.
    given = HCQTSalienceStream(model, reference=float(magnitudes.max()))
    run(given, music(3000), 3000)
    for again in (given, stream):
        again.reset()
    assert torch.equal(run(given, track, 60000), run(stream, track, 60000))


def test_without_it_the_end_alone_is_the_same() -> None:
    track = music(60000)
    blind = run(HCQTSalienceStream(Neighbours()), track, 5000)
    seeing = run(HCQTSalienceStream(Neighbours()).referenced([track]), track, 5000)
    assert (blind[:, :50] > seeing[:, :50]).any()
    assert torch.equal(blind[:, -10:], seeing[:, -10:])


def test_silence_and_nothing() -> None:
    stream = HCQTSalienceStream(Neighbours())
    assert not run(stream, torch.zeros(1, 9000), 9000).any()
    stream.reset()
    assert stream.finish().shape == (72, 0)
    assert HCQTSalienceStream(Neighbours()).referenced([]).finish().shape == (72, 0)


def test_other_streams_need_no_first_pass() -> None:
    class Other:
        axis = CONFIG.axis
        sample_rate = 22050
        hop_samples = 256

        def reset(self) -> None: ...

        def push(self, block: Tensor) -> Tensor:
            return block

        def finish(self) -> Tensor:
            return torch.zeros(0)

    def blocks() -> Iterator[Tensor]:
        pytest.fail("the track was read")
        yield torch.zeros(0)

    other = Other()
    assert referenced(other, blocks()) is other
    stream = HCQTSalienceStream(Neighbours())
    assert referenced(stream, [music(3000)]) is not stream


def shared() -> Path | None:
    named = os.environ.get("UNMIX_SHARED")
    root = Path(named) if named else Path(__file__).resolve().parents[2].parent / "shared"
    return root if (root / "weights" / "deepsalience").is_dir() else None


@pytest.mark.real_weights
def test_a_sung_phrase_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """vocadito's hand-corrected f0, its first phrases, within half a semitone."""
    root = shared()
    if root is None:
        pytest.skip("no weights: set UNMIX_SHARED to the folder that holds weights/deepsalience")
    monkeypatch.setenv("UNMIX_CACHE", str(tmp_path))
    card = find_model("deep-salience-vocal").card
    path = cached_path(card, card.files[0])
    path.parent.mkdir(parents=True)
    shutil.copy(root / "weights" / "deepsalience" / path.name, path)
    folder = root / "audio" / "eval" / "singing" / "vocadito_1"
    audio, rate = soundfile.read(folder / "vocadito_1.flac", dtype="float32", frames=5 * 44100)
    voice = torch.from_numpy(resample(audio[None], from_rate=rate, to_rate=22050))
    stream = load_stream("deep-salience-vocal", device=torch.device("cpu"))
    stream = referenced(stream, [voice])
    salience = torch.cat((stream.push(voice), stream.finish()), dim=-1)
    truth = np.loadtxt(folder / "vocadito_1_f0.csv", delimiter=",")
    times = np.arange(salience.shape[1]) * 256 / 22050
    f0 = truth[np.abs(truth[:, 0] - times[:, None]).argmin(axis=1), 1]
    voiced = f0 > 0
    assert voiced.sum() > 100
    found = stream.axis.frequencies[salience.argmax(dim=0).numpy()]
    cents = 1200 * np.log2(found[voiced] / f0[voiced])
    assert np.mean(np.abs(cents) < 50) > 0.8
    assert float(salience.max(dim=0).values[voiced].median()) > 0.5
