"""The drums of a song: a sampled kit, or pieces made by synthesis."""

from __future__ import annotations

import numpy as np

from unmixcli.data.render.chance import chance
from unmixcli.data.render.drum_part import drum_part
from unmixcli.data.render.kit import Kit
from unmixcli.data.render.plan import Plan
from unmixcli.data.render.source import Source
from unmixcli.data.render.synth_kit import synth_kit
from unmixcli.data.render.take import Length, Take, pick_set


def drum_take(plan: Plan, source: Source, random: np.random.Generator, *, length: Length) -> Take:
    """The drummer's part as sound."""
    hits = drum_part(plan, random)
    semitones = float(random.uniform(-1.5, 1.5))
    if chance(random, 0.12):
        kit, name = synth_kit(random, sample_rate=length.sample_rate), "synthesis"
    else:
        files = pick_set(random, source.kits)
        kit = Kit.of_files(files.files, sample_rate=length.sample_rate, semitones=semitones)
        name = files.name
    return Take(kit.play(hits, samples=length.samples), (name,) if hits else ())
