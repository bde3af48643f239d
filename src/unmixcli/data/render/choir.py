"""Choirs: held chords on "aah" or "ooh", sung by people who were sampled note by note.

They are voices, so they belong to the vocals. Choirs of a synthesizer (General MIDI's "Synth
Voice" and "Pad 4") are played by keys and belong to the other stem.
"""

from __future__ import annotations

import numpy as np

from unmixcli.data.render.chance import chance, pick
from unmixcli.data.render.chord_part import voicing
from unmixcli.data.render.general_midi import choir_player
from unmixcli.data.render.notes import Note
from unmixcli.data.render.plan import Plan
from unmixcli.data.render.sample_set import load_sample_set
from unmixcli.data.render.sampler import Sampler
from unmixcli.data.render.source import Source
from unmixcli.data.render.take import Length, Take

_RELEASE_S = 0.25
_MIDDLE = 62.0
_VELOCITY = 0.7
_FONT_SHARE = 0.5


def choir_part(plan: Plan, *, near: float, least_energy: float = 0.0) -> list[Note]:
    """Triads about a pitch, held from chord to chord in the voice's sections.

    Sections with less energy than `least_energy` are left out.
    """
    return [
        Note(plan.second(bar, first), beats * plan.beat_s, pitch, _VELOCITY)
        for bar, section in plan.bars_of("voice")
        if section.energy >= least_energy
        for first, beats, chord in plan.chords(bar)
        for pitch in voicing(chord, near=near, tones=3)
    ]


def has_choir(source: Source) -> bool:
    """Whether there is one to sing."""
    return bool(source.sung_samples or source.soundfonts.files)


def choir_take(
    plan: Plan,
    source: Source,
    random: np.random.Generator,
    *,
    length: Length,
    least_energy: float = 0.0,
) -> Take:
    """A choir in the voice's sections; silence where there is none to sing."""
    files = pick(random, source.sung_samples) if source.sung_samples else None
    instrument = load_sample_set(files.name, files.files) if files else None
    if instrument is None or (source.soundfonts.files and chance(random, _FONT_SHARE)):
        return _of_a_font(plan, source, random, length=length, least_energy=least_energy)
    middle = float(np.clip(_MIDDLE, instrument.lowest + 3, instrument.highest - 3))
    notes = choir_part(plan, near=middle, least_energy=least_energy)
    player = Sampler(instrument, sample_rate=length.sample_rate, release_s=_RELEASE_S)
    sound = player.play(notes, samples=length.samples)
    return Take(sound, (instrument.name,) if notes else ())


def _of_a_font(
    plan: Plan,
    source: Source,
    random: np.random.Generator,
    *,
    length: Length,
    least_energy: float,
) -> Take:
    player = choir_player(source.soundfonts, random)
    notes = choir_part(plan, near=_MIDDLE, least_energy=least_energy)
    if player is None or not notes:
        return Take(length.silence(), ())
    sound = player.play(notes, samples=length.samples, sample_rate=length.sample_rate)
    return Take(sound, (player.name,))
