"""The voice of a song: phrases sung by people, a voice bank, sampled or synthetic singers."""

from __future__ import annotations

import itertools

import numpy as np

from unmixcli.data.render.chance import chance, pick, pick_weighted
from unmixcli.data.render.chord_part import voicing
from unmixcli.data.render.melody_part import melody_part
from unmixcli.data.render.notes import Audio, Note
from unmixcli.data.render.plan import Plan
from unmixcli.data.render.sample_set import load_sample_set
from unmixcli.data.render.sampler import Sampler
from unmixcli.data.render.source import Source
from unmixcli.data.render.sung_phrases import all_phrases, random_backing, sing_phrases
from unmixcli.data.render.syllables import is_bank, sing_syllables, syllables_of
from unmixcli.data.render.synth_voice import random_singer, sing
from unmixcli.data.render.take import Length, Take, at_level, pick_set

_KINDS = (("phrases", 0.74), ("synthetic", 0.14), ("sampled", 0.12))
_LOW_VOICE, _HIGH_VOICE = 52.0, 68.0
_CHOIR_SHARE = 0.15
_CHOIR_RELEASE_S = 0.25
_BANK_PHRASES = 60
# A singer of whom there is more than this comes no more often: many voices teach more than one.
_MOST_TAKES = 12


def vocal_take(plan: Plan, source: Source, random: np.random.Generator, *, length: Length) -> Take:
    """The voices as sound; with the pitch where one synthetic singer is all there is."""
    if not any(plan.bars_of("voice")):
        return Take(length.silence(), ())
    kinds = [
        (kind, weight)
        for kind, weight in _KINDS
        if (kind != "phrases" or source.singers) and (kind != "sampled" or source.sung_samples)
    ]
    kind = pick_weighted(random, kinds)
    if kind == "synthetic":
        return _synthetic(plan, random, length=length)
    if kind == "sampled":
        return _sampled(plan, source, random, length=length)
    return _with_choir(_sung(plan, source, random, length=length), plan, source, random, length)


def _synthetic(plan: Plan, random: np.random.Generator, *, length: Length) -> Take:
    notes = _melody(plan, random)
    if not notes:
        return Take(length.silence(), ())
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
    sound = sing_phrases(
        plan,
        itertools.chain(first, phrases),
        random_backing(random),
        random,
        length=length,
    )
    return Take(sound, (files.name,))


def _melody(plan: Plan, random: np.random.Generator) -> list[Note]:
    near = float(random.uniform(_LOW_VOICE, _HIGH_VOICE))
    return melody_part(plan, random, player="voice", near=near)


def _with_choir(
    take: Take, plan: Plan, source: Source, random: np.random.Generator, length: Length
) -> Take:
    """The take with held chords of sampled singers under loud sections, at times."""
    if not source.sung_samples or not chance(random, _CHOIR_SHARE) or not np.any(take.sound):
        return take
    files = pick(random, source.sung_samples)
    instrument = load_sample_set(files.name, files.files)
    if instrument is None:
        return take
    middle = float(np.clip(62.0, instrument.lowest + 3, instrument.highest - 3))
    notes = [
        Note(plan.second(bar, first), beats * plan.beat_s, pitch, 0.7)
        for bar, section in plan.bars_of("voice")
        if section.energy >= 0.8
        for first, beats, chord in plan.chords(bar)
        for pitch in voicing(chord, near=middle, tones=3)
    ]
    player = Sampler(instrument, sample_rate=length.sample_rate, release_s=_CHOIR_RELEASE_S)
    choir: Audio = player.play(notes, samples=length.samples)
    if not np.any(choir):
        return take
    sound = at_level(take.sound, 0.1) + at_level(choir, 0.03)
    return Take(sound, tuple(dict.fromkeys((*take.sources, files.name))))
