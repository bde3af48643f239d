"""How fast `unmix data render` makes songs: seconds of music in a second, by stage, on one core.

The table depends on the source, so the folder is given: `--source DIR`.
"""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

from benchmarks.report import machine, markdown, parser, publish
from unmixcli.data.render import RenderSettings, Source, find_soundfonts, find_source
from unmixcli.data.render.plan import make_plan
from unmixcli.data.render.song import PLAYERS, finish_song, play_stem
from unmixcli.data.render.store import song_folder, write_song

Result = TypeVar("Result")


class Clock:
    """Seconds spent in each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def __call__(self, stage: str, work: Callable[[], Result]) -> Result:
        """The result of some work, whose time is added to its stage."""
        started = processor_s()
        result = work()
        self.seconds[stage] += processor_s() - started
        return result


def processor_s() -> float:
    """Processor time of this process and of those that it waited for, fluidsynth among them."""
    return sum(os.times()[:4])


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--source", type=Path, required=True)
    options.add_argument("--songs", type=int, default=8)
    options.add_argument("--seconds", type=float, default=60.0)
    given = options.parse_args()
    settings = RenderSettings(songs=given.songs, length_s=given.seconds)
    clock = Clock()
    source = clock("find the sounds", lambda: find_sounds(given.source, settings))
    with tempfile.TemporaryDirectory() as folder:
        for index in range(settings.songs):
            measure(clock, source, settings, index, out=Path(folder))
    publish("render", table(clock.seconds, settings), write=given.write, page="render.md")


def find_sounds(folder: Path, settings: RenderSettings) -> Source:
    """The user's sounds and the sound fonts of this machine."""
    fonts = find_soundfonts(settings.soundfonts)
    return find_source(folder, exclude=settings.exclude, soundfonts=fonts)


def measure(
    clock: Clock, source: Source, settings: RenderSettings, index: int, *, out: Path
) -> None:
    """One song, stage by stage."""
    plan = clock(
        "plan",
        lambda: make_plan(source, seed=settings.seed, index=index, length_s=settings.length_s),
    )
    takes = {
        name: clock(name, partial(play_stem, name, plan, source, settings, index=index))
        for name in PLAYERS
    }
    song = clock("mix", lambda: finish_song(plan, takes, source, settings, index=index))
    folder = song_folder(out, settings, index)
    clock("write", lambda: write_song(song, folder, source, settings))


def table(seconds: Mapping[str, float], settings: RenderSettings) -> str:
    """Markdown."""
    music = settings.songs * settings.length_s
    rows = [[name, f"{spent:.2f} s", f"{music / spent:.0f}"] for name, spent in seconds.items()]
    total = sum(seconds.values())
    rows.append(["all", f"{total:.2f} s", f"{music / total:.1f}"])
    headings = ["", "processor time", "seconds of music a second and core"]
    about = f"{settings.songs} songs of {settings.length_s:g} s, one process of {os.cpu_count()}"
    return f"{about}. {machine()}\n\n" + markdown(headings, rows)


if __name__ == "__main__":
    main()
