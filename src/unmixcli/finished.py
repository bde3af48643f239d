"""A result is finished or absent: what is written has another name until it is whole."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unmixcli.errors import ResourceError


@contextmanager
def finished_file(path: Path, *, hint: str = "") -> Iterator[Path]:
    """A hidden name beside `path`, under which the block writes a file.

    When the block ends well, the file gets its name, in place of what had it; otherwise it is
    removed. The folder is made.

    Raises:
        ResourceError: if the folder or the disk refuse; `hint` ends the sentence.
    """
    temporary = _hidden(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise _refused(path, error, hint) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def finished_folder(path: Path, *, hint: str = "") -> Iterator[Path]:
    """The same for a folder, which is there and empty when the block begins.

    Raises:
        ResourceError: as `finished_file`.
    """
    temporary = _hidden(path)
    old = temporary.with_suffix(".old")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if path.exists():
            path.rename(old)
        temporary.rename(path)
    except OSError as error:
        raise _refused(path, error, hint) from error
    finally:
        for leftover in (temporary, old):
            shutil.rmtree(leftover, ignore_errors=True)


def write_text(path: Path, text: str, *, encoding: str = "utf-8", hint: str = "") -> None:
    """Write a text file, whole or not at all.

    Raises:
        ResourceError: as `finished_file`.
    """
    with finished_file(path, hint=hint) as temporary:
        temporary.write_text(text, encoding=encoding)


def _hidden(path: Path) -> Path:
    # The end of a long name is enough; processes and threads must not meet.
    return path.with_name(f".{path.name[-40:]}.{os.getpid()}.{threading.get_ident()}.part")


def _refused(path: Path, error: OSError, hint: str) -> ResourceError:
    return ResourceError(f"{path}: cannot be written: {error.strerror or error}{hint}")
