"""Multitrack songs from scores and sampled instruments, as Slakh was built, with voices."""

from __future__ import annotations

from unmixcli.data.render.run import SongDone, render_songs
from unmixcli.data.render.settings import STEMS, RenderSettings
from unmixcli.data.render.song import Song, render_song
from unmixcli.data.render.soundfonts import SoundFonts, find_soundfonts
from unmixcli.data.render.source import Source, find_source

__all__ = [
    "STEMS",
    "RenderSettings",
    "Song",
    "SongDone",
    "SoundFonts",
    "Source",
    "find_soundfonts",
    "find_source",
    "render_song",
    "render_songs",
]
