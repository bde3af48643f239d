"""`unmix pitch`: what is written, what is printed, how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

from conftest import Outcome, noise
from pitch.ridges_for_tests import KnownSalience, cents, ridge
from pitch_models_for_tests import write_pitch_model
from shell.commands_for_tests import interrupted, partial_files
from unmixcli.models.card import Card, Chunks, Licence, Pitch
from unmixcli.models.catalogue import Model
from unmixcli.pitch import session
from unmixcli.pitch.csv import read_f0

Unmix = Callable[..., Outcome]
Shell = Callable[..., subprocess.CompletedProcess[bytes]]
RATE = 44100
SWIFT = ("--model", "swiftf0")


def voice(hz: float = 220.0, seconds: float = 1.0) -> np.ndarray:
    """A tone with harmonics after a third of a second of silence, `(samples, 2)`."""
    times = np.arange(round(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * hz * k * times) / k for k in range(1, 7))
    return np.tile((0.2 * tone * (times > 1 / 3))[:, None], (1, 2)).astype(np.float32)


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """A second of a voice in a file whose name wants care."""
    path = tmp_path / "-ein Lied 🎵.wav"
    soundfile.write(path, voice(), RATE, subtype="FLOAT")
    return path


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The name of a model that hears 220 Hz and 330 Hz in whatever there is."""
    card = Card.model_construct(
        name="known", title="known", description="", architecture="known", stems=("vocals",),
        residual=None, sample_rate=22050, channels=2, chunks=Chunks(length=1), files=(),
        licence=Licence(name="MIT", commercial=True), training_data="none", citation="",
        pitch=Pitch(hop_samples=256, f_min_hz=32.7, bins_per_octave=60, bins=360, threshold=0.4),
    )  # fmt: skip

    def rule(times: np.ndarray) -> np.ndarray:
        lower, upper = ridge(220 + 0 * times), ridge(330 + 0 * times, height=0.7)
        return np.maximum(lower, upper)

    monkeypatch.setattr(session, "pitch_model", lambda name: Model(card, tmp_path / name))
    monkeypatch.setattr(session, "load_stream", lambda name, device: KnownSalience(rule))
    return "known"


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_tracker_on_the_file(unmix: Unmix, song: Path, tmp_path: Path) -> None:
    outcome = unmix("pitch", song, *SWIFT, "-o", tmp_path / "out", "-v")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[0] == "swiftf0: f0.csv on cpu"
    assert "of 101 frames are voiced, from 2" in outcome.out
    assert files(tmp_path / "out") == [f"{song.stem}.f0.csv", f"{song.stem}.pitch.unmix.json"]
    f0 = read_f0(tmp_path / "out" / f"{song.stem}.f0.csv")
    np.testing.assert_allclose(f0.times_s, np.arange(101) / 100)
    assert not f0.voiced[:28].any()
    assert f0.voiced[40:-5].all()
    assert np.abs(cents(f0.f0_hz[40:-5], 220.0)).max() < 20


def test_separates_first_if_no_model_is_named(
    unmix: Unmix, song: Path, small_model: Path, tmp_path: Path
) -> None:
    words = ["--separator", small_model, "--stems", "-o", tmp_path / "out"]
    outcome = unmix("pitch", song, *words)
    assert outcome.code == 0
    assert "small separates the vocals, swiftf0 finds the pitch" in outcome.out.splitlines()
    stem, rate = soundfile.read(tmp_path / "out" / f"{song.stem}.vocals.wav", dtype="float32")
    assert (stem.shape, rate) == ((RATE, 2), RATE)
    assert unmix("separate", song, "-m", small_model, "-s", "vocals", "--bits", "32f",
                 "-o", tmp_path / "separated").code == 0  # fmt: skip
    separated = tmp_path / "separated" / song.stem / "vocals.wav"
    assert np.array_equal(stem, soundfile.read(separated, dtype="float32")[0])


