"""Models that the user brings, and those that go again."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import make_model
from server_for_tests import COMMIT, Server, serve
from unmixcli.errors import ModelError, UsageError
from unmixcli.models import catalogue, convert
from unmixcli.models.added import (
    Repository,
    add,
    add_converted,
    forget,
    known_file,
    parse_repository,
)
from unmixcli.models.card import Card, HubSource, WebSource, WeightFile, read_card
from unmixcli.models.catalogue import find_model, list_models
from unmixcli.models.toml import toml_text
from unmixcli.models.weights import TAIL_BYTES, cached_path, verify_installed


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalogue with one model to download, and nobody's cache."""
    monkeypatch.setenv("UNMIX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UNMIX_MODELS", str(tmp_path / "user"))
    monkeypatch.setattr(catalogue, "builtin_folder", lambda: tmp_path / "builtin")
    return tmp_path / "user"


def in_catalogue(folder: Path, files: tuple[WeightFile, ...]) -> Card:
    """A model whose files are elsewhere."""
    template = read_card(make_model(folder) / "model.toml")
    card = template.model_copy(update={"files": files})
    content = card.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    (folder / "model.toml").write_text(toml_text(content))
    return card


def remote(content: bytes, *, role: str = "vocals", **stated: str) -> WeightFile:
    stated = stated or {"sha256": hashlib.sha256(content).hexdigest()}
    source = WebSource(url="https://example.invalid/x")
    return WeightFile(role=role, name=f"{role}.pth", source=source, **stated)


def test_a_folder_becomes_a_copy(tmp_path: Path, user: Path) -> None:
    given = make_model(tmp_path / "given" / "mine")
    model = add(str(given))
    assert model.folder == user / "mine"
    verify_installed(model.card, model.folder)
    assert find_model("mine").folder == user / "mine"
    assert {path.name for path in given.iterdir()} < {path.name for path in model.folder.iterdir()}


def test_a_copy_goes_again_and_frees_what_it_held(tmp_path: Path, user: Path) -> None:
    given = make_model(tmp_path / "given" / "mine")
    model = add(str(given))
    held = sum(path.stat().st_size for path in model.folder.iterdir())
    assert forget(model) == held
    assert not model.folder.exists()
    assert given.is_dir()
    assert [model.name for model in list_models()] == []


def test_what_is_no_copy_stays(user: Path) -> None:
    trained = make_model(user / "trained")
    with pytest.raises(UsageError, match=r"trained: is no copy; to lose it, delete .* by hand"):
        forget(find_model("trained"))
    assert (trained / "vocals.safetensors").is_file()


def test_nothing_is_replaced(tmp_path: Path, user: Path) -> None:
    there = make_model(user / "mine")
    before = (there / "vocals.safetensors").stat().st_mtime_ns
    with pytest.raises(UsageError, match=r"is there already; .* unmix models remove mine"):
        add(str(make_model(tmp_path / "given" / "mine")))
    assert (there / "vocals.safetensors").stat().st_mtime_ns == before


def test_no_model_of_the_catalogue_is_replaced_by_another(tmp_path: Path, user: Path) -> None:
    make_model(tmp_path / "builtin" / "known")
    with pytest.raises(UsageError, match="the catalogue has another model of this name"):
        add(str(make_model(tmp_path / "given" / "known", seed=1)))
    assert not (user / "known").exists()
    # The same weights may be kept as a copy.
    assert add(str(make_model(tmp_path / "same" / "known"))).folder == user / "known"


