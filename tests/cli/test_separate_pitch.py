"""`unmix separate --pitch`: the pitch of the vocals beside the stems, in one pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from conftest import RATE, Outcome, make_model, noise
from pitch_models_for_tests import write_pitch_model
from unmixcli.batch import tracks
from unmixcli.pitch.csv import read_f0
from unmixcli.pitch.finder import PitchFinder

Unmix = Callable[..., Outcome]


def write_voice(path: Path, seconds: float = 1.0, hz: float = 220.0) -> Path:
    """A tone with harmonics after a third of a second of silence."""
    times = np.arange(round(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * hz * k * times) / k for k in range(1, 7))
    samples = np.tile((0.2 * tone * (times > 1 / 3))[:, None], (1, 2))
    soundfile.write(path, samples.astype(np.float32), RATE, subtype="FLOAT")
    return path


@pytest.fixture
def sung(tmp_path: Path) -> Path:
    return write_voice(tmp_path / "sung song.wav")


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def events(outcome: Outcome) -> list[dict]:
    return [json.loads(line) for line in outcome.out.splitlines()]


def test_csv_is_that_of_unmix_pitch(
    unmix: Unmix, small_model: Path, sung: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = unmix("separate", sung, "-m", small_model, "--pitch", "--bits", "32f", "-o", out)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "small: vocals, accompaniment, vocals.f0 on cpu"
    assert lines[1] == "swiftf0 finds the pitch of the vocals"
    assert f"  {out / sung.stem / 'vocals.f0.csv'}" in lines
    names = ["accompaniment.wav", "sung song.unmix.json", "vocals.f0.csv", "vocals.wav"]
    assert files(out / sung.stem) == names
    written = (out / sung.stem / "vocals.f0.csv").read_bytes()
    assert read_f0(out / sung.stem / "vocals.f0.csv").voiced[40:-5].all()
    for source, words in (
        (sung, ["--stem", "vocals", "--separator", small_model]),
        (out / sung.stem / "vocals.wav", ["-m", "swiftf0"]),
    ):
        assert unmix("pitch", source, *words, "-o", tmp_path / "pitch").code == 0
        assert (tmp_path / "pitch" / f"{source.stem}.f0.csv").read_bytes() == written


def test_stems_are_those_without_pitch(
    unmix: Unmix, small_model: Path, sung: Path, tmp_path: Path
) -> None:
    for words in ([], ["--pitch"]):
        out = tmp_path / f"out{len(words)}"
        assert unmix("separate", sung, "-m", small_model, "-o", out, *words).code == 0
    for stem in ("vocals", "accompaniment"):
        one, two = (tmp_path / f"out{n}" / sung.stem / f"{stem}.wav" for n in (0, 1))
        assert one.read_bytes() == two.read_bytes()


def test_one_decoding_and_one_separation(
    unmix: Unmix, small_model: Path, sung: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, engines = [], []
    open_audio, begin = tracks.open_audio, PitchFinder.__init__

    def counted(*words: object, **options: object) -> object:
        opened.append(words)
        return open_audio(*words, **options)

    def began(self: object, *words: object, **options: object) -> None:
        engines.append(options.get("engine"))
        begin(self, *words, **options)

    monkeypatch.setattr(tracks, "open_audio", counted)
    monkeypatch.setattr(PitchFinder, "__init__", began)
    assert unmix("separate", sung, "-m", small_model, "--pitch", "-o", tmp_path / "out").code == 0
    assert (len(opened), engines) == (1, [None])


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["-s", "accompaniment"], ["accompaniment.wav"]),
        (["-k"], ["karaoke.wav", "vocals.wav"]),
        (["--without", "vocals", "-f", "flac"], ["no_vocals.flac"]),
        (["--mix", "all=vocals+accompaniment"], ["all.wav"]),
    ],
)
def test_vocals_need_not_be_written(
    unmix: Unmix, small_model: Path, sung: Path, tmp_path: Path, words: list[str], names: list[str]
) -> None:
    common = ["separate", sung, "-m", small_model, "--pitch"]
    assert unmix(*common, "-o", tmp_path / "all").code == 0
    assert unmix(*common, "-o", tmp_path / "out", *words).code == 0
    folder = tmp_path / "out" / sung.stem
    assert files(folder) == sorted([*names, "vocals.f0.csv", f"{sung.stem}.unmix.json"])
    whole = tmp_path / "all" / sung.stem / "vocals.f0.csv"
    assert (folder / "vocals.f0.csv").read_bytes() == whole.read_bytes()


def test_drums_alone_and_an_ensemble(unmix: Unmix, sung: Path, tmp_path: Path) -> None:
    stems = ("vocals", "drums", "accompaniment")
    one, two = (make_model(tmp_path / name, stems=stems, seed=k) for k, name in enumerate("ab"))
    for model in (one, f"{one}+{two}"):
        out = tmp_path / f"out{len(str(model))}"
        assert unmix("separate", sung, "-m", model, "-s", "drums", "--pitch", "-o", out).code == 0
        names = ["drums.wav", "sung song.unmix.json", "vocals.f0.csv"]
        assert files(out / sung.stem) == names
        words = ["--stem", "vocals", "--separator", model, "-o", tmp_path / "pitch", "--overwrite"]
        assert unmix("pitch", sung, *words).code == 0
        written = (out / sung.stem / "vocals.f0.csv").read_bytes()
        assert written == (tmp_path / "pitch" / f"{sung.stem}.f0.csv").read_bytes()


def test_part_of_a_song_counts_from_its_start(
    unmix: Unmix, small_model: Path, sung: Path, tmp_path: Path
) -> None:
    part = ["--start", "0.25", "--duration", "0.5"]
    words = ["separate", sung, "-m", small_model, "--pitch", "-o", tmp_path / "out", *part]
    assert unmix(*words).code == 0
    words = ["--separator", small_model, "-m", "swiftf0", "-o", tmp_path / "pitch", *part]
    assert unmix("pitch", sung, *words).code == 0
    path = tmp_path / "out" / sung.stem / "vocals.f0.csv"
    assert path.read_bytes() == (tmp_path / "pitch" / f"{sung.stem}.f0.csv").read_bytes()
    np.testing.assert_allclose(read_f0(path).times_s, np.arange(51) / 100)


def test_batch_in_json_with_a_track_that_fails(
    unmix: Unmix, small_model: Path, sung: Path, tmp_path: Path
) -> None:
    other = write_voice(tmp_path / "other.wav", 0.7, 330.0)
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no audio")
    out = tmp_path / "out"
    words = ["separate", sung, broken, other, "-m", small_model, "-o", out, "--json", "-j", "2"]
    done = unmix(*words, "--pitch", "-s", "vocals")
    assert done.code == 1
    told = events(done)
    assert told[0]["outputs"] == ["vocals", "vocals.f0"]
    found = {Path(e["path"]): e for e in told if e["event"] == "stem" and e["stem"] == "vocals.f0"}
    assert set(found) == {out / name / "vocals.f0.csv" for name in (sung.stem, "other")}
    for path, event in found.items():
        f0 = read_f0(path)
        assert (event["samples"], event["silent"]) == (len(f0), not f0.voiced.any())
        assert event["peak"] == pytest.approx(f0.confidence.max(), abs=1e-4)
    assert list(next(e for e in told if e["event"] == "summary")["failed"]) == [str(broken)]
    assert not [path for path in out.rglob("*") if "broken" in path.name or path.name[0] == "."]


def test_what_lacks_its_pitch_is_not_done(
    unmix: Unmix, small_model: Path, sung: Path, tmp_path: Path
) -> None:
    words = ["separate", sung, "-m", small_model, "-s", "accompaniment", "-o", tmp_path / "out"]
    csv = tmp_path / "out" / sung.stem / "vocals.f0.csv"
    assert unmix(*words).code == 0
    assert "--overwrite" in unmix(*words, "--pitch").err
    words.append("--skip-existing")
    assert "up to date" in unmix(*words).out
    assert "up to date" not in unmix(*words, "--pitch").out
    assert "up to date" in unmix(*words, "--pitch").out
    before = csv.read_bytes()
    csv.unlink()
    assert "up to date" not in unmix(*words, "--pitch").out
    assert csv.read_bytes() == before
    # What was heard and not written before has to be written now.
    words[words.index("accompaniment")] = "accompaniment,vocals"
    assert "up to date" not in unmix(*words, "--pitch").out
    assert (csv.parent / "vocals.wav").is_file()
    csv.write_text("mine")
    assert unmix(*words[:-1], "--pitch", "--overwrite").code == 0
    assert csv.read_bytes() == before


def test_another_file_of_that_name_is_kept(
    unmix: Unmix, small_model: Path, sung: Path, tmp_path: Path
) -> None:
    csv = tmp_path / "out" / sung.stem / "vocals.f0.csv"
    csv.parent.mkdir(parents=True)
    csv.write_text("mine")
    words = ["separate", sung, "-m", small_model, "--pitch", "-o", tmp_path / "out"]
    for more in ([], ["--skip-existing"]):
        refused = unmix(*words, *more)
        assert refused.code == 1
        assert f"{csv}: " in refused.err
    assert csv.read_text() == "mine"
    assert files(csv.parent) == ["vocals.f0.csv"]


def test_dry_run_names_the_file(
    unmix: Unmix, small_model: Path, sung: Path, tmp_path: Path
) -> None:
    words = ["--dry-run", "--name", "{track} - {stem}.{ext}", "-f", "mp3", "-o", tmp_path / "out"]
    done = unmix("separate", sung, "-m", small_model, "--pitch", "-s", "vocals", *words)
    assert done.code == 0
    assert done.out.splitlines()[1:] == [
        f"{sung} -> {tmp_path / 'out' / 'sung song - vocals.mp3'}",
        f"{sung} -> {tmp_path / 'out' / 'sung song - vocals.f0.csv'}",
    ]
    assert not (tmp_path / "out").exists()


def test_without_a_voice_it_ends_well_and_says_so(
    unmix: Unmix, small_model: Path, tmp_path: Path
) -> None:
    struck = np.exp(-8 * (np.arange(RATE) / RATE % 0.25))[:, None] * noise()
    songs = [write_voice(tmp_path / "sung.wav", 0.5)]
    for name, samples in (("silence", 0 * struck), ("noise", noise()), ("drums", struck)):
        songs.append(tmp_path / f"{name}.wav")
        soundfile.write(songs[-1], samples, RATE, subtype="FLOAT")
    words = ["separate", *songs, "-m", small_model, "--pitch", "-o", tmp_path / "out"]
    for more in ([], ["--skip-existing"]):
        done = unmix(*words, *more)
        assert (done.code, done.err) == (0, "")
        unvoiced = ", ".join(map(str, songs[1:]))
        last = done.out.splitlines()[-1]
        assert last == f"no pitch was found, every frame is unvoiced: {unvoiced}"
    for song in songs:
        path = tmp_path / "out" / song.stem / "vocals.f0.csv"
        assert read_f0(path).voiced.any() == (song == songs[0])


def test_file_that_is_cut_off_keeps_what_there_is(
    unmix: Unmix, small_model: Path, tmp_path: Path
) -> None:
    path = tmp_path / "cut.flac"
    soundfile.write(path, 0.1 * noise(3.0), RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    done = unmix("separate", path, "-m", small_model, "--pitch", "-o", tmp_path / "out")
    assert done.code == 1
    stem = soundfile.info(tmp_path / "out" / "cut" / "vocals.wav")
    f0 = read_f0(tmp_path / "out" / "cut" / "vocals.f0.csv")
    assert len(f0) == 1 + int(stem.frames / (RATE * 0.01)) < 301


def test_joint_model_gives_both(unmix: Unmix, sung: Path, tmp_path: Path) -> None:
    model = write_pitch_model(tmp_path / "joint", threshold=0.02)
    out = tmp_path / "out"
    done = unmix("separate", sung, "-m", model, "--pitch", "--bits", "32f", "-o", out)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[1] == "joint finds the pitch of the vocals"
    assert unmix("pitch", sung, "-m", model, "--stems", "-o", tmp_path / "pitch").code == 0
    folder = out / sung.stem
    wanted = tmp_path / "pitch" / f"{sung.stem}.f0.csv"
    assert (folder / "vocals.f0.csv").read_bytes() == wanted.read_bytes()
    assert read_f0(wanted).voiced.any()
    stems = folder / "vocals.wav", wanted.with_name(f"{sung.stem}.vocals.wav")
    one, two = (soundfile.read(path, dtype="float32")[0] for path in stems)
    assert np.array_equal(one, two)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-m", "umxse"], "--pitch is that of the vocals: umxse has no stem 'vocals'"),
        (["-m", "deep-salience-vocal"], "type: unmix pitch INPUT --model deep-salience-vocal"),
        (["-s", "vocals", "-o", "-"], "--pitch and --out -: there is no folder for the CSV"),
        (["-s", "vocals", "--name", "{track}.{ext}"], "needs {stem}, for several"),
        (["--mix", "vocals.f0=vocals"], "two different outputs are called 'vocals.f0'"),
        (["--mix", "vocals=accompaniment"], "two different outputs are called 'vocals'"),
    ],
)
def test_wrong_usage(
    unmix: Unmix, small_model: Path, sung: Path, words: list[str], message: str
) -> None:
    model = [] if "-m" in words else ["-m", small_model]
    refused = unmix("separate", sung, "--pitch", *model, *words)
    assert (refused.code, refused.out) == (2, "")
    assert message in refused.err
    assert refused.err.count("\n") == 1
    assert files(sung.parent) == [sung.name]


def test_two_songs_on_one_file(unmix: Unmix, small_model: Path, tmp_path: Path) -> None:
    songs = [tmp_path / "song.wav", tmp_path / "song.flac"]
    for song in songs:
        soundfile.write(song, noise(0.1), RATE)
    words = [*songs, "-m", small_model, "-s", "vocals", "--pitch", "-o", tmp_path / "out"]
    apart = unmix("separate", *words, "--dry-run", "--name", "{source_ext}/{stem}.{ext}")
    assert apart.code == 0
    refused = unmix("separate", *words, "--name", "{track}-{stem}.{ext}")
    assert refused.code == 2
    assert "would both write" in refused.err
