"""A track in blocks to pitch in steps."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from models_for_tests import ConstantMasks, engine, settings
from pitch.ridges_for_tests import AXIS, KnownSalience, cents, ridge
from unmixcli.pitch.decode import PeakDecoder, PitchRange
from unmixcli.pitch.f0 import join_lines
from unmixcli.pitch.finder import Found, PitchFinder, SalienceMethod, TrackerMethod
from unmixcli.pitch.steps import step_count
from unmixcli.pitch.trackers import TrackerOptions, open_tracker
from unmixcli.pitch.viterbi import ViterbiDecoder
from unmixcli.pitch.voices import VoicesDecoder
from unmixcli.separation.stems import Request

STEP = Fraction(1, 100)


def glide(times: np.ndarray) -> np.ndarray:
    return 220 * 2 ** (0.5 * times)


def noise(samples: int, channels: int = 2) -> np.ndarray:
    random = np.random.default_rng(samples)
    return random.uniform(-0.25, 0.25, (channels, samples)).astype(np.float32)


def salience_method(**given: object) -> SalienceMethod:
    stream = KnownSalience(lambda times: ridge(glide(times)))
    return SalienceMethod(stream, decoder=PeakDecoder(AXIS, within=PitchRange()), **given)


def finder(method: object, rate: int = 44100, channels: int = 2, **given: object) -> PitchFinder:
    return PitchFinder(method, step_s=STEP, sample_rate=rate, channels=channels, **given)


def found(finder: PitchFinder, track: np.ndarray, block: int | None = None) -> list[Found]:
    block = block or track.shape[1]
    parts = [finder.push(track[:, k : k + block]) for k in range(0, track.shape[1], block)]
    return [*parts, finder.finish()]


def f0_of(parts: list[Found]) -> np.ndarray:
    return join_lines([part.f0 for part in parts]).f0_hz


def stem_of(parts: list[Found]) -> np.ndarray:
    return np.concatenate([part.stem for part in parts if part.stem is not None], axis=1)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
@pytest.mark.parametrize("samples", [1, 100, 12345, 50000])
def test_steps_of_a_track(rate: int, samples: int) -> None:
    lines = f0_of(found(finder(salience_method(), rate), noise(samples)))
    count = step_count(samples, sample_rate=rate, step_s=STEP)
    assert lines.shape == (1, count)
    # Behind the last frame there is nothing to glide to.
    known = max(0, count - 2)
    true = glide(np.arange(count) * 0.01)
    assert np.abs(cents(lines[0, :known], true[:known])).max(initial=0) < 5


def test_no_samples_have_no_steps() -> None:
    assert f0_of([finder(salience_method()).finish()]).shape == (1, 0)


@pytest.mark.parametrize("block", [1009, 65536])
@pytest.mark.parametrize("viterbi", [False, True])
def test_blocks_of_any_length_give_the_same(block: int, viterbi: bool) -> None:
    def method() -> SalienceMethod:
        kind = ViterbiDecoder if viterbi else PeakDecoder
        return SalienceMethod(
            KnownSalience(lambda times: ridge(glide(times))),
            decoder=kind(AXIS, within=PitchRange()),
            voices=VoicesDecoder(AXIS, within=PitchRange()),
            stem=0,
        )

    track = noise(100_000)
    whole, parts = found(finder(method()), track), found(finder(method()), track, block)
    assert np.array_equal(f0_of(whole), f0_of(parts))
    assert f0_of(whole).all()
    assert np.array_equal(stem_of(whole), stem_of(parts))
    salience = [np.concatenate([part.salience for part in x], axis=1) for x in (whole, parts)]
    assert np.array_equal(*salience)
    voices = [join_lines([part.voices for part in x]).f0_hz for x in (whole, parts)]
    assert np.array_equal(*voices)
    assert np.array_equal(voices[0][0], f0_of(whole)[0])


BLINKS = ((10, 11), (30, 33), (50, 54), (70, 90))


def blinking(times: np.ndarray) -> np.ndarray:
    """Pitch for 1 frame, then 3, 4 and 20, with rests between them."""
    frames = np.rint(times * 22050 / 256)
    sung = sum((first <= frames) & (frames < last) for first, last in BLINKS)
    return ridge(220.0 * sung)


@pytest.mark.parametrize("block", [25, 1009, 65536])
def test_runs_too_short_to_be_sung_are_unvoiced(block: int) -> None:
    """40 ms are 3.4 frames; several voices keep what there is."""
    method = SalienceMethod(
        KnownSalience(blinking),
        decoder=PeakDecoder(AXIS, within=PitchRange()),
        voices=VoicesDecoder(AXIS, within=PitchRange()),
    )
    stream = PitchFinder(method, step_s=Fraction(256, 22050), sample_rate=22050, channels=2)
    parts = found(stream, np.zeros((2, 100 * 256), np.float32), block)
    voiced = np.flatnonzero(f0_of(parts)[0])
    assert voiced.tolist() == [*range(50, 54), *range(70, 90)]
    every = join_lines([part.voices for part in parts]).f0_hz.any(axis=0)
    assert np.flatnonzero(every).tolist() == [k for low, high in BLINKS for k in range(low, high)]


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_stem_of_the_model_has_the_length_of_the_track(rate: int) -> None:
    times = np.arange(30_001) / rate
    track = np.tile(np.sin(2 * np.pi * 440 * times), (2, 1)).astype(np.float32)
    parts = found(finder(salience_method(stem=0), rate), track, 7000)
    stem = stem_of(parts)
    assert stem.shape == track.shape
    # Half the track, but for the ends of two resamplings.
    np.testing.assert_allclose(stem[:, 500:-500], 0.5 * track[:, 500:-500], atol=1e-3)


@pytest.mark.parametrize("block", [1009, 44100])
def test_tracker_hears_the_separated_stem(block: int) -> None:
    """Vocals are 0.8 of the track, by masks that say so."""
    times = np.arange(44100) / 44100
    tone = sum(np.sin(2 * np.pi * 220 * k * times) / k for k in range(1, 5))
    track = np.tile(0.2 * tone, (2, 1)).astype(np.float32)

    def heard(block: int | None = None) -> list[Found]:
        separator = engine(
            ConstantMasks(settings(), (0.8, 0.2)), request=Request(stems=("vocals",))
        )
        method = TrackerMethod(open_tracker("swiftf0", TrackerOptions()))
        return found(finder(method, engine=separator), track, block)

    parts = heard(block)
    stem = stem_of(parts)
    np.testing.assert_allclose(stem, 0.8 * track, atol=1e-5)
    lines = f0_of(parts)
    assert lines.shape == (1, 101)
    assert np.abs(cents(lines[0, 10:90], 220.0)).max() < 20
    assert np.array_equal(lines, f0_of(heard()))


def test_nothing_is_changed() -> None:
    track = noise(50_000)
    before = track.copy()
    found(finder(salience_method()), track)
    assert np.array_equal(track, before)


def test_memory_does_not_grow_with_the_track() -> None:
    stream = finder(salience_method())
    held = []
    for _ in range(30):
        stream.push(noise(44100))
        held.append(stream._steps._kept.frames)
    assert max(held[10:]) <= max(held[:10]) < 100
