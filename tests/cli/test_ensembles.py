"""`unmix separate --model a+b`, and ensembles from TOML files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from conftest import make_model
from demucs_for_tests import htdemucs, model_folder
from unmixcli.models.catalogue import find_model
from unmixcli.models.ensemble import ensemble_of


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("several")
    return make_model(folder / "first"), make_model(folder / "second", seed=1)


def stems_of(unmix, song: Path, out: Path, model: object, *words: object) -> dict[str, np.ndarray]:
    outcome = unmix("separate", song, "--model", model, "--out", out, "--bits", "32f", *words)
    assert outcome.code == 0, outcome.err
    return {path.stem: soundfile.read(path)[0] for path in (out / song.stem).glob("*.wav")}


def test_two_models_are_averaged_and_sum_to_the_song(unmix, models, song, tmp_path) -> None:
    first, second = (
        stems_of(unmix, song, tmp_path / str(n), model) for n, model in enumerate(models)
    )
    both = stems_of(unmix, song, tmp_path / "both", f"{models[0]}+{models[1]}")
    assert both.keys() == first.keys()
    assert np.abs(first["vocals"] - second["vocals"]).max() > 1e-3
    mean = (first["vocals"] + second["vocals"]) / 2
    np.testing.assert_allclose(both["vocals"], mean, atol=2e-6)
    np.testing.assert_allclose(sum(both.values()), soundfile.read(song)[0], atol=2e-6)


def test_a_file_weighs_models_by_stem(unmix, models, song, tmp_path) -> None:
    path = tmp_path / "both.toml"
    path.write_text(
        f"""
        [[members]]
        model = "{models[0]}"
        [[members]]
        model = "{models[1]}"
        weights = {{vocals = 3.0}}
        """
    )
    first, second = (
        stems_of(unmix, song, tmp_path / str(n), model) for n, model in enumerate(models)
    )
    both = stems_of(unmix, song, tmp_path / "both", path, "--stems", "vocals")
    expected = 0.25 * first["vocals"] + 0.75 * second["vocals"]
    np.testing.assert_allclose(both["vocals"], expected, atol=2e-6)


@pytest.mark.parametrize("method", ["min", "max", "median"])
def test_choices_by_spectra_lie_between_the_models(unmix, models, song, tmp_path, method) -> None:
    path = tmp_path / "both.toml"
    members = "".join(f'[[members]]\nmodel = "{model}"\n' for model in models)
    path.write_text(f'method = "{method}"\n{members}')
    both = stems_of(unmix, song, tmp_path / "both", path)
    np.testing.assert_allclose(sum(both.values()), soundfile.read(song)[0], atol=2e-6)
    first, second = (
        stems_of(unmix, song, tmp_path / str(n), model) for n, model in enumerate(models)
    )
    powers = sorted(float(np.mean(s["vocals"] ** 2)) for s in (first, second))
    power = float(np.mean(both["vocals"] ** 2))
    if method == "min":
        assert power < powers[0]
    elif method == "max":
        assert power > powers[1]
    else:
        np.testing.assert_allclose(
            both["vocals"], (first["vocals"] + second["vocals"]) / 2, atol=1e-5
        )


@pytest.mark.parametrize("method", ["mean", "max"])
@pytest.mark.parametrize("stems", [(), ("--stems", "vocals"), ("--stems", "accompaniment")])
def test_measures_are_told_on_demand_and_change_no_sample(
    unmix, models, song, tmp_path, method, stems
) -> None:
    path = tmp_path / "both.toml"
    members = "".join(f'[[members]]\nmodel = "{model}"\n' for model in models)
    path.write_text(f'method = "{method}"\n{members}')
    plain = stems_of(unmix, song, tmp_path / "plain", path, *stems)
    words = ["separate", song, "-m", path, "-o", tmp_path / "told", "--bits", "32f", *stems]
    outcome = unmix(*words, "-v", "--json")
    assert outcome.code == 0, outcome.err
    events = [json.loads(line) for line in outcome.out.splitlines()]
    (said,) = (event["message"] for event in events if event["event"] == "notice")
    level = r"-\d+\.\d dB"
    both = f"vocals {level}, accompaniment {level}"
    assert re.fullmatch(f"inconsistency: {both}; mixing error: {level}", said)
    told = {p.stem: soundfile.read(p)[0] for p in (tmp_path / "told" / song.stem).glob("*.wav")}
    assert told.keys() == plain.keys()
    assert all(np.array_equal(told[name], plain[name]) for name in told)


def test_stems_that_nobody_gives_have_no_sum_to_measure(unmix, models, song, tmp_path) -> None:
    path = tmp_path / "vocals.toml"
    path.write_text(
        "".join(
            f'[[members]]\nmodel = "{model}"\nweights = {{accompaniment = 0.0}}\n'
            for model in models
        )
    )
    outcome = unmix("separate", song, "-m", path, "-o", tmp_path / "out", "-v")
    assert (outcome.code, outcome.err) == (0, "")
    assert "inconsistency" not in outcome.out


@pytest.mark.parametrize("ensemble", [False, True])
def test_models_of_samples_are_measured_by_their_sum(unmix, song, tmp_path, ensemble: bool) -> None:
    """Stems that are samples have no spectra of their own; random ones do not sum to the song."""
    model = model_folder(tmp_path / "samples", {"all": htdemucs()}).folder
    words = ["separate", song, "-m", f"{model}+{model}" if ensemble else model, "-s", "vocals"]
    plain = unmix(*words, "-o", tmp_path / "plain", "--bits", "32f")
    outcome = unmix(*words, "-o", tmp_path / "told", "--bits", "32f", "-v")
    assert (plain.code, outcome.code) == (0, 0)
    assert "inconsistency" not in plain.out
    (line,) = (line for line in outcome.out.splitlines() if "inconsistency" in line)
    *stems, error = (float(level) for level in re.findall(r"(\S+) dB", line))
    assert len(stems) == 4
    assert max(stems) < -110
    assert -60 < error < 20
    told, silent = (tmp_path / out / song.stem / "vocals.wav" for out in ("told", "plain"))
    assert np.array_equal(soundfile.read(told)[0], soundfile.read(silent)[0])


def test_another_member_is_another_model(unmix, models, song, tmp_path) -> None:
    """--skip-existing does again what was made by other weights."""
    out = tmp_path / "out"
    both = f"{models[0]}+{models[1]}"
    stems_of(unmix, song, out, both)
    again = unmix("separate", song, "--model", both, "--out", out, "--bits", "32f",
                  "--skip-existing", "--json")  # fmt: skip
    assert '"skipped"' in again.out
    other = unmix("separate", song, "--model", f"{models[1]}+{models[0]}", "--out", out,
                  "--bits", "32f", "--skip-existing", "--json")  # fmt: skip
    assert '"skipped"' not in other.out.replace('"skipped": 0', "")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[[members]]\nmodel = "{0}"', "members"),
        ('method = "mode"\n[[members]]\nmodel = "{0}"\n[[members]]\nmodel = "{1}"', "method"),
        (
            '[[members]]\nmodel = "{0}"\n[[members]]\nmodel = "{1}"\nweights = {{drums = 1}}',
            "has no stem 'drums'",
        ),
        ('[[members]]\nmodel = "{0}"\n[[members]]\nmodel = "nobody"', "no model is called"),
        ("what", "cannot be read as an ensemble"),
    ],
)
def test_errors_are_one_line(unmix, models, song, tmp_path, content: str, message: str) -> None:
    path = tmp_path / "both.toml"
    path.write_text(content.format(*models))
    outcome = unmix("separate", song, "--model", path, "--out", tmp_path / "out")
    assert outcome.code != 0
    assert message in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_name_is_missing(unmix, models, song, tmp_path) -> None:
    outcome = unmix("separate", song, "--model", f"{models[0]}+")
    assert outcome.code == 2
    assert "must read a+b" in outcome.err


def test_a_member_without_a_say_is_refused(unmix, models, song, tmp_path) -> None:
    struck = make_model(tmp_path / "struck", stems=("harmonic", "percussive"))
    card = (struck / "model.toml").read_text()
    (struck / "model.toml").write_text(card.replace('residual = "accompaniment"', ""))
    out = tmp_path / "out"
    outcome = unmix("separate", song, "--model", f"{models[0]}+{struck}", "--out", out)
    assert outcome.code == 1
    assert f"{struck} gives none of vocals, accompaniment" in outcome.err
    assert not out.exists()


def test_the_card_says_what_it_is_made_of(models) -> None:
    card = find_model(f"{models[0]}+{models[1]}").card
    assert [member.model for member in ensemble_of(card).members] == [str(m) for m in models]
    assert card.stems == find_model(str(models[0])).card.stems
    assert not card.files


def test_an_ensemble_is_installed_when_its_members_are(models) -> None:
    assert find_model(f"{models[0]}+{models[1]}").installed
    assert not find_model(f"{models[0]}+htdemucs").installed


def test_an_ensemble_may_be_the_default(unmix, models, song, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("UNMIX_MODELS", str(tmp_path / "own"))
    monkeypatch.chdir(models[0].parent)
    chosen = unmix("models", "use", "first+second")
    assert chosen.code == 0, chosen.err
    monkeypatch.chdir(tmp_path)
    assert unmix("models", "list").code == 0
    done = unmix("separate", song, "--out", tmp_path / "out")
    assert done.code == 0, done.err
    assert done.out.startswith("first_second: vocals, accompaniment")


@pytest.mark.parametrize("command", ["verify", "pull", "path", "remove"])
def test_what_is_done_to_weights_is_done_to_one_model(unmix, models, command: str) -> None:
    outcome = unmix("models", command, f"{models[0]}+{models[1]}")
    assert outcome.code == 2
    assert "is an ensemble; name its models instead" in outcome.err


def test_an_ensemble_is_no_member_of_itself(unmix, models, song, tmp_path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"{name}.toml").write_text(
            f'[[members]]\nmodel = "{models[0]}"\n[[members]]\nmodel = "{tmp_path}/{other}.toml"'
        )
    outcome = unmix("separate", song, "--model", tmp_path / "a.toml")
    assert outcome.code == 1
    assert "is a member of itself" in outcome.err
    assert len(outcome.err.splitlines()) == 1
