"""`unmix separate` in this process: what is written, what is printed, how it ends."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from conftest import RATE, Outcome, make_model, noise

Unmix = Callable[..., Outcome]


def read(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float32", always_2d=True)[0]


def level_db(samples: np.ndarray) -> float:
    """Root mean square against full scale."""
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-24))


def separate(unmix: Unmix, model: Path, *words: object) -> Outcome:
    return unmix("separate", "--model", model, *words)


def test_complete_set_sums_to_the_song(
    unmix: Unmix, small_model: Path, song: Path, tmp_path: Path
) -> None:
    outcome = separate(unmix, small_model, song, "--out", tmp_path / "out")
    assert outcome.code == 0
    assert outcome.err == ""
    first = outcome.out.splitlines()[0]
    assert first == "small: vocals, accompaniment on cpu"
    stems = [read(tmp_path / "out" / "song" / f"{s}.wav") for s in ("vocals", "accompaniment")]
    assert all(stem.shape == (RATE, 2) for stem in stems)
    assert level_db(sum(stems) - read(song)) < -90
    assert level_db(stems[0]) > -40


@pytest.mark.parametrize("words", [["--format", "flac"], ["--bits", "16"], ["--bits", "32f"]])
def test_lossless_formats_sum_to_the_song(
    unmix: Unmix, small_model: Path, song: Path, tmp_path: Path, words: list[str]
) -> None:
    assert separate(unmix, small_model, song, "--out", tmp_path / "out", *words).code == 0
    files = sorted((tmp_path / "out" / "song").glob("*.[wf]*"))
    assert len(files) == 2
    assert level_db(sum(read(file) for file in files) - read(song)) < -90


def test_karaoke_writes_vocals_and_backing(
    unmix: Unmix, small_model: Path, song: Path, tmp_path: Path
) -> None:
    assert separate(unmix, small_model, song, "-k", "-o", tmp_path).code == 0
    vocals, karaoke = (read(tmp_path / "song" / f"{n}.wav") for n in ("vocals", "karaoke"))
    assert level_db(vocals + karaoke - read(song)) < -90


def test_names_of_the_backing_are_one_sum(
    unmix: Unmix, small_model: Path, song: Path, tmp_path: Path
) -> None:
    names = ["accompaniment", "instrumental", "karaoke", "no_vocals", "backing"]
    outcome = separate(
        unmix, small_model, song, "-o", tmp_path, "--bits", "32f", "--without", "vocals",
        "--stems", "accompaniment,instrumental,karaoke", "--mix", "backing=accompaniment",
    )  # fmt: skip
    assert outcome.code == 0
    written = [read(tmp_path / "song" / f"{name}.wav") for name in names]
    assert all(np.array_equal(stem, written[0]) for stem in written)


def test_several_mixes_in_one_pass(
    unmix: Unmix, small_model: Path, song: Path, tmp_path: Path
) -> None:
    outcome = separate(
        unmix, small_model, song, "-o", tmp_path, "--bits", "32f",
        "--mix", "all=vocals+accompaniment", "--mix", "twice=vocals+vocals", "-s", "vocals",
    )  # fmt: skip
    assert outcome.code == 0
    folder = tmp_path / "song"
    assert np.array_equal(read(folder / "all.wav"), read(song))
    assert np.array_equal(read(folder / "twice.wav"), 2 * read(folder / "vocals.wav"))


def test_mono_stays_mono(unmix: Unmix, small_model: Path, tmp_path: Path) -> None:
    song = tmp_path / "mono.wav"
    soundfile.write(song, noise(channels=1), RATE, subtype="FLOAT")
    assert separate(unmix, small_model, song, "-o", tmp_path).code == 0
    assert read(tmp_path / "mono" / "vocals.wav").shape == (RATE, 1)


@pytest.mark.parametrize("rate", [8000, 192000])
def test_any_sample_rate(unmix: Unmix, small_model: Path, tmp_path: Path, rate: int) -> None:
    song = tmp_path / "song.flac"
    soundfile.write(song, noise(rate=rate), rate)
    assert separate(unmix, small_model, song, "-o", tmp_path).code == 0
    info = soundfile.info(tmp_path / "song" / "vocals.wav")
    assert (info.samplerate, info.frames) == (rate, rate)


def test_part_of_a_song(unmix: Unmix, small_model: Path, song: Path, tmp_path: Path) -> None:
    words = [song, "-o", tmp_path, "--start", "0.25", "--duration", "0.5", "--bits", "32f"]
    words += ["--mix", "all=vocals+accompaniment"]
    assert separate(unmix, small_model, *words).code == 0
    part = read(tmp_path / "song" / "all.wav")
    assert np.array_equal(part, read(song)[11025:33075])


def test_more_than_two_channels_need_downmix(
    unmix: Unmix, small_model: Path, tmp_path: Path
) -> None:
    song = tmp_path / "surround.wav"
    soundfile.write(song, noise(channels=6), RATE)
    refused = separate(unmix, small_model, song, "-o", tmp_path)
    assert refused.code == 1
    assert "--downmix" in refused.err
    words = [song, "-o", tmp_path, "--downmix", "--duration", "0.5", "--start", "0.25", "--json"]
    done = separate(unmix, small_model, *words)
    assert done.code == 0
    start = next(event for event in events(done) if event["event"] == "start")
    assert (start["channels"], start["duration_s"]) == (2, 0.5)
    assert read(tmp_path / "surround" / "vocals.wav").shape == (RATE // 2, 2)


def test_loud_song_gets_one_gain_for_all_stems(
    unmix: Unmix, small_model: Path, tmp_path: Path
) -> None:
    song = tmp_path / "loud.wav"
    loud = 8 * noise()
    soundfile.write(song, loud, RATE, subtype="FLOAT")
    outcome = separate(unmix, small_model, song, "-o", tmp_path, "--json")
    told = separate(unmix, small_model, song, "-o", tmp_path, "--overwrite").out
    assert "all stems turned down by" in told
    finished = next(e for e in events(outcome) if e["event"] == "finished")
    assert finished["gain_db"] < 0
    stems = [read(tmp_path / "loud" / f"{s}.wav") for s in ("vocals", "accompaniment")]
    assert max(np.abs(stem).max() for stem in stems) <= 1.0
    gain = 10 ** (finished["gain_db"] / 20)
    assert level_db(sum(stems) - gain * loud) < -90


def test_same_command_same_bytes(
    unmix: Unmix, small_model: Path, song: Path, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        words = [song, "-o", tmp_path / name, "--bits", "16"]
        assert separate(unmix, small_model, *words).code == 0
    first, second = (tmp_path / name / "song" / "vocals.wav" for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def events(outcome: Outcome) -> list[dict[str, object]]:
    return [json.loads(line) for line in outcome.out.splitlines()]


def test_json_is_one_object_a_line(
    unmix: Unmix, small_model: Path, song: Path, tmp_path: Path
) -> None:
    missing = tmp_path / "missing.wav"
    outcome = separate(unmix, small_model, song, missing, "-o", tmp_path / "o", "--json")
    assert outcome.code == 1
    told = events(outcome)
    kinds = [event["event"] for event in told]
    assert kinds[:2] == ["model", "start"]
    assert "progress" in kinds
    assert [e["stem"] for e in told if e["event"] == "stem"] == ["vocals", "accompaniment"]
    assert [e["input"] for e in told if e["event"] == "failed"] == [str(missing)]
    assert told[-1]["event"] == "summary"
    assert (told[-1]["done"], told[-1]["exit_code"]) == (1, 1)
    assert "missing.wav" in outcome.err


def test_quiet_prints_nothing_but_errors(
    unmix: Unmix, small_model: Path, song: Path, tmp_path: Path
) -> None:
    outcome = separate(unmix, small_model, song, "-o", tmp_path, "-q")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")


def test_dry_run_writes_nothing(
    unmix: Unmix, small_model: Path, song: Path, tmp_path: Path
) -> None:
    outcome = separate(unmix, small_model, song, "-o", tmp_path / "out", "--dry-run")
    assert outcome.code == 0
    assert f"{song} -> {tmp_path / 'out' / 'song' / 'vocals.wav'}" in outcome.out
    assert not (tmp_path / "out").exists()


def test_existing_results_are_refused_kept_or_replaced(
    unmix: Unmix, small_model: Path, song: Path, tmp_path: Path
) -> None:
    words = [song, "-o", tmp_path]
    assert separate(unmix, small_model, *words).code == 0
    vocals = tmp_path / "song" / "vocals.wav"
    before = vocals.stat().st_mtime_ns
    refused = separate(unmix, small_model, *words)
    assert refused.code == 1
    assert "--overwrite" in refused.err
    kept = separate(unmix, small_model, *words, "--skip-existing")
    assert (kept.code, vocals.stat().st_mtime_ns) == (0, before)
    assert "up to date" in kept.out
    assert separate(unmix, small_model, *words, "--overwrite").code == 0
    assert vocals.stat().st_mtime_ns != before


def test_skip_existing_does_changed_things_again(
    unmix: Unmix, small_model: Path, song: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"

    def again(*words: object) -> str:
        outcome = separate(unmix, small_model, song, "-o", out, "--skip-existing", *words)
        assert outcome.code == 0
        return outcome.out

    assert "up to date" not in again()
    assert "up to date" in again()
    soundfile.write(song, noise(seed=1), RATE, subtype="FLOAT")
    assert "up to date" not in again()
    assert "up to date" not in again("--wiener", "1")
    assert "up to date" in again("--wiener", "1")
    (out / "song" / "vocals.wav").write_bytes(b"cut off")
    assert "up to date" not in again("--wiener", "1")
    (out / "song" / "vocals.wav").unlink()
    assert "up to date" not in again("--wiener", "1")


def test_phases_are_kept_apart_and_stems_sum_to_the_song(
    unmix: Unmix, small_model: Path, song: Path, tmp_path: Path
) -> None:
    stems = {}
    for words in ([], ["--phase", "mixture"], ["--phase", "wiener"], ["--wiener", "1"],
                  ["--phase", "pu"], ["--phase", "pu", "--wiener", "0"]):  # fmt: skip
        out = tmp_path / ("-".join(words) or "own")
        words = [*words, song, "-o", out, "--bits", "32f", "-v"]
        outcome = separate(unmix, small_model, *words)
        assert outcome.code == 0
        assert outcome.out.count("inconsistency: vocals -") == 1
        both = [read(out / "song" / f"{name}.wav") for name in ("vocals", "accompaniment")]
        assert level_db(sum(both) - read(song)) < -90
        stems[out.name] = both[0]
    assert np.array_equal(stems["own"], stems["--phase-mixture"])
    assert np.array_equal(stems["--wiener-1"], stems["--phase-wiener"])
    assert np.array_equal(stems["--phase-pu"], stems["--phase-pu---wiener-0"])
    assert level_db(stems["--phase-pu"] - stems["own"]) > -60
    assert level_db(stems["--phase-wiener"] - stems["own"]) > -60


def test_an_ensemble_finds_the_phase_of_its_mean(
    unmix: Unmix, small_model: Path, song: Path, tmp_path: Path
) -> None:
    """Twice the same model is that model; its stems' own spectra are not quite its masks'."""
    twice = f"{small_model}+{small_model}"
    vocals = []
    for words in ([], ["--phase", "pu"], ["--phase", "pu", "--stems", "vocals", "-v"]):
        out = tmp_path / str(len(vocals))
        outcome = unmix("separate", "-m", twice, song, "-o", out, "--bits", "32f", *words)
        assert outcome.code == 0
        vocals.append(read(out / "song" / "vocals.wav"))
    assert level_db(vocals[1] - vocals[0]) > -60
    assert np.array_equal(vocals[2], vocals[1])
    assert outcome.out.count("mixing error: -") == 1


def test_skip_existing_does_another_model_again(
    unmix: Unmix, small_model: Path, song: Path, tmp_path: Path
) -> None:
    words = [song, "-o", tmp_path / "out", "--skip-existing"]
    assert separate(unmix, small_model, *words).code == 0
    other = make_model(tmp_path / "other")
    assert "up to date" not in separate(unmix, other, *words).out


def test_folder_of_good_and_broken_files(unmix: Unmix, small_model: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "songs", tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    for name in ("a.wav", "b.flac", "c.mp3", "d.ogg", "deep/e.aiff"):
        soundfile.write(folder / name, noise(), RATE)
    (folder / "text.mp3").write_text("no audio at all")
    (folder / "empty.wav").write_bytes(b"")
    (folder / "notes.txt").write_text("not looked at")
    words = [folder, "-r", "-o", out]
    outcome = separate(unmix, small_model, *words)
    assert outcome.code == 1
    assert "5 done, 2 failed" in outcome.out
    written = {str(path.parent.relative_to(out)) for path in out.rglob("vocals.wav")}
    assert written == {"a", "b", "c", "d", "deep/e"}
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    again = separate(unmix, small_model, *words, "--skip-existing")
    assert again.code == 1
    assert "5 up to date, 2 failed" in again.out
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == times


def test_jobs_give_the_same_files(unmix: Unmix, small_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "songs"
    folder.mkdir()
    for number in range(5):
        soundfile.write(folder / f"{number}.wav", noise(seed=number), RATE)
    for jobs in (1, 3):
        words = [folder, "-o", tmp_path / str(jobs), "-j", jobs]
        assert separate(unmix, small_model, *words).code == 0
    for number in range(5):
        one, three = (tmp_path / j / str(number) / "vocals.wav" for j in "13")
        assert one.read_bytes() == three.read_bytes()


@pytest.mark.parametrize(
    "name",
    ["with space.wav", "🎤 émoji — ü.wav", "-dash.wav", "dots...wav", "[x]*?.wav", "x" * 240],
)
def test_odd_names(unmix: Unmix, small_model: Path, tmp_path: Path, name: str) -> None:
    folder, out = tmp_path / "-odd 🎵 folder", tmp_path / "out"
    folder.mkdir()
    name = name if name.endswith(".wav") else name + ".wav"
    soundfile.write(folder / name, noise(0.1), RATE)
    assert separate(unmix, small_model, folder, "-o", out).code == 0
    assert len(list(out.rglob("vocals.wav"))) == 1


def test_globs_are_expanded(unmix: Unmix, small_model: Path, tmp_path: Path) -> None:
    for name in ("a1.wav", "a2.wav", "b.wav"):
        soundfile.write(tmp_path / name, noise(0.1), RATE)
    assert separate(unmix, small_model, tmp_path / "a*.wav", "-o", tmp_path / "out").code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a1", "a2"]


def test_output_folder_is_no_input(unmix: Unmix, small_model: Path, song: Path) -> None:
    folder = song.parent
    words = [folder, "-r", "-o", folder / "out"]
    assert separate(unmix, small_model, *words).code == 0
    again = separate(unmix, small_model, *words, "--skip-existing")
    assert (again.code, "up to date" in again.out) == (0, True)
    assert [path.name for path in (folder / "out").iterdir()] == ["song"]


def test_two_songs_never_land_on_one_path(unmix: Unmix, small_model: Path, tmp_path: Path) -> None:
    for name in ("song.wav", "song.flac"):
        soundfile.write(tmp_path / name, noise(0.1), RATE)
    outcome = separate(unmix, small_model, tmp_path, "-o", tmp_path / "out")
    assert outcome.code == 2
    assert "song.flac" in outcome.err
    assert "song.wav" in outcome.err
    assert not (tmp_path / "out").exists()
    template = "{track}.{source_ext}/{stem}.{ext}"
    told_apart = separate(unmix, small_model, tmp_path, "-o", tmp_path / "out", "--name", template)
    assert told_apart.code == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["song.flac", "song.wav"]


def test_an_input_is_never_overwritten(unmix: Unmix, small_model: Path, song: Path) -> None:
    before = song.read_bytes()
    words = [song, "-o", song.parent, "--name", "{track}.{ext}", "-s", "vocals", "--overwrite"]
    outcome = separate(unmix, small_model, *words)
    assert outcome.code == 2
    assert "is an input" in outcome.err
    assert song.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--stems", "drums"], "small has no stem 'drums'; it has vocals, accompaniment"),
        (["--stems", "vocals,"], "must look like"),
        (["--mix", "x"], "must look like"),
        (["--name", "{nothing}"], "no field {nothing}"),
        (["--name", "{track}.{ext}"], "needs {stem}"),
        (["--name", "../{stem}.{ext}"], "must stay inside --out"),
        (["--bits", "32f", "--format", "flac"], "flac"),
        (["--overlap", "0.9"], "0..0.5"),
        (["--batch", "0"], "at least 1"),
        (["--wiener", "-1"], "at least 0"),
        (["--phase", "pu", "--wiener", "2"], "--phase pu and --wiener 2 contradict each other"),
        (["--phase", "wiener", "--wiener", "0"], "--phase wiener and --wiener 0 contradict"),
        (["--phase", "pi"], "--phase"),
        (["--skip-existing", "--overwrite"], "contradict"),
        (["--out", "-"], "--out - takes one stem"),
        (["--device", "tpu"], "tpu"),
        (["--duration", "0"], "above 0"),
        (["--duration", "inf"], "above 0"),
        (["--start", "inf"], "seconds"),
        (["-x"], "goes behind --"),
        (["--no-such-option"], "--no-such-option"),
        (["--mix", "vocals=accompaniment", "--stems", "vocals"], "two different outputs"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(
    unmix: Unmix, small_model: Path, song: Path, words: list[str], complaint: str
) -> None:
    outcome = separate(unmix, small_model, song, *words)
    assert outcome.code == 2
    assert complaint in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1


def test_unknown_model_names_a_near_one(unmix: Unmix, song: Path) -> None:
    outcome = unmix("separate", song, "--model", "spleeter-2stem")
    assert outcome.code == 2
    assert "did you mean spleeter-2stems?" in outcome.err


def test_unknown_stem_names_a_model_that_has_it(
    unmix: Unmix, small_model: Path, song: Path
) -> None:
    outcome = separate(unmix, small_model, song, "--stems", "bass")
    # An installed model is named before others.
    assert "unmix-small has 'bass': --model unmix-small" in outcome.err
    outcome = separate(unmix, small_model, song, "--stems", "guitar")
    # A free model is named before others, with what gets it.
    assert "htdemucs_6s has 'guitar': unmix models pull htdemucs_6s" in outcome.err


def test_cuda_is_refused_where_there_is_none(
    unmix: Unmix, small_model: Path, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    outcome = separate(unmix, small_model, song, "--device", "cuda")
    assert outcome.code == 1
    assert "finds no CUDA device" in outcome.err


def bad_files(folder: Path) -> dict[str, Path]:
    """One file of each kind that cannot be separated."""
    paths = {name: folder / f"{name}.wav" for name in ("missing", "empty", "text", "short", "nan")}
    paths["empty"].write_bytes(b"")
    paths["text"].write_text("RIFF? no.")
    soundfile.write(paths["short"], np.zeros((0, 2)), RATE)
    spoiled = noise()
    spoiled[30000] = np.nan
    soundfile.write(paths["nan"], spoiled, RATE, subtype="FLOAT")
    return paths


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "short", "nan"])
def test_bad_files_get_one_line_and_leave_nothing(
    unmix: Unmix, small_model: Path, tmp_path: Path, kind: str
) -> None:
    path = bad_files(tmp_path)[kind]
    outcome = separate(unmix, small_model, path, "-o", tmp_path / "out")
    assert outcome.code == 1
    assert str(path) in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1
    assert not [file for file in (tmp_path / "out").rglob("*") if file.is_file()]


def test_truncated_file_gives_what_there_is_and_code_1(
    unmix: Unmix, small_model: Path, tmp_path: Path
) -> None:
    song = tmp_path / "cut.flac"
    soundfile.write(song, noise(4.0), RATE)
    song.write_bytes(song.read_bytes()[: song.stat().st_size // 2])
    words = [song, "-o", tmp_path / "out"]
    outcome = separate(unmix, small_model, *words)
    assert outcome.code == 1
    assert len(outcome.err.strip().splitlines()) == 1
    assert 0.5 * RATE < len(read(tmp_path / "out" / "cut" / "vocals.wav")) < 3 * RATE
    # The result is kept, and still tells that the song is not whole.
    again = separate(unmix, small_model, *words, "--skip-existing")
    assert again.code == 1


def test_unwritable_folder(unmix: Unmix, small_model: Path, song: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file where a folder should be")
    outcome = separate(unmix, small_model, song, "-o", tmp_path / "file")
    assert outcome.code == 1
    assert len(outcome.err.strip().splitlines()) == 1


def test_two_tracks_at_once_whose_names_end_alike(
    unmix: Unmix, small_model: Path, tmp_path: Path
) -> None:
    folder, tail = tmp_path / "songs", " Symphony in D minor, Remastered 2011 Edition"
    folder.mkdir()
    for number, letter in enumerate("ABCD"):
        soundfile.write(folder / f"{letter}{tail}.wav", noise(3.0, seed=number), RATE)
    for jobs in (1, 4):
        words = [folder, "-o", tmp_path / str(jobs), "-j", jobs, "--name", "{track} - {stem}.{ext}"]
        assert separate(unmix, small_model, *words).code == 0
    for letter in "ABCD":
        name = f"{letter}{tail} - vocals.wav"
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "4" / name).read_bytes()


def test_writing_beside_the_songs(
    unmix: Unmix, small_model: Path, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(song.parent)
    for name in (".", "./song.wav", "./*.wav"):
        outcome = separate(unmix, small_model, name, "--out", ".", "--overwrite")
        assert (outcome.code, "song/vocals.wav" in outcome.out) == (0, True)


def test_truncated_file_to_stdout(
    shell: Callable[..., subprocess.CompletedProcess[bytes]], small_model: Path, tmp_path: Path
) -> None:
    song = tmp_path / "cut.flac"
    soundfile.write(song, noise(4.0), RATE)
    song.write_bytes(song.read_bytes()[: song.stat().st_size // 2])
    done = shell("separate", song, "-m", small_model, "-s", "vocals", "-o", "-")
    assert done.returncode == 1
    assert len(soundfile.read(io.BytesIO(done.stdout))[0]) > 0.5 * RATE


def test_names_that_are_not_unicode(unmix: Unmix, small_model: Path, tmp_path: Path) -> None:
    song = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav"))
    soundfile.write(os.fsencode(song), noise(0.1), RATE)
    words = [song, "-o", tmp_path / "out", "-q", "--skip-existing"]
    assert separate(unmix, small_model, *words).code == 0
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")}
    assert separate(unmix, small_model, *words).code == 0
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")} == before


def test_skip_existing_replaces_nothing_that_it_did_not_make(
    unmix: Unmix, small_model: Path, song: Path, tmp_path: Path
) -> None:
    precious = tmp_path / "out" / "song" / "vocals.wav"
    precious.parent.mkdir(parents=True)
    precious.write_text("precious")
    outcome = separate(unmix, small_model, song, "-o", tmp_path / "out", "--skip-existing")
    assert outcome.code == 1
    assert "was not written by unmix" in outcome.err
    assert precious.read_text() == "precious"


def test_an_empty_folder_is_one_failure(
    unmix: Unmix, small_model: Path, song: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    words = [tmp_path / "empty", song, tmp_path / "no*pe", "x" * 300, "-o", tmp_path / "out"]
    outcome = separate(unmix, small_model, *words)
    assert outcome.code == 1
    assert "1 done, 3 failed" in outcome.out


def test_dry_run_tells_what_cannot_be_done(
    unmix: Unmix, small_model: Path, song: Path, tmp_path: Path
) -> None:
    missing = separate(unmix, small_model, song, tmp_path / "missing.wav", "--dry-run")
    assert missing.code == 1
    assert "missing.wav: no such file" in missing.err
    assert separate(unmix, small_model, song, "--dry-run", "--batch", "-3").code == 2


def test_a_model_with_other_weights_and_the_same_name(
    unmix: Unmix, song: Path, tmp_path: Path
) -> None:
    first, second = (make_model(tmp_path / place / "twin") for place in "ab")
    weights = second / "vocals.safetensors"
    weights.write_bytes((second / "accompaniment.safetensors").read_bytes())
    card = (second / "model.toml").read_text()
    digests = re.findall('sha256 = "(.*)"', card)
    (second / "model.toml").write_text(card.replace(digests[0], digests[1]))
    words = [song, "-o", tmp_path / "out", "--skip-existing"]
    assert "up to date" not in separate(unmix, first, *words).out
    assert "up to date" in separate(unmix, first, *words).out
    assert "up to date" not in separate(unmix, second, *words).out


def test_another_version_does_it_again(
    unmix: Unmix, small_model: Path, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [song, "-o", tmp_path / "out", "--skip-existing"]
    assert separate(unmix, small_model, *words).code == 0
    monkeypatch.setattr("unmixcli.batch.runner.__version__", "99")
    assert "up to date" not in separate(unmix, small_model, *words).out


def test_bitrate_is_honoured(unmix: Unmix, small_model: Path, song: Path, tmp_path: Path) -> None:
    for rate in (64, 320):
        words = [song, "-o", tmp_path / str(rate), "-f", "mp3", "--bitrate", rate, "-s", "vocals"]
        assert separate(unmix, small_model, *words).code == 0
    small, large = (
        (tmp_path / rate / "song" / "vocals.mp3").stat().st_size for rate in ("64", "320")
    )
    assert large > 2 * small


def test_title_stands_in_for_a_missing_one(
    unmix: Unmix, small_model: Path, song: Path, tmp_path: Path
) -> None:
    import mutagen

    assert separate(unmix, small_model, song, "-o", tmp_path, "-f", "flac").code == 0
    assert mutagen.File(tmp_path / "song" / "vocals.flac")["title"] == ["song (vocals)"]


def test_tampered_weights_are_not_loaded(unmix: Unmix, song: Path, tmp_path: Path) -> None:
    model = make_model(tmp_path / "tampered")
    weights = model / "vocals.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    outcome = separate(unmix, model, song, "-o", tmp_path / "out")
    assert outcome.code == 1
    assert "damaged or tampered" in outcome.err
    assert not (tmp_path / "out").exists()


def test_tags_and_cover_are_carried_over(unmix: Unmix, small_model: Path, tmp_path: Path) -> None:
    import mutagen
    from mutagen.flac import FLAC, Picture

    song = tmp_path / "song.flac"
    soundfile.write(song, noise(), RATE)
    tagged = FLAC(song)
    tagged["title"], tagged["artist"] = "Hello", "Somebody"
    picture = Picture()
    picture.type, picture.mime, picture.data = 3, "image/png", b"\x89PNG not really"
    tagged.add_picture(picture)
    tagged.save()
    assert separate(unmix, small_model, song, "-o", tmp_path, "-f", "flac").code == 0
    stem = mutagen.File(tmp_path / "song" / "vocals.flac")
    assert stem["title"] == ["Hello (vocals)"]
    assert stem["artist"] == ["Somebody"]
    assert stem.pictures[0].data == b"\x89PNG not really"
