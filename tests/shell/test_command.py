"""The installed command as a shell sees it: pipes, signals, disks, names, memory."""

from __future__ import annotations

import io
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from conftest import RATE, noise
from shell.commands_for_tests import COMMAND, interrupted, partial_files, wait_for

Shell = Callable[..., subprocess.CompletedProcess[bytes]]


def separate(shell: Shell, model: Path, *words: object, **options: object) -> object:
    return shell("separate", "--model", model, *words, **options)


def encoded(format: str, samples: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE, format=format)
    return buffer.getvalue()


@pytest.mark.parametrize("format", ["MP3", "WAV", "FLAC"])
def test_pipe_in_and_out(shell: Shell, small_model: Path, tmp_path: Path, format: str) -> None:
    done = shell(
        "separate", "-", "--model", small_model, "--stems", "vocals", "--out", "-",
        "--format", "wav", stdin=encoded(format, noise()), cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0
    samples, rate = soundfile.read(io.BytesIO(done.stdout))
    assert (samples.shape, rate) == ((RATE, 2), RATE)
    assert np.abs(samples).max() > 0.01
    # The header tells the true length, though a pipe cannot be rewound.
    assert int.from_bytes(done.stdout[4:8], "little") == len(done.stdout) - 8
    assert not list(tmp_path.iterdir())


def test_nothing_on_stdin(shell: Shell, small_model: Path) -> None:
    done = shell("separate", "-", "--model", small_model, "-s", "vocals", "-o", "-", stdin=b"")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"stdin" in done.stderr


def test_no_audio_on_stdin_is_called_stdin(shell: Shell, small_model: Path) -> None:
    done = shell(
        "separate", "-", "--model", small_model, "-s", "vocals", "-o", "-", stdin=b"no audio" * 99
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"stdin" in done.stderr
    assert b"/" not in done.stderr.replace(b"and/or", b"")


def test_shell_loop_over_odd_names(small_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "-my songs 🎵"
    folder.mkdir()
    for name in ("-dash.wav", "two words.wav", "ünïcode 🎤.wav"):
        soundfile.write(folder / name, noise(0.2), RATE)
    script = 'for song in *.wav; do "$0" separate --model "$1" -o out -- "$song" || exit 9; done'
    subprocess.run(
        ["bash", "-c", script, COMMAND, str(small_model)], cwd=folder, check=True, timeout=300
    )
    assert len(list((folder / "out").rglob("vocals.wav"))) == 3


def test_lines_where_stdout_is_no_terminal(shell: Shell, small_model: Path, song: Path) -> None:
    done = shell("separate", song, "--model", small_model, "-o", song.parent / "out")
    assert done.returncode == 0
    lines = done.stdout.decode().splitlines()
    assert lines[0].startswith("small: vocals, accompaniment on ")
    assert lines[1] == f"{song} (0:01)"
    assert "x real time" in lines[-1]
    assert b"\x1b" not in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("jobs", [1, 2])
def test_interrupt_leaves_no_partial_file(
    small_model: Path, long: Path, tmp_path: Path, number: signal.Signals, jobs: int
) -> None:
    words = ["separate", long, "--model", small_model, "-o", tmp_path / "out", "--jobs", jobs]
    code, errors = interrupted(words, number, when=lambda: bool(partial_files(tmp_path)))
    assert code == (130 if number == signal.SIGINT else 143)
    assert b"Traceback" not in errors
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_interrupted_batch_resumes(
    shell: Shell, small_model: Path, long: Path, tmp_path: Path
) -> None:
    songs = tmp_path / "songs"
    songs.mkdir()
    soundfile.write(songs / "a.wav", noise(), RATE)
    (songs / "b.flac").symlink_to(long)
    words = ["separate", str(songs), "--model", str(small_model), "-o", str(tmp_path / "out")]
    with subprocess.Popen(
        [COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        wait_for(lambda: bool(partial_files(tmp_path / "out")) and done_tracks(tmp_path) == {"a"})
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    before = (tmp_path / "out" / "a" / "vocals.wav").stat().st_mtime_ns
    resumed = shell(*words, "--skip-existing", "--duration", "1")
    # Another duration is another result: both are done again.
    assert resumed.returncode == 0
    assert (tmp_path / "out" / "a" / "vocals.wav").stat().st_mtime_ns != before
    again = shell(*words, "--skip-existing", "--duration", "1")
    assert again.stdout.count(b"up to date") >= 2


def done_tracks(folder: Path) -> set[str]:
    return {path.parent.name for path in (folder / "out").rglob("*.unmix.json")}


def test_full_disk(shell: Shell, small_model: Path, song: Path, tiny_disk: Path) -> None:
    done = shell("separate", song, "--model", small_model, "-o", tiny_disk / "out")
    assert done.returncode == 1
    lines = done.stderr.decode().strip().splitlines()
    assert len(lines) == 1
    assert "full" in lines[0]
    assert not [path for path in tiny_disk.rglob("*") if path.is_file()]


def test_reader_that_goes_away(small_model: Path, tmp_path: Path) -> None:
    song = tmp_path / "song.wav"
    soundfile.write(song, noise(10.0), RATE)
    script = '"$0" separate "$1" --model "$2" -s vocals -o - | head -c 100 | wc -c'
    done = subprocess.run(
        ["bash", "-c", script, COMMAND, str(song), str(small_model)],
        capture_output=True,
        check=True,
        timeout=300,
    )
    assert done.stdout.strip() == b"100"
    assert b"Traceback" not in done.stderr


def peak_memory(words: list[str]) -> int:
    """The largest resident set of a command, in bytes."""
    with subprocess.Popen([COMMAND, *words], stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def test_memory_does_not_grow_with_length(small_model: Path, long: Path, tmp_path: Path) -> None:
    words = ["separate", str(long), "--model", str(small_model), "-q"]
    one = peak_memory([*words, "-o", str(tmp_path / "1"), "--duration", "60"])
    eight = peak_memory([*words, "-o", str(tmp_path / "8")])
    assert eight < 1.05 * one + 10e6


def test_memory_is_flat_over_200_files(small_model: Path, tmp_path: Path) -> None:
    songs = tmp_path / "songs"
    songs.mkdir()
    for number in range(200):
        soundfile.write(songs / f"{number:03}.wav", noise(0.5, seed=number), RATE)
    words = [
        COMMAND,
        "separate",
        str(songs),
        "--model",
        str(small_model),
        "-o",
        str(tmp_path / "o"),
    ]
    resident: list[tuple[int, int]] = []
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        watched = psutil.Process(process.pid)
        for line in process.stdout:
            if line.startswith("["):
                number = int(line[1 : line.index("/")])
                resident.append((number, watched.memory_info().rss))
    assert process.returncode == 0
    early = max(size for number, size in resident if number <= 50)
    late = max(size for number, size in resident if number > 150)
    assert late < early + 20e6


def test_offline_opens_no_connection(small_model: Path, song: Path) -> None:
    code = (
        "import socket, sys\n"
        "def refuse(*_, **__): raise AssertionError('a connection was opened')\n"
        "socket.socket.connect = socket.create_connection = refuse\n"
        f"sys.argv = ['unmix', 'separate', {str(song)!r}, '--model', {str(small_model)!r},\n"
        f"            '-o', {str(song.parent / 'out')!r}, '--offline']\n"
        "from unmixcli.cli.app import run\n"
        "sys.exit(run())\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=300)


@pytest.mark.parametrize("kind", ["bash", "zsh", "fish"])
def test_shell_completion(shell: Shell, kind: str) -> None:
    done = shell("--show-completion", kind)
    assert done.returncode == 0
    assert b"unmix" in done.stdout.lower()


def test_no_words_show_the_help(shell: Shell) -> None:
    done = shell()
    assert b"separate" in done.stdout + done.stderr
    assert done.returncode == 2


def test_bars_on_a_terminal(small_model: Path, tmp_path: Path) -> None:
    for name in ("one [x].wav", "two.wav"):
        soundfile.write(tmp_path / name, noise(), RATE)
    errors = tmp_path / "errors.txt"
    leader, follower = pty.openpty()
    words = [COMMAND, "separate", str(tmp_path), "missing.wav", "-m", str(small_model)]
    with (
        errors.open("w") as stream,
        subprocess.Popen(
            [*words, "-o", str(tmp_path / "out")], stdout=follower, stderr=stream
        ) as process,
    ):
        os.close(follower)
        shown = b""
        with suppress(OSError):  # how Linux tells the end of a terminal
            while part := os.read(leader, 4096):
                shown += part
    os.close(leader)
    assert process.returncode == 1
    assert b"real time" in shown
    assert b"all tracks" in shown
    assert b"one [x].wav" in shown
    assert errors.read_text() == "unmix: error: missing.wav: no such file\n"


def test_closed_terminal_leaves_no_partial_file(
    small_model: Path, long: Path, tmp_path: Path
) -> None:
    words = ["separate", long, "--model", small_model, "-o", tmp_path / "out"]
    code, _ = interrupted(words, signal.SIGHUP, when=lambda: bool(partial_files(tmp_path)))
    assert code == 128 + signal.SIGHUP
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_full_pipe_is_one_line(small_model: Path, song: Path) -> None:
    script = '"$0" separate "$1" --model "$2" -s vocals -o - > /dev/full'
    done = subprocess.run(
        ["bash", "-c", script, COMMAND, str(song), str(small_model)],
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"No space left" in done.stderr
