"""Salience and stems as one stream: equal for all blocks, as many frames as were promised."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pitch_models_for_tests import pitch_model
from unmixcli.errors import UsageError
from unmixcli.pitch.joint import JointStream
from unmixcli.separation.spectral import SpectralSeparator

HOP = 64


@pytest.fixture(scope="module")
def stream() -> JointStream:
    return JointStream(pitch_model())


def noise(samples: int, channels: int = 2) -> Tensor:
    return torch.rand(channels, samples, generator=torch.Generator().manual_seed(samples)) - 0.5


def both(stream: JointStream, track: Tensor, block: int) -> tuple[Tensor, Tensor]:
    stream.reset()
    parts = [stream.push_both(piece) for piece in track.split(block, dim=-1)]
    parts.append(stream.finish_both())
    stems, salience = zip(*parts, strict=True)
    return torch.cat(stems, dim=-1), torch.cat(salience, dim=-1)


def salience_of(stream: JointStream, track: Tensor, block: int) -> Tensor:
    stream.reset()
    parts = [stream.push(piece) for piece in track.split(block, dim=-1)]
    return torch.cat([*parts, stream.finish()], dim=-1)


@pytest.mark.parametrize("block", [1000, 4096, 333])
def test_blocks_of_any_length_give_the_same(stream: JointStream, block: int) -> None:
    track = noise(9000)
    for whole, parts in zip(both(stream, track, 9000), both(stream, track, block), strict=True):
        assert torch.equal(whole, parts)
    assert torch.equal(salience_of(stream, track, 9000), salience_of(stream, track, block))


@pytest.mark.parametrize("samples", [1, 63, 64, 65, 1984, 1985, 5000])
def test_frames_and_samples_are_as_many_as_promised(stream: JointStream, samples: int) -> None:
    stems, salience = both(stream, noise(samples), 1000)
    assert stems.shape == (2, 2, samples)
    assert salience.shape == (48, 1 + samples // HOP)
    assert ((salience >= 0) & (salience <= 1)).all()
    assert salience_of(stream, noise(samples), 1000).shape == salience.shape


def test_a_track_without_samples(stream: JointStream) -> None:
    stream.reset()
    assert stream.finish().shape == (48, 0)
    stream.reset()
    stems, salience = stream.finish_both()
    assert stems.shape[-1] == salience.shape[-1] == 0


def test_stems_are_those_of_the_separator(stream: JointStream) -> None:
    track = noise(6000)
    separator = SpectralSeparator(pitch_model(), stems=stream.stems)
    wanted = torch.cat((separator.push(track), separator.finish()), dim=-1)
    stems, _ = both(stream, track, 6000)
    torch.testing.assert_close(stems, wanted, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(stems.sum(0), track, atol=1e-6, rtol=1e-5)


def test_salience_is_that_of_the_mean_of_the_channels(stream: JointStream) -> None:
    track = noise(6000)
    mono = track.mean(0, keepdim=True)
    _, beside = both(stream, track, 6000)
    torch.testing.assert_close(beside, salience_of(stream, track, 6000), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(beside, salience_of(stream, mono, 6000), atol=1e-5, rtol=1e-4)
    _, left = both(stream, track[:1], 6000)
    assert not torch.allclose(beside, left, atol=1e-4)


def test_memory_does_not_grow_with_the_track(stream: JointStream) -> None:
    stream.reset()
    held = []
    for _ in range(20):
        stream.push_both(noise(8000))
        held.append(sum(piece.numel() for piece in stream._chunks._pieces))
    assert max(held[5:]) <= max(held[:5])


def test_ways_are_not_mixed(stream: JointStream) -> None:
    stream.reset()
    stream.push(noise(1000))
    with pytest.raises(ValueError, match="not through both"):
        stream.finish_both()
    stream.reset()


@pytest.mark.parametrize("wiring", ["source", "oracle-vocals"])
def test_models_that_find_no_pitch_are_refused(wiring: str) -> None:
    with pytest.raises(UsageError, match="finds no pitch in a mix"):
        JointStream(pitch_model(wiring=wiring))
