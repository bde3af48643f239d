"""The voice of a song: phrases sung by people, a voice bank, a choir, sampled or synthetic ones."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from unmixcli.data.render.chance import chance, pick, pick_weighted
from unmixcli.data.render.choir import choir_take, has_choir
from unmixcli.data.render.melody_part import melody_part
from unmixcli.data.render.notes import Note
from unmixcli.data.render.pitch_curve import POINT_S, PitchCurve, pitch_file
from unmixcli.data.render.plan import Plan
from unmixcli.data.render.sample_set import load_sample_set
from unmixcli.data.render.sampler import Sampler
from unmixcli.data.render.source import Source
from unmixcli.data.render.sung_phrases import all_phrases, random_backing, sing_phrases
from unmixcli.data.render.syllables import is_bank, sing_syllables, syllables_of
from unmixcli.data.render.synth_voice import random_singer, sing
from unmixcli.data.render.take import Length, Take, at_level, pick_set

_KINDS = (("phrases", 0.71), ("synthetic", 0.14), ("sampled", 0.11), ("choir", 0.04))
_LOW_VOICE, _HIGH_VOICE = 52.0, 68.0
_CHOIR_SHARE = 0.15
_CHOIR_ENERGY = 0.8
_BANK_PHRASES = 60
# A singer of whom there is more than this comes no more often: many voices teach more than one.
_MOST_TAKES = 12


def vocal_take(plan: Plan, source: Source, random: np.random.Generator, *, length: Length) -> Take:
    """The voices as sound; with the pitch where one voice is all there is and it is known."""
    if not any(plan.bars_of("voice")):
        return _nobody(length)
    possible = {
        "phrases": bool(source.singers),
        "synthetic": True,
        "sampled": bool(source.sung_samples),
        "choir": has_choir(source),
    }
    kind = pick_weighted(random, [(name, weight) for name, weight in _KINDS if possible[name]])
    if kind == "synthetic":
        return _synthetic(plan, random, length=length)
    if kind == "sampled":
        return _sampled(plan, source, random, length=length)
    if kind == "choir":
        alone = choir_take(plan, source, random, length=length)
        return alone if np.any(alone.sound) else _synthetic(plan, random, length=length)
    return _with_choir(_sung(plan, source, random, length=length), plan, source, random, length)


def _nobody(length: Length) -> Take:
    """No voice, which is known exactly."""
    times_s = np.arange(0.0, length.samples / length.sample_rate, POINT_S)
    return Take(length.silence(), (), PitchCurve(times_s, np.zeros_like(times_s)))


def _synthetic(plan: Plan, random: np.random.Generator, *, length: Length) -> Take:
    notes = _melody(plan, random)
    if not notes:
        return _nobody(length)
    voice, curve = sing(
        [_articulated(note, random) for note in notes],
        random_singer(random),
        random,
        samples=length.samples,
        sample_rate=length.sample_rate,
    )
    return Take(np.stack([voice, voice]), ("synthesis",), curve)


def _articulated(note: Note, random: np.random.Generator) -> Note:
    """The note, cut short at times, as where a word ends or breath is taken."""
    share = float(random.uniform(0.65, 0.9)) if chance(random, 0.3) else 1.0
    return Note(note.start_s, note.length_s * share, note.pitch, note.velocity)


def _sampled(plan: Plan, source: Source, random: np.random.Generator, *, length: Length) -> Take:
    files = pick(random, source.sung_samples)
    instrument = load_sample_set(files.name, files.files)
    if instrument is None:
        return _synthetic(plan, random, length=length)
    near = float(np.clip(66.0, instrument.lowest + 5, instrument.highest - 5))
    notes = melody_part(plan, random, player="voice", near=near)
    player = Sampler(instrument, sample_rate=length.sample_rate, release_s=0.12)
    return Take(player.play(notes, samples=length.samples), (files.name,))


def _sung(plan: Plan, source: Source, random: np.random.Generator, *, length: Length) -> Take:
    files = pick_set(random, source.singers, most=_MOST_TAKES)
    takes = [files.files[int(at)] for at in random.permutation(len(files.files))]
    phrases = all_phrases(takes, random, sample_rate=length.sample_rate)
    first = list(itertools.islice(phrases, 4))
    if is_bank(first):
        bank = syllables_of(
            [*first, *itertools.islice(phrases, _BANK_PHRASES)], sample_rate=length.sample_rate
        )
        notes = _melody(plan, random)
        if bank and notes:
            voice = sing_syllables(
                notes, bank, random, samples=length.samples, sample_rate=length.sample_rate
            )
            return Take(np.stack([voice, voice]), (files.name,))
    backing = random_backing(random)
    if all(pitch_file(path).is_file() for path in files.files):
        # Nobody beside a voice whose pitch is known: pitch of one voice is what is annotated.
        backing = replace(backing, doubled=False, harmony=False)
    sound, pitch = sing_phrases(
        plan, itertools.chain(first, phrases), backing, random, length=length
    )
    return Take(sound, (files.name,), pitch)


def _melody(plan: Plan, random: np.random.Generator) -> list[Note]:
    near = float(random.uniform(_LOW_VOICE, _HIGH_VOICE))
    return melody_part(plan, random, player="voice", near=near)


def _with_choir(
    take: Take, plan: Plan, source: Source, random: np.random.Generator, length: Length
) -> Take:
    """The take with a choir under loud sections, at times."""
    wanted = chance(random, _CHOIR_SHARE) and take.pitch is None and np.any(take.sound)
    if not wanted or not has_choir(source):
        return take
    choir = choir_take(plan, source, random, length=length, least_energy=_CHOIR_ENERGY)
    if not np.any(choir.sound):
        return take
    sound = at_level(take.sound, 0.1) + at_level(choir.sound, 0.03)
    return Take(sound, tuple(dict.fromkeys((*take.sources, *choir.sources))))
