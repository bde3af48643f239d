"""What `unmix data render` does with its options."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from unmixcli.data.render import RenderSettings, SongDone, render_songs
from unmixcli.errors import UsageError


@dataclass(frozen=True)
class Arguments:
    """The options of the command, by their names there."""

    source: Path
    out: Path
    songs: int
    seconds: float
    seed: int
    instrumentals: float
    jobs: int
    exclude: list[str] | None
    soundfont: list[str] | None


class _Lines:
    """A line a song."""

    def __init__(self, songs: int) -> None:
        self._songs = songs
        self._done = 0

    def __call__(self, song: SongDone) -> None:
        self._done += 1
        count = f"{self._done}/{self._songs}"
        if song.error is not None:
            print(f"{count} {song.folder.name}: failed: {song.error}", file=sys.stderr, flush=True)
            return
        print(f"{count} {song.folder}{' (kept)' if song.kept else ''}", flush=True)


def _check_exclusions(arguments: Arguments) -> None:
    """Refuse names that mean nothing: what was to be left out would be in the songs."""
    folders = [f"/{path.as_posix()}" for path in arguments.source.rglob("*") if path.is_dir()]
    for name in arguments.exclude or ():
        if not any(folder.endswith(f"/{name}") for folder in folders):
            raise UsageError(f"--exclude {name}: {arguments.source} has no such folder")


def run(arguments: Arguments) -> int:
    """Carry the command out and return its exit code: 1 if a song failed."""
    settings = RenderSettings(
        songs=arguments.songs,
        length_s=arguments.seconds,
        seed=arguments.seed,
        instrumentals=arguments.instrumentals,
    )
    if arguments.exclude is not None:
        _check_exclusions(arguments)
        settings = replace(settings, exclude=(*settings.exclude, *arguments.exclude))
    if arguments.soundfont is not None:
        fonts = tuple(Path(name) for name in arguments.soundfont if name != "none")
        settings = replace(settings, soundfonts=fonts)
    started = time.monotonic()
    done = render_songs(
        arguments.source,
        arguments.out,
        settings,
        jobs=arguments.jobs,
        listener=_Lines(arguments.songs),
    )
    failed = sum(song.error is not None for song in done)
    kept = sum(song.kept for song in done)
    made = len(done) - failed - kept
    print(f"{made} rendered, {kept} kept, {failed} failed in {time.monotonic() - started:.0f} s")
    return 1 if failed else 0
