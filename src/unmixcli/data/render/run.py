"""A set of songs, rendered side by side; what is finished stays, what is missing is made."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from unmixcli.data.render.settings import RenderSettings
from unmixcli.data.render.song import render_song
from unmixcli.data.render.soundfonts import find_soundfonts
from unmixcli.data.render.source import Source, find_source
from unmixcli.data.render.store import (
    fingerprint_of,
    is_finished,
    remove_abandoned,
    song_folder,
    write_song,
)
from unmixcli.errors import InputError, ResourceError, UnmixError, UsageError


@dataclass(frozen=True)
class SongDone:
    """A song that is finished, was there already, or failed.

    Attributes:
        folder: of the song.
        kept: whether it was there already.
        error: why it failed, None where it did not.
    """

    folder: Path
    kept: bool = False
    error: str | None = None


@dataclass(frozen=True)
class _Order:
    source: Source
    out: Path
    settings: RenderSettings


SongListener: TypeAlias = Callable[[SongDone], None]


def render_songs(
    source: Path, out: Path, settings: RenderSettings, *, jobs: int = 1, listener: SongListener
) -> tuple[SongDone, ...]:
    """Render a set of songs into folders that the readers of `data.tracks` understand.

    Args:
        source: a folder of sounds and scores, see `data.render.source`.
        out: the folder of the songs; it is made.
        settings: how many, how long, from which seed.
        jobs: processes; the songs do not depend on it.
        listener: told of each song when it is done, in the order of that.

    Returns:
        All songs in the order of their numbers.

    Raises `InputError` for a source that lacks something or lies in `out` and for what is no sound
    font, `ResourceError` where fonts are asked for that nothing plays, `UsageError` where `out`
    holds other songs under the same names. A song that fails stops none of the others. What a
    killed run of the same seed left unfinished is removed.
    """
    if jobs < 1:
        raise UsageError(f"--jobs is {jobs}; give at least one.")
    _check_apart(source, out)
    fonts = find_soundfonts(settings.soundfonts)
    sounds = find_source(source, exclude=settings.exclude, soundfonts=fonts)
    order = _Order(sounds, out, settings)
    fingerprint = fingerprint_of(order.source, settings)
    remove_abandoned(out, settings)
    folders = [song_folder(out, settings, index) for index in range(settings.songs)]
    kept = [is_finished(folder, fingerprint) for folder in folders]
    done = {i: SongDone(folders[i], kept=True) for i, there in enumerate(kept) if there}
    for song in done.values():
        listener(song)
    todo = [index for index in range(settings.songs) if index not in done]
    for index, song in _rendered(order, todo, jobs=min(jobs, len(todo))):
        done[index] = song
        listener(song)
    return tuple(done[index] for index in range(settings.songs))


def _check_apart(source: Path, out: Path) -> None:
    if out.resolve().is_relative_to(source.resolve()):
        raise InputError(f"--out {out} lies in --source {source}; songs would become sounds.")


def _rendered(order: _Order, todo: Sequence[int], *, jobs: int) -> Iterator[tuple[int, SongDone]]:
    if jobs <= 1:
        for index in todo:
            yield index, _render(order, index)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_ignore_interrupts) as pool:
        futures: dict[Future[SongDone], int] = {
            pool.submit(_render, order, index): index for index in todo
        }
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise ResourceError(
                "A process that rendered songs was ended from outside, perhaps for want of memory; "
                "type the same command with fewer --jobs to go on."
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _ignore_interrupts() -> None:
    """Ctrl-C reaches every process of a terminal; the first one sees to it that all end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _render(order: _Order, index: int) -> SongDone:
    settings = order.settings
    folder = song_folder(order.out, settings, index)
    try:
        write_song(render_song(order.source, settings, index), folder, order.source, settings)
    except UnmixError as error:
        return SongDone(folder, error=str(error))
    return SongDone(folder)
