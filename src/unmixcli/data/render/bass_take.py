"""The bass of a song: a sampled instrument, one of a sound font, or a synthesizer."""

from __future__ import annotations

import numpy as np

from unmixcli.data.render.bass_part import bass_part
from unmixcli.data.render.chance import chance
from unmixcli.data.render.general_midi import font_player
from unmixcli.data.render.plan import Plan
from unmixcli.data.render.sample_set import load_sample_set
from unmixcli.data.render.sampler import Sampler
from unmixcli.data.render.source import Source
from unmixcli.data.render.synth import play_patch, random_bass
from unmixcli.data.render.take import Length, Take, pick_set

_RELEASE_S = 0.06


def bass_take(plan: Plan, source: Source, random: np.random.Generator, *, length: Length) -> Take:
    """The bass line as sound, in the middle of the stage."""
    notes = bass_part(plan, random)
    if not notes:
        return Take(length.silence(), ())
    bassist = font_player(plan, source.soundfonts, random, role="bass")
    if bassist is not None:
        sound = bassist.play(notes, samples=length.samples, sample_rate=length.sample_rate)
        return Take(sound, (bassist.name,))
    files = pick_set(random, source.basses)
    instrument = load_sample_set(files.name, files.files)
    if instrument is None or chance(random, 0.25):
        patch = random_bass(random)
        sound = play_patch(notes, patch, samples=length.samples, sample_rate=length.sample_rate)
        return Take(sound, ("synthesis",))
    player = Sampler(instrument, sample_rate=length.sample_rate, release_s=_RELEASE_S)
    return Take(player.play(notes, samples=length.samples), (files.name,))