def test_every_file_of_a_model(unmix: Unmix, song: Path, known: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["--polyphonic", "--midi", "--plot", "--salience", "--stems", "--viterbi"]
    assert unmix("pitch", song, "-m", known, "-o", out, *words).code == 0
    ends = [
        "f0.csv",
        "mid",
        "multif0.txt",
        "pitch.png",
        "pitch.unmix.json",
        "salience.npz",
        "vocals.wav",
    ]
    assert files(out) == [f"{song.stem}.{end}" for end in ends]
    assert np.abs(cents(read_f0(out / f"{song.stem}.f0.csv").f0_hz, 220.0)).max() < 5
    lines = (out / f"{song.stem}.multif0.txt").read_text().splitlines()
    assert len(lines) == 101
    for line in lines:
        assert cents([float(word) for word in line.split("\t")[1:]], [220, 330]) == pytest.approx(
            0, abs=5
        )
    tracks = mido.MidiFile(out / f"{song.stem}.mid").tracks[1:]
    notes = [[m.note for m in track if m.type == "note_on"] for track in tracks]
    assert notes == [[57], [64]]
    with np.load(out / f"{song.stem}.salience.npz") as found:
        assert found["salience"].shape == (360, 1 + 22050 // 256)
    assert (out / f"{song.stem}.pitch.png").read_bytes().startswith(b"\x89PNG")
    stem, _ = soundfile.read(out / f"{song.stem}.vocals.wav", dtype="float32")
    np.testing.assert_allclose(stem[500:-500], 0.5 * voice()[500:-500], atol=2e-2)


@pytest.mark.parametrize("kind", ["silence", "noise"])
def test_without_pitch_all_is_unvoiced_and_well(unmix: Unmix, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"{kind}.wav"
    soundfile.write(path, noise() * (kind == "noise"), RATE, subtype="FLOAT")
    outcome = unmix("pitch", path, *SWIFT, "-o", tmp_path / "out", "--midi")
    assert (outcome.code, outcome.err) == (0, "")
    assert not read_f0(tmp_path / "out" / f"{kind}.f0.csv").voiced.any()
    last = outcome.out.splitlines()[-1]
    assert last == f"no pitch was found, every frame is unvoiced: {path}"


def test_what_is_done_is_skipped_until_an_option_changes(
    unmix: Unmix, song: Path, tmp_path: Path
) -> None:
    words = ["pitch", song, *SWIFT, "-o", tmp_path / "out", "--skip-existing"]
    assert "up to date" not in unmix(*words).out
    assert "up to date" in unmix(*words).out
    for changed in (["--step-ms", "5"], ["--threshold", "0.6"], ["--midi"]):
        assert "up to date" not in unmix(*words, *changed).out
        assert "up to date" in unmix(*words, *changed).out
    refused = unmix("pitch", song, *SWIFT, "-o", tmp_path / "out")
    assert refused.code == 1
    assert "--overwrite" in refused.err
    assert unmix("pitch", song, *SWIFT, "-o", tmp_path / "out", "--overwrite").code == 0


def test_json(unmix: Unmix, song: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone.wav"
    outcome = unmix("pitch", song, gone, *SWIFT, "-o", tmp_path / "out", "--json", "-j", 2)
    assert outcome.code == 1
    events = [json.loads(line) for line in outcome.out.splitlines()]
    assert events[0]["name"] == "swiftf0"
    assert [event["stem"] for event in events if event["event"] == "stem"] == ["f0.csv"]
    assert list(events[-1]["failed"]) == [str(gone)]


def test_dry_run_writes_nothing(unmix: Unmix, song: Path, tmp_path: Path) -> None:
    outcome = unmix("pitch", song, *SWIFT, "-o", tmp_path / "out", "--dry-run", "--midi")
    assert outcome.code == 0
    assert f"{song} -> {tmp_path / 'out' / song.stem}.f0.csv" in outcome.out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "swiftf0", "--polyphonic"], "--polyphonic: swiftf0 gives one voice"),
        (["--model", "pyin", "--viterbi"], "--viterbi: pyin gives one voice"),
        (["--model", "swiftf0", "--salience"], "--salience: swiftf0 gives none"),
        (["--model", "swiftf0", "--stems"], "--stems: nothing is separated; add --stem"),
        (["--model", "no-such"], "no model is called 'no-such'"),
        (["--model", "unmix-small"], "unmix-small gives no pitch"),
        (["--model", "swiftf0", "--device", "cuda"], "--device cuda: swiftf0 runs on the cpu"),
        (["--step-ms", "0.1"], "--step-ms 0.1: must be from 1 to 1000"),
        (["--threshold", "1.5"], "--threshold 1.5: must be above 0"),
        (["--fmin", "500", "--fmax", "100"], "the second must be higher"),
        (["--stem", "drums"], "--stem"),
        (["--model", "swiftf0", "-o", "-", "--midi"], "--out - takes the CSV alone, not mid"),
        (["--skip-existing", "--overwrite"], "contradict"),
    ],
)
def test_wrong_usage(unmix: Unmix, song: Path, words: list[str], message: str) -> None:
    outcome = unmix("pitch", song, *words)
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.err.count("\n") == 1 or "Usage" in outcome.err
    assert files(song.parent) == [song.name]


