"""Downloads: to a `.part` file, resumed, hashed before the rename, alone on each file."""

from __future__ import annotations

import fcntl
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO

from unmixcli.errors import ModelError, ResourceError, UsageError
from unmixcli.models.card import Card, HubSource, WebSource, WeightFile
from unmixcli.models.weights import cached_path, verify

Progress = Callable[[str, int, int | None], None]
"""Told the file's name, bytes that are here, and bytes in all where that is known."""

BLOCK_BYTES = 1 << 18
ATTEMPTS = 2
TIMEOUT_S = 30.0


def is_offline() -> bool:
    """Whether connections are forbidden by `UNMIX_OFFLINE` or `HF_HUB_OFFLINE`."""
    forbidden = (os.environ.get(name, "") for name in ("UNMIX_OFFLINE", "HF_HUB_OFFLINE"))
    return any(value.lower() not in {"", "0", "false", "no"} for value in forbidden)


def pull(card: Card, *, progress: Progress | None = None) -> list[Path]:
    """Bring every file of a model that can be downloaded into the cache, verified.

    Raises:
        UsageError: if nothing of the model can be downloaded, or connections are forbidden.
        ModelError: if a file cannot be had, or is not what the card says.
        ResourceError: if the disk is full or the cache cannot be written.
    """
    files = [file for file in card.files if isinstance(file.source, WebSource | HubSource)]
    if not files:
        raise UsageError(f"{card.name} is not downloaded: its weights come with a package")
    return [_pull_file(card, file, progress or (lambda *_: None)) for file in files]


def _pull_file(card: Card, file: WeightFile, progress: Progress) -> Path:
    path = cached_path(card, file)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone_on(path.with_name(path.name + ".part")) as part:
            if not path.is_file():
                _fetch(card, file, part, progress)
                part.replace(path)
            verify(path, file)
    except OSError as error:
        raise ResourceError(f"{path}: cannot be written: {error.strerror or error}") from error
    return path


@contextmanager
def _alone_on(part: Path) -> Iterator[Path]:
    """Hold a lock, so that of two processes one downloads and the other waits for it."""
    lock = part.with_name(part.name + ".lock")
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield part


def _fetch(card: Card, file: WeightFile, part: Path, progress: Progress) -> None:
    """Download into `part` until it is what the card says; one more attempt if it is not."""
    if is_offline():
        raise UsageError(f"{card.name}: {file.name} is not here, and connections are forbidden")
    _check_space(part, file)
    failure: Exception = ModelError("not attempted")
    for _ in range(ATTEMPTS):
        try:
            _transfer(file, part, progress)
            verify(part, file)
        except ModelError as error:
            # Wrong bytes cannot be resumed.
            part.unlink(missing_ok=True)
            failure = error
        except (urllib.error.URLError, HTTPException, ConnectionError, TimeoutError) as error:
            failure = error
        else:
            return
    address = _address(file)
    reason = failure if not isinstance(failure, ModelError) else "it is not what the card says"
    raise ModelError(
        f"{file.name} cannot be downloaded from {address} ({reason}); try again later, or put it "
        f"by hand at {part.with_suffix('')}"
    ) from failure


def _transfer(file: WeightFile, part: Path, progress: Progress) -> None:
    if isinstance(file.source, HubSource):
        _copy_from_hub(file.source, part)
        return
    have = part.stat().st_size if part.exists() else 0
    if file.size is not None and have >= file.size:
        return
    request = urllib.request.Request(_address(file))
    if have:
        request.add_header("Range", f"bytes={have}-")
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
        resumed = response.status == 206
        with part.open("ab" if resumed else "wb") as sink:
            _copy(response, sink, file.name, have if resumed else 0, progress)


def _copy(response: HTTPResponse, sink: BinaryIO, name: str, have: int, progress: Progress) -> None:
    length = response.headers.get("Content-Length")
    total = have + int(length) if length else None
    while block := response.read(BLOCK_BYTES):
        sink.write(block)
        have += len(block)
        progress(name, have, total)
    if total is not None and have < total:
        raise ConnectionError(f"broke off after {have} of {total} bytes")


def _copy_from_hub(source: HubSource, part: Path) -> None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        local = hf_hub_download(source.repo, source.path, revision=source.revision)
    except (HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise ConnectionError(str(error).splitlines()[0]) from error
    shutil.copyfile(local, part)


def _check_space(part: Path, file: WeightFile) -> None:
    free = shutil.disk_usage(part.parent).free
    if file.size is not None and file.size > free:
        raise ResourceError(
            f"{part.parent}: {file.name} needs {file.size / 1e6:.0f} MB, {free / 1e6:.0f} MB are "
            "free; make room, or name another folder by UNMIX_CACHE"
        )


def _address(file: WeightFile) -> str:
    if isinstance(file.source, HubSource):
        return f"hf:{file.source.repo}@{file.source.revision}/{file.source.path}"
    assert isinstance(file.source, WebSource)
    return file.source.url
