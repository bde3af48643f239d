"""Models that the user brings: a folder, a single checkpoint, a repository of the Hugging Face Hub.

A folder or repository becomes a copy among the user's models, marked as such, so that `forget` can
tell it from a model that was trained there. A checkpoint goes to the model that knows it by hash.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from unmixcli.errors import ModelError, ResourceError, UsageError
from unmixcli.finished import finished_file, finished_folder
from unmixcli.models.addresses import is_offline
from unmixcli.models.card import Card, HubSource, WeightFile, read_card
from unmixcli.models.catalogue import CARD_NAME, Model, find_model, list_models
from unmixcli.models.download import TransferError
from unmixcli.models.hub_cache import hub_file
from unmixcli.models.paths import builtin_folder, user_folder
from unmixcli.models.toml import toml_text
from unmixcli.models.weights import (
    cached_path,
    file_path,
    missing,
    remember,
    remove,
    sha256,
    tail_md5,
    verify,
)

HUB_PREFIX = "hf:"
MARK = ".added"
"""A file in each copy that says where it is from."""

_COMMIT = re.compile(r"[0-9a-f]{40}")

Ask = Callable[[Card], None]
"""Called with a card before its weights are fetched; raises if its terms are not agreed to."""


@dataclass(frozen=True)
class Repository:
    """A repository of the Hub at a revision."""

    repo: str
    revision: str = "main"

    def source(self, path: str) -> HubSource:
        """A file of it."""
        return HubSource(repo=self.repo, revision=self.revision, path=path)


@dataclass(frozen=True)
class _Hashed:
    """A file's size and hashes, to be compared with many cards."""

    size: int
    sha256: str
    tail_md5: str

    @classmethod
    def of(cls, path: Path) -> _Hashed:
        return cls(path.stat().st_size, sha256(path), tail_md5(path))

    def is_of(self, file: WeightFile) -> bool:
        return (
            file.size in (None, self.size)
            and self.sha256.startswith(file.expected_hash)
            and file.tail_md5 in (None, self.tail_md5)
        )

    def find(self) -> Model | None:
        """The first model one of whose files this is."""
        known = (model for model in list_models() if any(map(self.is_of, model.card.files)))
        return next(known, None)


def add(text: str, *, ask: Ask = lambda _: None) -> Model:
    """Add what `text` names: `hf:owner/repo[@revision]`, a folder with a card, or a checkpoint.

    Raises:
        UsageError: for something else, or a name that is taken.
        ModelError: for a card or weights that are not what they should be, or a checkpoint that
            nobody knows.
        ResourceError: if the copy cannot be written.
    """
    if text.startswith(HUB_PREFIX):
        return _add_repository(parse_repository(text), ask)
    path = Path(text)
    if path.is_dir():
        return _add_folder(path)
    if path.is_file():
        return _add_file(path)
    raise UsageError(
        f"{text}: is no folder with a {CARD_NAME}, no checkpoint and no hf:OWNER/REPO[@REVISION]"
    )


def parse_repository(text: str) -> Repository:
    """Read `hf:owner/repo[@revision]`.

    Raises:
        UsageError: for another form.
    """
    found = re.fullmatch(r"hf:([\w.-]+/[\w.-]+)(?:@([\w./-]+))?", text)
    if found is None:
        raise UsageError(f"{text!r} must look like hf:OWNER/REPO or hf:OWNER/REPO@REVISION")
    return Repository(found[1], found[2] or "main")


def known_file(path: Path) -> Model | None:
    """The model to which a checkpoint belongs; None if nobody knows it.

    The catalogue is asked first, for its hashes. Then, for an ONNX file, the table of MDX-Net
    models makes a new card, and for a Roformer's `.ckpt` the YAML of the same name beside it.

    Raises:
        ModelError: for such a file of which no card can be made, with the reason.
    """
    if known := _Hashed.of(path).find():
        return known
    config = path.with_suffix(".yaml")
    if path.suffix == ".onnx":
        from unmixcli.models.adapters import mdx

        card = mdx.card_for(path)
    elif path.suffix == ".ckpt" and config.is_file():
        from unmixcli.models.adapters import roformer_card

        card = roformer_card.card_for(path, config=config)
    else:
        return None
    return Model(card, user_folder() / card.name)


def add_converted(checkpoint: Path, *, trust: bool) -> Model | None:
    """Convert a pickled checkpoint that a card knows, and add its model with what comes out.

    The other pickles of a bag are taken from where `pull` has put them.

    Returns:
        The model, which hides the one of the catalogue; None for a checkpoint that no card knows.

    Raises:
        UsageError: for a name that is taken.
        ModelError: without trust, or if one is missing or cannot be converted.
        ResourceError: if the copy cannot be written.
    """
    hashed = _Hashed.of(checkpoint)
    model = hashed.find()
    if model is None:
        return None
    own = next(file.name for file in model.card.files if hashed.is_of(file))
    pickles = {**_other_pickles(model, own), own: checkpoint}
    with finished_folder(_free_folder(model.card)) as folder:
        files = tuple(
            _converted(pickles[file.name], file, folder, trust=trust)
            if file.name in pickles
            else file
            for file in model.card.files
        )
        _write_card(model.card.model_copy(update={"files": files}), folder)
        _mark(folder, str(checkpoint.resolve()))
    return find_model(model.name)


