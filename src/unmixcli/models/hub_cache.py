"""Files of the Hugging Face Hub, by its own client, in its own cache, which other programs share.

`HF_ENDPOINT`, `HF_HOME` and the like, tokens and proxies are the client's business. It is imported
inside: it is heavy, and most commands do without.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

from unmixcli.models.alone import StoppedError
from unmixcli.models.card import HubSource
from unmixcli.models.download import WEB_PAGE, TransferError, Watch


def hub_file(
    source: HubSource,
    *,
    offline: bool = False,
    anew: bool = False,
    watch: Watch = lambda *_: None,
    stop: Event | None = None,
) -> Path:
    """The file in the Hub's cache, downloaded if it is not there.

    Args:
        source: repository, revision and path.
        offline: only look; no connection is opened.
        anew: replace what is in the cache.
        watch: told the bytes that are here, and all.
        stop: ends the download.

    Raises:
        TransferError: if it cannot be had.
        StoppedError: after `stop`.
        OSError: if the disk is full or not writable.
    """
    if offline:
        return _cached(source)
    from huggingface_hub import hf_hub_download

    # The client warns and retries in lines of its own; what it comes to is told once, here.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        if anew:
            # Otherwise the client may keep the link to what it has, though the Hub has another.
            _forget_pointer(source)
        return Path(
            hf_hub_download(
                source.repo,
                source.path,
                revision=source.revision,
                force_download=anew,
                tqdm_class=_bars(watch, stop),
            )
        )
    except StoppedError:
        raise
    except Exception as error:
        # Its transport, and with it the kinds of errors, changes from version to version.
        if isinstance(error, OSError) and error.errno is not None and error.filename:
            raise
        raise TransferError(_reason(error)) from error


def _reason(error: Exception) -> str:
    from huggingface_hub.errors import FileMetadataError

    # What the client raises last says no more than that its cache has not the file.
    cause = error.__cause__ or error
    if isinstance(cause, FileMetadataError):
        return f"{WEB_PAGE}, or it is no Hub"
    return str(cause).partition("\n")[0] or repr(error)


def _cached(source: HubSource) -> Path:
    # Even with local_files_only=True, downloading asks the Hub how to name the client.
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(source.repo, source.path, revision=source.revision)
    if not isinstance(found, str):
        raise TransferError("the Hub's cache has it not")
    return Path(found)


def hub_folder() -> Path:
    """Where the Hub's cache is, or the folder above it that is there already."""
    from huggingface_hub.constants import HF_HUB_CACHE

    folder = Path(HF_HUB_CACHE).absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


def _forget_pointer(source: HubSource) -> None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(source.repo, source.path, revision=source.revision)
    if isinstance(found, str):
        Path(found).unlink(missing_ok=True)


def forget_hub_file(link: Path) -> int:
    """Delete the file of the Hub's cache that one of our links points at.

    Other files of the repository, and bytes that another revision needs, stay.

    Args:
        link: in our cache.

    Returns:
        The bytes that were freed.
    """
    pointer = link.parent / link.readlink()
    if not pointer.exists():
        return 0
    blob, size = pointer.resolve(), pointer.stat().st_size
    pointer.unlink()
    if blob == pointer:
        return size
    repository = blob.parent.parent
    if any(other.resolve() == blob for other in repository.glob("snapshots/**/*")):
        return 0
    blob.unlink(missing_ok=True)
    return size


def _bars(watch: Watch, stop: Event | None) -> Any:
    """What the client takes for a class of progress bars, and makes one of for each file."""

    def bar(*_: object, total: float | None = None, initial: float = 0, **__: object) -> _Bar:
        return _Bar(watch, stop, total=total, initial=initial)

    return bar


class _Bar:
    """The part of tqdm's interface that the client uses."""

    def __init__(
        self, watch: Watch, stop: Event | None, *, total: float | None, initial: float
    ) -> None:
        self._watch, self._stop = watch, stop
        self.total, self.n = total, initial

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, n: float | None = 1) -> None:
        """Count on."""
        if self._stop is not None and self._stop.is_set():
            raise StoppedError
        self.n += n or 0
        self._watch(int(self.n), None if self.total is None else int(self.total))

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *_, **__: None
