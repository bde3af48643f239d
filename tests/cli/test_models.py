"""`unmix models`: the list, the default, licences, downloads, verification, removal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import Outcome, make_model
from server_for_tests import CONTENT, Fault, Server, serve
from unmixcli.cli import models_run
from unmixcli.models import catalogue
from unmixcli.models.card import Card, Score, Speed, read_card
from unmixcli.models.chosen import chosen
from unmixcli.models.toml import toml_text
from unmixcli.models.weights import sha256

Unmix = Callable[..., Outcome]


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        yield running


@pytest.fixture
def builtin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server) -> Path:
    """A catalogue of our own: `free` and `bound`, not here, and `here`."""
    monkeypatch.setenv("UNMIX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UNMIX_MODELS", str(tmp_path / "user"))
    for name in ("UNMIX_OFFLINE", "HF_HUB_OFFLINE", "UNMIX_MIRROR"):
        # Set first, so that what --offline sets is undone.
        monkeypatch.setenv(name, "")
    folder = tmp_path / "builtin"
    monkeypatch.setattr(catalogue, "builtin_folder", lambda: folder)
    make_model(folder / "here")
    distant(folder / "free", server.url)
    distant(folder / "bound", server.url, commercial=False)
    return folder


def distant(folder: Path, url: str, *, commercial: bool = True) -> None:
    """A model whose one file is on a server."""
    make_model(folder)
    card = read_card(folder / "model.toml")
    content = card.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    (folder / "content").write_bytes(CONTENT)
    digest = sha256(folder / "content")
    content["files"] = [{"role": "all", "name": "w.pth", "sha256": digest, "source": {"url": url}}]
    if not commercial:
        content["licence"] = {"name": "CC BY-NC 4.0", "commercial": False, "note": "By a maker."}
    (folder / "model.toml").write_text(toml_text(content))


def rewrite(folder: Path, **changes: object) -> None:
    card: Card = read_card(folder / "model.toml").model_copy(update=changes)
    content = card.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    (folder / "model.toml").write_text(toml_text(content))


def listed(outcome: Outcome) -> list[str]:
    lines = outcome.out.splitlines()
    end = lines.index("") if "" in lines else len(lines)
    return [line.split()[0] for line in lines[1:end]]


def test_installed_models_stand_first(unmix: Unmix, builtin: Path) -> None:
    assert listed(unmix("models", "list")) == ["here", "bound", "free"]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("sdr", ["bound", "free", "here"]),
        ("speed", ["free", "here", "bound"]),
        ("size", ["free", "bound", "here"]),
    ],
)
def test_orders(unmix: Unmix, builtin: Path, order: str, expected: list[str]) -> None:
    """Of each order one model states nothing; it comes last."""

    def score(value: float) -> tuple[Score, ...]:
        return (Score(stem="vocals", metric="SDR", value=value, protocol="-", source="-"),)

    def speed(*factors: float) -> tuple[Speed, ...]:
        return tuple(Speed(factor=factor, device="cpu", command="-") for factor in factors)

    free, bound = (read_card(builtin / name / "model.toml") for name in ("free", "bound"))
    rewrite(
        builtin / "free",
        scores=score(6.0),
        speeds=speed(1.0, 9.0),
        files=(free.files[0].model_copy(update={"size": 10}),),
    )
    rewrite(
        builtin / "bound",
        scores=score(7.0),
        files=(bound.files[0].model_copy(update={"size": 11}),),
    )
    rewrite(builtin / "here", speeds=speed(8.0))
    outcome = unmix("models", "list", "--sort", order)
    assert listed(outcome) == expected
    words = {"sdr": "a score for every stem", "speed": "a measured speed", "size": "a stated size"}
    assert f"\nthose without {words[order]} come last: 1\n" in outcome.out
    assert "come last" not in unmix("models", "list").out


def test_a_stem_that_no_model_has(unmix: Unmix, builtin: Path) -> None:
    for words in ([], ["--json"]):
        outcome = unmix("models", "list", "--stem", "nonsense", *words)
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err == (
            "unmix: error: no model has the stem nonsense; known are accompaniment, vocals\n"
        )
    assert len(listed(unmix("models", "list", "--stem", "karaoke"))) == 3


def test_the_default_is_used_shown_and_taken_back(unmix: Unmix, builtin: Path) -> None:
    make_model(builtin / "rival")
    assert unmix("models", "use", "rival").code == 0
    assert catalogue.choose_model(()).model.name == "rival"
    assert "yes, default" in unmix("models", "list").out
    flags = {
        model["name"]: model["default"]
        for model in map(json.loads, unmix("models", "list", "--json").out.splitlines())
    }
    assert [name for name, is_default in flags.items() if is_default] == ["rival"]
    assert unmix("models", "use", "--none").code == 0
    assert catalogue.choose_model(()).model.name == "here"
    assert "default" not in unmix("models", "list").out


def test_a_folder_as_default(unmix: Unmix, builtin: Path, small_model: Path) -> None:
    unmix("models", "use", small_model)
    assert chosen().model == str(small_model)
    assert catalogue.choose_model(()).model.name == "small"


def test_separate_takes_the_default(unmix: Unmix, builtin: Path, song: Path) -> None:
    make_model(builtin / "rival")
    unmix("models", "use", "rival")
    outcome = unmix("separate", song, "--stems", "vocals", "--dry-run")
    assert outcome.out.startswith("rival: vocals")


@pytest.mark.parametrize("words", [[], ["here", "--none"], ["--none", "here"]])
def test_use_wants_one_thing(unmix: Unmix, builtin: Path, words: list[str]) -> None:
    outcome = unmix("models", "use", *words)
    assert outcome.code == 2
    assert "name one model to use, or --none" in outcome.err


def test_a_default_that_is_not_here_says_how_to_get_it(
    unmix: Unmix, builtin: Path, song: Path
) -> None:
    outcome = unmix("models", "use", "free")
    assert outcome.code == 0
    assert "get it by: unmix models pull free" in outcome.err
    outcome = unmix("separate", song)
    assert outcome.code != 0
    assert "free: its weights are not here; get it by: unmix models pull free" in outcome.err


def test_pull_wants_names_or_all(unmix: Unmix, builtin: Path) -> None:
    for words in ([], ["free", "--all"]):
        outcome = unmix("models", "pull", *words)
        assert outcome.code == 2
        assert "name the models to pull, or --all" in outcome.err


def test_pull_brings_a_model_from_a_broken_server(
    unmix: Unmix, builtin: Path, server: Server
) -> None:
    server.faults = [Fault(break_after=1000)]
    outcome = unmix("models", "pull", "free")
    assert (outcome.code, outcome.out) == (0, "free: downloaded and verified\n")
    assert unmix("models", "verify", "free").out == "ok      free\n"


def test_what_needs_no_download_counts_as_here(unmix: Unmix, builtin: Path) -> None:
    outcome = unmix("models", "pull", "here", "free")
    assert (outcome.code, outcome.err) == (0, "downloading free/w.pth\n")
    assert outcome.out.splitlines() == [
        "here: is here, there is nothing to download",
        "free: downloaded and verified",
    ]
    assert unmix("models", "pull", "here").code == 0


def test_what_no_download_brings_does_not_stop_the_others(unmix: Unmix, builtin: Path) -> None:
    (builtin / "here" / "vocals.safetensors").unlink()
    outcome = unmix("models", "pull", "here", "free")
    assert (outcome.code, outcome.out) == (1, "free: downloaded and verified\n")
    assert "here: its weights vocals.safetensors are not beside its card" in outcome.err


def test_terms_of_what_is_here_are_not_asked_for(unmix: Unmix, builtin: Path) -> None:
    bound = read_card(builtin / "bound" / "model.toml").licence
    rewrite(builtin / "here", licence=bound)
    assert unmix("models", "pull", "here").code == 0


def test_weak_proofs_are_told(unmix: Unmix, builtin: Path, server: Server) -> None:
    (file,) = read_card(builtin / "free" / "model.toml").files
    stated = {"sha256": None, "sha256_prefix": (file.sha256 or "")[:8]}
    rewrite(builtin / "free", files=(file.model_copy(update=stated),))
    told = "proven by the first 8 digits of its sha256; sha256 "
    shown = json.loads(unmix("models", "show", "free", "--json").out)
    assert shown["proofs"] == {"w.pth": told + "not yet recorded"}
    unmix("models", "pull", "free")
    told += "recorded at the first pull"
    assert unmix("models", "verify", "free", "here").out.splitlines() == [
        f"ok      free ({told})",
        "ok      here",
    ]
    assert json.loads(unmix("models", "show", "free", "--json").out)["proofs"] == {"w.pth": told}
    assert "recorded" in unmix("models", "show", "free").out


def test_a_web_page_in_place_of_the_weights(unmix: Unmix, builtin: Path, server: Server) -> None:
    server.files["/weights.pth"] = b"<html>Log in</html>"
    outcome = unmix("models", "pull", "free")
    assert outcome.code == 1
    assert "the address answered with a web page, not with the file" in outcome.err


def test_licence_is_asked_for_once(unmix: Unmix, builtin: Path) -> None:
    outcome = unmix("models", "pull", "bound")
    assert outcome.code == 2
    assert "bound: CC BY-NC 4.0. By a maker." in outcome.err
    assert "unmix models pull bound --accept-licence" in outcome.err
    outcome = unmix("models", "pull", "bound", "--accept-licence")
    assert outcome.code == 0
    assert "bound: CC BY-NC 4.0. By a maker." in outcome.err
    unmix("models", "remove", "bound")
    outcome = unmix("models", "pull", "bound")
    assert outcome.code == 0
    assert "CC BY-NC" not in outcome.err
    assert outcome.err.startswith("downloading ")


def test_other_terms_are_asked_for_again(unmix: Unmix, builtin: Path) -> None:
    unmix("models", "pull", "bound", "--accept-licence")
    card = read_card(builtin / "bound" / "model.toml")
    rewrite(builtin / "bound", licence=card.licence.model_copy(update={"name": "Stricter"}))
    assert "Stricter" in unmix("models", "pull", "bound").err


@pytest.mark.parametrize("answer", ["y", "n"])
def test_licence_on_a_terminal(
    unmix: Unmix, builtin: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr(models_run, "_is_terminal", lambda: True)
    monkeypatch.setattr(models_run.typer, "confirm", lambda *_, **__: answer == "y")
    outcome = unmix("models", "pull", "bound")
    assert outcome.code == (0 if answer == "y" else 2)
    assert (chosen().accepted == {"bound": "CC BY-NC 4.0"}) is (answer == "y")


def test_all_names_every_licence_before_it_begins(
    unmix: Unmix, builtin: Path, server: Server
) -> None:
    outcome = unmix("models", "pull", "--all")
    assert outcome.code == 2
    assert "bound: CC BY-NC 4.0" in outcome.err
    assert server.asked == []
    outcome = unmix("models", "pull", "--all", "--accept-licence")
    assert outcome.out.splitlines() == [
        "bound: downloaded and verified",
        "free: downloaded and verified",
    ]


def test_one_failure_does_not_hide_the_others(unmix: Unmix, builtin: Path, server: Server) -> None:
    distant(builtin / "lost", f"{server.root}/lost")
    outcome = unmix("models", "pull", "lost", "free")
    assert outcome.code == 1
    assert outcome.out == "free: downloaded and verified\n"
    assert "lost: w.pth cannot be downloaded" in outcome.err
    assert "Traceback" not in outcome.err


def test_verify_finds_damage(unmix: Unmix, builtin: Path, tmp_path: Path) -> None:
    unmix("models", "pull", "free")
    (weights,) = (tmp_path / "cache" / "models" / "free").glob("*/w.pth")
    weights.write_bytes(b"damaged")
    outcome = unmix("models", "verify")
    assert outcome.code == 1
    problem, fine = sorted(outcome.out.splitlines())
    assert problem.startswith("PROBLEM free: ")
    assert fine == "ok      here"
    assert unmix("models", "verify", "here").code == 0


def test_verify_of_a_model_that_is_not_here(unmix: Unmix, builtin: Path) -> None:
    outcome = unmix("models", "verify", "free")
    assert outcome.code == 1
    assert "PROBLEM free: its weights are not here" in outcome.out


def test_remove_says_what_it_freed(unmix: Unmix, builtin: Path) -> None:
    unmix("models", "pull", "free")
    assert unmix("models", "remove", "free").out == "free: 1.0 MB freed\n"
    assert unmix("models", "verify", "free").code == 1
    outcome = unmix("models", "remove", "here")
    assert outcome.code == 2
    assert (builtin / "here" / "vocals.safetensors").is_file()


def test_add_of_a_folder(unmix: Unmix, builtin: Path, tmp_path: Path) -> None:
    given = make_model(tmp_path / "given" / "mine")
    outcome = unmix("models", "add", given)
    assert outcome.out == f"mine: added; it lies in {tmp_path / 'user' / 'mine'}\n"
    assert "mine" in listed(unmix("models", "list"))
    assert unmix("models", "remove", "mine").code == 0
    assert "mine" not in listed(unmix("models", "list"))


def test_add_of_a_folder_without_a_card(unmix: Unmix, builtin: Path, tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    outcome = unmix("models", "add", tmp_path / "given")
    assert outcome.code == 2
    assert "given: is no model: it holds no model.toml" in outcome.err
    assert "Errno" not in outcome.err


def test_settings_that_cannot_be_read(unmix: Unmix, builtin: Path, tmp_path: Path) -> None:
    unmix("models", "use", "here")
    (tmp_path / "user" / "settings.toml").write_bytes(bytes(20))
    outcome = unmix("models", "list")
    assert outcome.code == 1
    assert "settings.toml: cannot be read" in outcome.err
    assert "mend or delete it" in outcome.err


def test_help_names_every_command(unmix: Unmix) -> None:
    out = unmix("models", "--help").out
    words = ("list", "show", "path", "pull", "verify", "remove", "use", "add", "convert", "export")
    assert [word for word in words if f" {word} " not in out] == []