def _other_pickles(model: Model, name: str) -> dict[str, Path]:
    """The verified pickles of a model but the one of this name, by their names on the card."""
    found = {}
    for file in model.card.files:
        if file.name.endswith(".th") and file.name != name:
            path = file_path(model.card, file, model.folder)
            if not path.is_file():
                raise missing(model.card, model.folder)
            verify(path, file)
            found[file.name] = path
    return found


def _converted(checkpoint: Path, file: WeightFile, folder: Path, *, trust: bool) -> WeightFile:
    from unmixcli.models.convert import convert_file

    path = folder / f"{file.role}.safetensors"
    convert_file(checkpoint, out=path, trust=trust)
    size = path.stat().st_size
    return WeightFile(role=file.role, name=path.name, sha256=sha256(path), size=size)


def forget(model: Model) -> int:
    """Delete the cached weights of a model, and the copy of one that was added.

    Returns:
        The bytes that were freed.

    Raises:
        UsageError: for a model whose weights are not copies but the only ones.
        ResourceError: if something cannot be deleted.
    """
    if (model.folder / MARK).is_file():
        return remove(model.card) + _delete(model.folder)
    if any(file.source is None for file in model.card.files):
        if model.folder.is_relative_to(builtin_folder()):
            raise UsageError(f"{model.name}: comes with this program and stays")
        raise UsageError(f"{model.name}: is no copy; to lose it, delete {model.folder} by hand")
    return remove(model.card)


def _add_folder(folder: Path) -> Model:
    if not (folder / CARD_NAME).is_file():
        raise UsageError(
            f"{folder}: is no model: it holds no {CARD_NAME}; write one, or add a checkpoint by "
            "the name of its file"
        )
    card = read_card(folder / CARD_NAME)
    own = [file for file in card.files if file.source is None]
    for file in own:
        verify(folder / file.name, file)
    files = [folder / name for name in (CARD_NAME, *(file.name for file in own))]
    return _copied(card, files, origin=str(folder.resolve()))


def _add_repository(repository: Repository, ask: Ask) -> Model:
    found = _from_hub(repository.source(CARD_NAME))
    card = read_card(found)
    _free_folder(card)
    ask(card)
    # The client keeps a revision in a folder named by its commit; the weights come from the same.
    commit = found.parent.name
    revision = commit if _COMMIT.fullmatch(commit) else repository.revision
    pinned = Repository(repository.repo, revision)
    files = [found]
    for file in card.files:
        if file.source is None:
            files.append(_from_hub(pinned.source(file.name)))
            verify(files[-1], file)
    return _copied(card, files, origin=f"hf:{pinned.repo}@{pinned.revision}")


def _from_hub(source: HubSource) -> Path:
    try:
        return hub_file(source, offline=is_offline())
    except TransferError as error:
        raise ModelError(
            f"hf:{source.repo}@{source.revision}: {source.path} cannot be had ({error}); check the "
            "name and the connection, or download the repository by hand and add its folder"
        ) from error


def _add_file(path: Path) -> Model:
    model = known_file(path)
    if model is None:
        raise ModelError(
            f"{path}: no card knows this file by its hash; write a {CARD_NAME} beside it and add "
            "the folder"
        )
    if not (model.folder / CARD_NAME).is_file():
        return _new_model(model.card, path)
    hashed = _Hashed.of(path)
    file = next(file for file in model.card.files if hashed.is_of(file))
    place = cached_path(model.card, file)
    # Against what came first: its digits on the card might be those of another file, too.
    verify(path, file, place=place)
    with finished_file(place) as temporary:
        shutil.copyfile(path, temporary)
    remember(place, file)
    return model


def _new_model(card: Card, path: Path) -> Model:
    with finished_folder(_free_folder(card)) as folder:
        shutil.copyfile(path, folder / card.files[0].name)
        _write_card(card, folder)
        _mark(folder, str(path.resolve()))
    return find_model(card.name)


def _copied(card: Card, files: Iterable[Path], *, origin: str) -> Model:
    _check_name(card)
    with finished_folder(_free_folder(card)) as folder:
        for path in files:
            shutil.copyfile(path, folder / path.name)
        _mark(folder, origin)
    return find_model(card.name)


def _check_name(card: Card) -> None:
    """Refuse to stand in for a model of the catalogue with other weights."""
    known = [
        model
        for model in list_models()
        if model.name == card.name and not model.folder.is_relative_to(user_folder())
    ]
    if known and _identity(known[0].card) != _identity(card):
        raise UsageError(
            f"{card.name}: the catalogue has another model of this name; give this one a name of "
            f"its own in its {CARD_NAME}"
        )


def _identity(card: Card) -> list[tuple[str, str]]:
    return [(file.name, file.expected_hash or file.tail_md5 or "") for file in card.files]


def _free_folder(card: Card) -> Path:
    folder = user_folder() / card.name
    if folder.exists():
        raise UsageError(
            f"{folder}: is there already; remove it first by: unmix models remove {card.name}"
        )
    return folder


def _write_card(card: Card, folder: Path) -> None:
    content = card.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    (folder / CARD_NAME).write_text(toml_text(content), encoding="utf-8")


def _mark(folder: Path, origin: str) -> None:
    (folder / MARK).write_text(f"{origin}\n", encoding="utf-8", errors="backslashreplace")


def _delete(folder: Path) -> int:
    freed = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise ResourceError(f"{folder}: cannot be deleted: {error.strerror or error}") from error
    return freed
