"""Everything beside voice, drums and bass: comping, a pad, an instrument that plays the tune."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from unmixcli.data.render.chance import chance
from unmixcli.data.render.chord_part import comping_part, pad_part
from unmixcli.data.render.effects import placed, saturated, tilted
from unmixcli.data.render.general_midi import font_player
from unmixcli.data.render.melody_part import melody_part
from unmixcli.data.render.notes import Audio, Note
from unmixcli.data.render.plan import Plan
from unmixcli.data.render.sample_set import SampleSet, load_sample_set
from unmixcli.data.render.sampler import Sampler
from unmixcli.data.render.soundfonts import FontPlayer
from unmixcli.data.render.source import Source
from unmixcli.data.render.synth import Patch, play_patch, random_keys, random_pad
from unmixcli.data.render.take import SYNTHESIS, Length, Take, at_level, pick_set

# Each player's level against the comping, dB.
_LEVELS_DB = {"chords": 0.0, "pad": -4.0, "lead": 0.0}
_Player: TypeAlias = SampleSet | Patch | FontPlayer


def other_take(plan: Plan, source: Source, random: np.random.Generator, *, length: Length) -> Take:
    """The accompaniment as sound, its players side by side."""
    players = {
        "chords": _comping(plan, source, random, length=length),
        "pad": _pad(plan, source, random, length=length),
        "lead": _lead(plan, source, random, length=length),
    }
    total, sources = length.silence(), list[str]()
    for player, (sound, names) in players.items():
        if np.any(sound):
            level = 0.1 * 10 ** ((_LEVELS_DB[player] + float(random.uniform(-3, 3))) / 20)
            total += at_level(sound, level)
            sources += names
    return Take(total, tuple(dict.fromkeys(sources)))


def _comping(
    plan: Plan, source: Source, random: np.random.Generator, *, length: Length
) -> tuple[Audio, tuple[str, ...]]:
    near = float(random.uniform(54, 64))
    notes = comping_part(plan, random, near=near)
    player = _player(plan, source, random, role="chords", around=near)
    # A second player with another rhythm, on the other side, makes up many songs.
    place = float(random.uniform(-0.6, 0.6))
    sound = _play(notes, player, length=length)
    # Overdrive on top of a font's overdriven guitar would be noise.
    driven = chance(random, 0.25) and not isinstance(player, FontPlayer)
    sound = _amplified(sound, random, length) if driven else sound
    total, names = placed(sound, place), [_name(player)]
    if chance(random, 0.4):
        second = font_player(plan, source.soundfonts, random, role="chords")
        beside = second or random_keys(random)
        more = _play(comping_part(plan, random, near=near + 7), beside, length=length)
        level = 0.06 * float(random.uniform(0.4, 1.0))
        total = at_level(total, 0.1) + at_level(placed(more, -place), level)
        names.append(_name(beside))
    return total, tuple(names)


def _amplified(sound: Audio, random: np.random.Generator, length: Length) -> Audio:
    """The sound through a guitar amplifier: overdriven, without the lowest and the highest."""
    bright = tilted(sound, low_db=-9.0, high_db=2.0, sample_rate=length.sample_rate)
    hot = saturated(bright, drive=float(random.uniform(4.0, 25.0)))
    return tilted(hot, low_db=3.0, high_db=-12.0, sample_rate=length.sample_rate)


def _pad(
    plan: Plan, source: Source, random: np.random.Generator, *, length: Length
) -> tuple[Audio, tuple[str, ...]]:
    if chance(random, 0.35):
        return length.silence(), ()
    notes = pad_part(plan, near=float(random.uniform(55, 67)))
    player = font_player(plan, source.soundfonts, random, role="pad") or random_pad(random)
    return _play(notes, player, length=length), (_name(player),)


def _lead(
    plan: Plan, source: Source, random: np.random.Generator, *, length: Length
) -> tuple[Audio, tuple[str, ...]]:
    near = float(random.uniform(60, 72))
    notes = melody_part(plan, random, player="lead", near=near)
    player = _player(plan, source, random, role="lead", around=near)
    sound = _play(notes, player, length=length)
    return placed(sound, float(random.uniform(-0.4, 0.4))), (_name(player),)


def _player(
    plan: Plan, source: Source, random: np.random.Generator, *, role: str, around: float
) -> _Player:
    """A sound font's, a sampled instrument, or a synthesizer."""
    return (
        font_player(plan, source.soundfonts, random, role=role)
        or _instrument(source, random, around=around)
        or random_keys(random)
    )


def _instrument(source: Source, random: np.random.Generator, *, around: float) -> SampleSet | None:
    """A sampled instrument that has the octave about a pitch; None for a synthesizer."""
    if not source.others or chance(random, 0.25):
        return None
    files = pick_set(random, source.others)
    found = load_sample_set(files.name, files.files)
    if found is None or found.lowest > around - 3 or found.highest < around + 3:
        return None
    return found


def _play(notes: Sequence[Note], player: _Player, *, length: Length) -> Audio:
    samples, rate = length.samples, length.sample_rate
    if isinstance(player, Patch):
        return play_patch(notes, player, samples=samples, sample_rate=rate)
    if isinstance(player, FontPlayer):
        return player.play(notes, samples=samples, sample_rate=rate)
    return Sampler(player, sample_rate=rate).play(notes, samples=samples)


def _name(player: _Player) -> str:
    return SYNTHESIS if isinstance(player, Patch) else player.name
