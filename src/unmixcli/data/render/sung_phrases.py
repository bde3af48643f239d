"""A lead voice out of phrases that were sung elsewhere, with doubles and harmonies at times."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmixcli.data.render.chance import chance, pick
from unmixcli.data.render.effects import placed
from unmixcli.data.render.notes import Audio, add_at
from unmixcli.data.render.phrases import Phrase, best_transposition, cut_phrases, read_voice
from unmixcli.data.render.pitch_curve import POINT_S, PitchCurve
from unmixcli.data.render.plan import Plan
from unmixcli.data.render.recordings import shifted
from unmixcli.data.render.stretch import Stretch, pitch_shifted, stretch
from unmixcli.data.render.take import Length
from unmixcli.data.render.theory import Key

_BEATS_BETWEEN = (0.5, 1.0, 1.0, 2.0, 4.0)
_LONGEST_OVERHANG_S = 0.4
_FADE_S = 0.12
_MOST_STRETCH = 0.08
_LOUD_SECTION = 0.7
_LATE_S = (0.009, 0.03)
_DOUBLE_GAIN, _HARMONY_GAIN = np.float32(0.4), np.float32(0.45)
_MOST_FRUITLESS = 8


@dataclass(frozen=True)
class _Sung:
    """A phrase as it is sung in the song, `(samples,)`, and its pitches as MIDI numbers.

    `curve` is its exact pitch from its start on, where that is known.
    """

    samples: Audio
    pitches: NDArray[np.float64]
    curve: PitchCurve | None = None


@dataclass(frozen=True)
class _Placed:
    """Where in the song a phrase begins, how many samples it has, and its exact pitch."""

    start: int
    samples: int
    curve: PitchCurve | None


@dataclass(frozen=True)
class Backing:
    """What is sung beside the lead in loud sections."""

    doubled: bool
    harmony: bool
    in_time: bool


def random_backing(random: np.random.Generator) -> Backing:
    """Doubles in a third of the songs, harmonies in a sixth."""
    return Backing(chance(random, 0.33), chance(random, 0.17), chance(random, 0.5))


def all_phrases(
    takes: Sequence[Path], random: np.random.Generator, *, sample_rate: int
) -> Iterator[Phrase]:
    """Phrases of takes in their order, again and again; it ends where reading finds none."""
    fruitless = 0
    for path in itertools.cycle(takes):
        voice = read_voice(path, random, sample_rate=sample_rate)
        phrases = cut_phrases(voice.samples, sample_rate=sample_rate, curve=voice.curve)
        yield from phrases
        # Long takes are read from a place of chance, which may be a silent one.
        fruitless = 0 if phrases else fruitless + 1
        if fruitless > _MOST_FRUITLESS:
            return


def sing_phrases(
    plan: Plan,
    phrases: Iterator[Phrase],
    backing: Backing,
    random: np.random.Generator,
    *,
    length: Length,
) -> tuple[Audio, PitchCurve | None]:
    """Phrases from beat to beat wherever the plan has a voice, `(2, samples)`, and their pitch.

    The pitch is None unless that of every phrase is annotated and nobody sings beside the lead.
    """
    track, placements = length.silence(), list[_Placed]()
    for start_s, end_s, loud in _spans(plan):
        now = start_s + plan.beat_s * pick(random, (0.0, 0.0, 1.0, 2.0))
        while now < end_s - 1.0:
            phrase = next(phrases, None)
            if phrase is None:
                return track, _pitch_of(placements, backing, length)
            sung = _fitted(phrase, plan, now, backing, length.sample_rate)
            # Where one phrase ends under the next there is no one pitch to write down.
            overhang_s = _LONGEST_OVERHANG_S if sung.curve is None else 0.0
            longest_s = end_s + overhang_s - now
            lead = _ending(sung.samples, longest_s, length.sample_rate)
            at = round(now * length.sample_rate)
            add_at(track, np.stack([lead, lead]), start=at)
            placements.append(_Placed(at, len(lead), sung.curve))
            if loud:
                beside = _Sung(lead, sung.pitches)
                more = _backing_of(beside, backing, random, plan.key, length.sample_rate)
                for sound, late in more:
                    add_at(track, sound, start=at + late)
            ended = now + len(lead) / length.sample_rate
            beats = np.ceil(ended / plan.beat_s) + pick(random, _BEATS_BETWEEN)
            now = float(beats * plan.beat_s)
    return track, _pitch_of(placements, backing, length)


def _pitch_of(placements: Sequence[_Placed], backing: Backing, length: Length) -> PitchCurve | None:
    """The pitch of the whole song in points of 5 ms, where all of it is known."""
    if not placements or backing.doubled or backing.harmony:
        return None
    points = int(np.ceil(length.samples / length.sample_rate / POINT_S))
    times_s = np.arange(points, dtype=np.float64) * POINT_S
    f0_hz = np.zeros_like(times_s)
    for placed_phrase in placements:
        if placed_phrase.curve is None:
            return None
        since_s = times_s - placed_phrase.start / length.sample_rate
        here = (since_s >= 0) & (since_s < placed_phrase.samples / length.sample_rate)
        f0_hz[here] = placed_phrase.curve.at(since_s[here])
    return PitchCurve(times_s, f0_hz)


def _spans(plan: Plan) -> Iterator[tuple[float, float, bool]]:
    """From when to when the voice is wanted, and whether the section is loud."""
    for section in plan.sections:
        if "voice" in section.players:
            start = plan.second(section.first_bar)
            end = min(plan.second(section.first_bar + section.bars), plan.length_s)
            yield start, end, section.energy >= _LOUD_SECTION


def _fitted(phrase: Phrase, plan: Plan, now: float, backing: Backing, rate: int) -> _Sung:
    """The phrase in the key at this place, and in time if asked to."""
    bar = min(int(now / plan.second(1)), len(plan.bars) - 1)
    chord = plan.bars[bar].chords[0][1]
    semitones = best_transposition(phrase.track, plan.key, chord)
    sound = shifted(phrase.samples, semitones=semitones, from_rate=rate, to_rate=rate)
    curve = phrase.curve and phrase.curve.resampled(semitones)
    if backing.in_time:
        beat = plan.beat_s * rate
        factor = max(1, round(len(sound) / beat)) * beat / len(sound)
        if abs(factor - 1.0) <= _MOST_STRETCH:
            longer = stretch(sound, factor=factor, sample_rate=rate)
            sound, curve = longer.samples, curve and _stretched_curve(curve, longer, rate)
    pitches = phrase.track.pitch[np.isfinite(phrase.track.pitch)] + semitones
    return _Sung(sound, pitches, curve)


def _stretched_curve(curve: PitchCurve, longer: Stretch, rate: int) -> PitchCurve:
    points = int(len(longer.samples) / rate / POINT_S) + 1
    times_s = np.arange(points, dtype=np.float64) * POINT_S
    return PitchCurve(times_s, curve.at(longer.origin_s(times_s)))


def _ending(sound: Audio, longest_s: float, rate: int) -> Audio:
    longest = round(longest_s * rate)
    if len(sound) <= longest:
        return sound
    cut: Audio = sound[:longest].copy()
    fade = min(round(_FADE_S * rate), longest)
    cut[-fade:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    return cut


def _backing_of(
    lead: _Sung, backing: Backing, random: np.random.Generator, key: Key, rate: int
) -> Iterator[tuple[Audio, int]]:
    """Doubles and a harmony of a phrase, `(2, samples)`, and by how many samples they are late."""
    side = float(random.uniform(0.4, 0.9))
    for place, cents in ((-side, 9.0), (side, -11.0)) if backing.doubled else ():
        # A tape's speed, so that the doubles drift as a second singer does.
        sound = shifted(lead.samples, semitones=cents / 100, from_rate=rate, to_rate=rate)
        late = round(float(random.uniform(*_LATE_S)) * rate)
        yield placed(np.stack([sound, sound]) * _DOUBLE_GAIN, place), late
    if backing.harmony:
        third = _third(key, lead.pitches)
        sound = pitch_shifted(lead.samples, semitones=third, sample_rate=rate)
        late = round(_LATE_S[0] * rate)
        yield placed(np.stack([sound, sound]) * _HARMONY_GAIN, -side), late


def _third(key: Key, pitches: NDArray[np.float64]) -> float:
    """A minor or a major third upwards, whichever stays in the key more often."""

    def inside(step: int) -> int:
        return int(np.isin(np.round(pitches + step).astype(int) % 12, key.scale).sum())

    return float(max((3, 4), key=inside))
