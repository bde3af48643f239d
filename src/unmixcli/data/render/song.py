"""One song, from its number to stems."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from unmixcli.data.render.bass_take import bass_take
from unmixcli.data.render.chance import generator
from unmixcli.data.render.drum_take import drum_take
from unmixcli.data.render.mixing import mix_stems
from unmixcli.data.render.notes import Audio
from unmixcli.data.render.other_take import other_take
from unmixcli.data.render.pitch_curve import PitchCurve
from unmixcli.data.render.plan import Plan, make_plan
from unmixcli.data.render.settings import RenderSettings
from unmixcli.data.render.source import Source
from unmixcli.data.render.take import Length, Take
from unmixcli.data.render.vocal_take import vocal_take


@dataclass(frozen=True)
class Song:
    """A finished song.

    Attributes:
        stems: `(2, samples)` by name; their sum is the mix.
        plan: what was played.
        sources: what each stem, and the room, was made with.
        pitch: of the voice, where it is exactly known.
    """

    stems: dict[str, Audio]
    plan: Plan
    sources: dict[str, tuple[str, ...]]
    pitch: PitchCurve | None


def render_song(source: Source, settings: RenderSettings, index: int) -> Song:
    """Song `index` of a set; it follows from source, settings and number alone."""
    plan = make_plan(
        source,
        seed=settings.seed,
        index=index,
        length_s=settings.length_s,
        instrumentals=settings.instrumentals,
    )
    takes = {name: play_stem(name, plan, source, settings, index=index) for name in PLAYERS}
    return finish_song(plan, takes, source, settings, index=index)


def play_stem(
    name: str, plan: Plan, source: Source, settings: RenderSettings, *, index: int
) -> Take:
    """One stem before the mix."""
    length = Length(settings.samples, settings.sample_rate)
    random = generator(settings.seed, "song", index, name)
    return PLAYERS[name](plan, source, random, length=length)


def finish_song(
    plan: Plan,
    takes: dict[str, Take],
    source: Source,
    settings: RenderSettings,
    *,
    index: int,
) -> Song:
    """The mix of all takes."""
    random = generator(settings.seed, "song", index, "mix")
    sounds = {name: take.sound for name, take in takes.items()}
    stems, room = mix_stems(sounds, source, random, sample_rate=settings.sample_rate)
    sources = {name: take.sources for name, take in takes.items()}
    return Song(stems, plan, {**sources, "room": (room,)}, takes["vocals"].pitch)


PLAYERS: dict[str, Callable[..., Take]] = {
    "vocals": vocal_take,
    "drums": drum_take,
    "bass": bass_take,
    "other": other_take,
}