def test_damaged_weights_are_not_added(tmp_path: Path, user: Path) -> None:
    given = make_model(tmp_path / "mine")
    (given / "vocals.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelError, match="damaged or tampered with"):
        add(str(given))
    assert not user.exists()


@pytest.mark.parametrize(
    "stated",
    [
        {"sha256": hashlib.sha256(b"weights").hexdigest()},
        {"sha256_prefix": hashlib.sha256(b"weights").hexdigest()[:8]},
        {"tail_md5": hashlib.md5(b"weights").hexdigest()},
    ],
    ids=["sha256", "prefix", "tail"],
)
def test_a_checkpoint_goes_to_the_model_that_knows_it(
    tmp_path: Path, stated: dict[str, str]
) -> None:
    files = (remote(b"other"), remote(b"weights", role="accompaniment", **stated))
    card = in_catalogue(tmp_path / "builtin" / "known", files)
    found = tmp_path / "named by its finder.pth"
    found.write_bytes(b"weights")
    assert add(str(found)).name == "known"
    assert cached_path(card, files[1]).read_bytes() == b"weights"
    assert not cached_path(card, files[0]).exists()


def test_a_checkpoint_that_nobody_knows(tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(b"?")
    assert known_file(tmp_path / "x.pth") is None
    with pytest.raises(ModelError, match=r"no card knows this file by its hash; write a"):
        add(str(tmp_path / "x.pth"))


def test_an_onnx_file_of_the_table_becomes_a_model(
    tmp_path: Path, user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table decides; here it knows the md5 of a file of ours."""
    from unmixcli.models.adapters import mdx

    path = tmp_path / "My Net.onnx"
    path.write_bytes(b"graph")
    facts = next(iter(mdx._table().values()))
    known = {hashlib.md5(b"graph").hexdigest(): facts}
    monkeypatch.setattr(mdx, "_table", lambda: known)
    model = add(str(path))
    assert model.card.architecture == "mdx"
    assert read_card(model.folder / "model.toml") == mdx.card_for(path)
    verify_installed(model.card, model.folder)
    assert forget(model) > 0


def test_an_onnx_file_that_is_not_in_the_table(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"?")
    with pytest.raises(ModelError, match=hashlib.md5(b"?").hexdigest()):
        add(str(tmp_path / "x.onnx"))


def test_a_converted_checkpoint_hides_the_model_of_the_catalogue(
    tmp_path: Path, user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def converted(path: Path, *, out: Path, trust: bool) -> None:
        assert trust
        out.write_bytes(b"safe " + path.read_bytes())

    monkeypatch.setattr(convert, "convert_file", converted)
    checkpoint = tmp_path / "x.th"
    checkpoint.write_bytes(b"pickle")
    in_catalogue(tmp_path / "builtin" / "old", (remote(b"pickle", role="signature"),))
    model = add_converted(checkpoint, trust=True)
    assert model is not None
    assert model.folder == user / "old"
    assert model.installed
    verify_installed(model.card, model.folder)
    assert (user / "old" / "signature.safetensors").read_bytes() == b"safe pickle"


def test_a_bag_of_pickles_is_converted_whole(
    tmp_path: Path, user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def converted(path: Path, *, out: Path, trust: bool) -> None:
        assert trust
        out.write_bytes(b"safe " + path.read_bytes())

    monkeypatch.setattr(convert, "convert_file", converted)
    names = {"a": b"one", "b": b"two"}
    files = tuple(
        remote(content, role=role).model_copy(update={"name": f"{role}.th"})
        for role, content in names.items()
    )
    card = in_catalogue(tmp_path / "builtin" / "bag", files)
    checkpoint = tmp_path / "named otherwise"
    checkpoint.write_bytes(b"one")
    with pytest.raises(ModelError, match="bag: its weights are not here; get it by: unmix models"):
        add_converted(checkpoint, trust=True)
    assert not (user / "bag").exists()
    other = cached_path(card, files[1])
    other.parent.mkdir(parents=True)
    other.write_bytes(b"two")
    model = add_converted(checkpoint, trust=True)
    assert model is not None
    verify_installed(model.card, model.folder)
    assert {path.read_bytes() for path in model.folder.glob("*.safetensors")} == {
        b"safe one",
        b"safe two",
    }


def test_a_pickle_is_not_read_without_trust(tmp_path: Path, user: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "harm"),)

    content = pickle.dumps(Harm())
    (tmp_path / "x.th").write_bytes(content)
    in_catalogue(tmp_path / "builtin" / "old", (remote(content),))
    with pytest.raises(ModelError, match="--trust"):
        add_converted(tmp_path / "x.th", trust=False)
    assert not (tmp_path / "harm").exists()
    assert not (user / "old").exists()


@pytest.mark.parametrize(
    ("text", "repository"),
    [
        ("hf:a/b", Repository("a/b")),
        ("hf:a-1/b.c@v1.0", Repository("a-1/b.c", "v1.0")),
        ("hf:a/b@refs/pr/1", Repository("a/b", "refs/pr/1")),
    ],
)
def test_repositories(text: str, repository: Repository) -> None:
    assert parse_repository(text) == repository


@pytest.mark.parametrize("text", ["hf:a", "hf:a/b/c", "hf:a/b@", "hf:../b?x"])
def test_what_is_no_repository(text: str) -> None:
    with pytest.raises(UsageError, match="must look like hf:OWNER/REPO"):
        add(text)


def test_a_folder_without_a_card(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"empty: is no model: it holds no model\.toml; write one"):
        add(str(tmp_path / "empty"))


def test_another_checkpoint_than_the_first_is_not_taken(tmp_path: Path) -> None:
    """Its end would do for the card."""
    right, wrong = b"1" + bytes(TAIL_BYTES), b"2" + bytes(TAIL_BYTES)
    md5 = hashlib.md5(bytes(TAIL_BYTES)).hexdigest()
    card = in_catalogue(tmp_path / "builtin" / "known", (remote(b"", tail_md5=md5),))
    path = tmp_path / "found.pth"
    path.write_bytes(right)
    add(str(path))
    path.write_bytes(wrong)
    with pytest.raises(ModelError, match="not the file that came first"):
        add(str(path))
    assert cached_path(card, card.files[0]).read_bytes() == right


def test_what_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no checkpoint and no hf:OWNER/REPO"):
        add(str(tmp_path / "nothing"))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Server]:
    """A Hub that holds one model at `main` and at its commit."""
    folder = make_model(tmp_path / "upstream" / "shared")
    with serve() as server:
        for path in folder.iterdir():
            for revision in ("main", COMMIT):
                name = f"/maker/shared/resolve/{revision}/{path.name}"
                server.files[name] = path.read_bytes()
        yield server


def add_apart(text: str, server: Server, tmp_path: Path, **environment: str) -> dict[str, object]:
    """Add in a process of its own, for the Hub's client reads its variables at its import."""
    code = (
        "import json, sys\n"
        "from unmixcli.errors import UnmixError\n"
        "from unmixcli.models.added import add\n"
        "try:\n"
        "    print(json.dumps({'folder': str(add(sys.argv[1]).folder)}))\n"
        "except UnmixError as error:\n"
        "    print(json.dumps({'error': str(error)}))\n"
    )
    given = {"HF_ENDPOINT": server.root, "HF_HOME": str(tmp_path / "hf"), **environment}
    done = subprocess.run(
        [sys.executable, "-c", code, text],
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    result: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_a_repository_becomes_a_copy(hub: Server, tmp_path: Path, user: Path) -> None:
    result = add_apart("hf:maker/shared", hub, tmp_path)
    assert result == {"folder": str(user / "shared")}
    model = find_model("shared")
    verify_installed(model.card, model.folder)
    assert (model.folder / ".added").read_text() == f"hf:maker/shared@{COMMIT}\n"


def test_weights_come_from_the_commit_of_the_card(hub: Server, tmp_path: Path) -> None:
    add_apart("hf:maker/shared@main", hub, tmp_path)
    weights = {a.path for a in hub.asked if a.path.endswith(".safetensors")}
    assert weights == {
        f"/maker/shared/resolve/{COMMIT}/{stem}.safetensors" for stem in ("vocals", "accompaniment")
    }


def test_a_repository_with_damaged_weights(hub: Server, tmp_path: Path, user: Path) -> None:
    hub.files[f"/maker/shared/resolve/{COMMIT}/vocals.safetensors"] = b"damaged"
    result = add_apart("hf:maker/shared", hub, tmp_path)
    assert "damaged or tampered with" in str(result["error"])
    assert not (user / "shared").exists()


def test_a_repository_without_a_card(hub: Server, tmp_path: Path) -> None:
    result = add_apart("hf:maker/nothing", hub, tmp_path)
    assert "hf:maker/nothing@main: model.toml cannot be had" in str(result["error"])
    assert "\n" not in str(result["error"])


def test_a_repository_offline(hub: Server, tmp_path: Path) -> None:
    result = add_apart("hf:maker/shared", hub, tmp_path, UNMIX_OFFLINE="1")
    assert "cannot be had (the Hub's cache has it not)" in str(result["error"])
    assert hub.asked == []


def test_a_card_that_was_written_reads_the_same(tmp_path: Path) -> None:
    file = WeightFile(
        role="all",
        name="w",
        sha256="0" * 64,
        source=HubSource(repo="a/b", revision="c", path='quoted "path"'),
    )
    card = in_catalogue(tmp_path / "builtin" / "x", (file, remote(b"", role="y")))
    assert read_card(tmp_path / "builtin" / "x" / "model.toml") == card