def test_names_of_files(unmix: Unmix, song: Path, tmp_path: Path) -> None:
    name = "{dir}/{track}.{source_ext}/{stem}.{ext}"
    assert unmix("pitch", song, *SWIFT, "-o", tmp_path / "out", "--name", name).code == 0
    assert (tmp_path / "out" / tmp_path.name / f"{song.stem}.wav" / "f0.csv").is_file()


def test_file_that_is_cut_off_fails_and_keeps_what_there_is(unmix: Unmix, tmp_path: Path) -> None:
    path = tmp_path / "cut.flac"
    soundfile.write(path, voice(seconds=3), RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    outcome = unmix("pitch", path, *SWIFT, "-o", tmp_path / "out")
    assert outcome.code == 1
    assert "cut" in outcome.err
    assert 20 < len(read_f0(tmp_path / "out" / "cut.f0.csv")) < 301


def test_pipe_in_and_out(shell: Shell, song: Path, tmp_path: Path) -> None:
    done = shell(
        "pitch", "-", *SWIFT, "-o", "-", "--threshold", "0.6", stdin=song.read_bytes(),
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0
    lines = done.stdout.decode().splitlines()
    assert lines[0] == "time,frequency,confidence"
    assert len(lines) == 102


def test_name_that_begins_with_a_dash(
    unmix: Unmix, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(song.parent)
    assert unmix("pitch", *SWIFT, "-o", "out", "--", song.name).code == 0
    assert (song.parent / "out" / f"{song.stem}.f0.csv").is_file()


def test_folder_that_cannot_be_written(unmix: Unmix, song: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file is in the way")
    outcome = unmix("pitch", song, *SWIFT, "-o", tmp_path / "out")
    assert outcome.code == 1
    assert "cannot be written" in outcome.err
    assert files(tmp_path) == [song.name, "out"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGINT, ["pitch", *SWIFT]),
        (signal.SIGTERM, ["pitch", *SWIFT, "--jobs", "2"]),
        (signal.SIGINT, ["separate", "--pitch", "--stems", "vocals"]),
    ],
)
def test_interrupt_leaves_no_partial_file(
    small_model: Path, long: Path, tmp_path: Path, number: signal.Signals, words: list[str]
) -> None:
    model = ["--model", small_model] if words[0] == "separate" else []
    command = [*words, *model, long, "-o", tmp_path / "out"]
    ends = ".csv."

    def is_writing() -> bool:
        return any(ends in path.name for path in partial_files(tmp_path))

    code, errors = interrupted(command, number, when=is_writing)
    assert code == (130 if number == signal.SIGINT else 143)
    assert b"Traceback" not in errors
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("kind", ["csv", "salience", "separate"])
def test_full_disk(
    shell: Shell, small_model: Path, tmp_path: Path, tiny_disk: Path, kind: str
) -> None:
    """A CSV of 1 s is 2 kB, a WAV 340 kB."""
    song = tmp_path / "song.wav"
    soundfile.write(song, voice(seconds=0.5), RATE, subtype="FLOAT")
    words: dict[str, list[object]] = {
        "csv": ["pitch", *SWIFT, "--step-ms", "1"],
        "salience": ["pitch", "--model", write_pitch_model(tmp_path / "sung"), "--salience"],
        "separate": ["separate", "--pitch", "--model", small_model, "--stems", "vocals"],
    }
    (tiny_disk / "filler").write_bytes(bytes(4096))
    with suppress(OSError), (tiny_disk / "filler").open("ab", buffering=0) as file:
        while file.write(bytes(4096)) == 4096:
            pass
    done = shell(*words[kind], song, "-o", tiny_disk / "out")
    assert done.returncode == 1
    lines = done.stderr.decode().strip().splitlines()
    assert len(lines) == 1
    assert "left" in lines[0]
    assert [path.name for path in tiny_disk.rglob("*") if path.is_file()] == ["filler"]


def test_csv_to_stdout_of_a_separated_stem(
    shell: Shell, small_model: Path, song: Path, tmp_path: Path
) -> None:
    words = ["pitch", song, "--separator", small_model]
    piped = shell(*words, "-o", "-", cwd=tmp_path)
    assert piped.returncode == 0
    assert shell(*words, "-o", tmp_path / "out").returncode == 0
    assert piped.stdout == (tmp_path / "out" / f"{song.stem}.f0.csv").read_bytes()
    # What is for people goes to the other stream.
    assert b"small separates the vocals, swiftf0 finds the pitch" in piped.stderr
    assert files(tmp_path) == [song.name, "out"]
