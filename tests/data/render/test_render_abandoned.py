"""What a killed run leaves behind is gone after the next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from unmixcli.data.render import RenderSettings, SongDone, render_songs
from unmixcli.data.render.store import remove_abandoned

SMALL = RenderSettings(songs=1, length_s=2.0, seed=11, sample_rate=22050, soundfonts=())
STOPS_WHILE_IT_WRITES = """
import sys, time
from pathlib import Path
from unmixcli.data.render import RenderSettings, render_songs, store

def stop(path, sound, *, sample_rate):
    path.write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(600)

store.write_stem = stop
settings = RenderSettings(songs=1, length_s=2.0, seed=11, sample_rate=22050, soundfonts=())
render_songs(Path(sys.argv[1]), Path(sys.argv[2]), settings, listener=print)
"""


def killed_run(sounds: Path, out: Path) -> None:
    words = [sys.executable, "-c", STOPS_WHILE_IT_WRITES, str(sounds), str(out)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGKILL)


def test_the_next_run_removes_what_a_killed_one_left(sounds: Path, tmp_path: Path) -> None:
    killed_run(sounds, tmp_path)
    left = list(tmp_path.iterdir())
    assert len(left) == 1
    assert left[0].name.startswith(".song-11-00000.")
    seen: list[SongDone] = []
    render_songs(sounds, tmp_path, SMALL, listener=seen.append)
    assert [song.error for song in seen] == [None]
    assert [path.name for path in tmp_path.iterdir()] == ["song-11-00000"]


def test_nothing_else_is_removed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        gone = process.pid
    names = [
        f".song-11-00000.{os.getpid()}.1.part",
        f".song-12-00000.{gone}.1.part",
        f".song-11-x.{gone}.1.part",
        f".song-11-00000.{gone}.1.old",
        f"song-11-00000.{gone}.1.part",
        ".song-11-00000.part",
    ]
    for name in (*names, f".song-11-00001.{gone}.1.part"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("kept")
    remove_abandoned(tmp_path, SMALL)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    remove_abandoned(tmp_path / "nowhere", SMALL)
