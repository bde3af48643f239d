"""One file over HTTP into a `.part` file: resumed, bounded, watched.

It knows nothing of models: whether the bytes are the right ones is for its caller to find out.
Whatever has arrived stays in the file, so that the next attempt asks for the rest only. Redirects
and proxies of the environment are followed.
"""

from __future__ import annotations

import codecs
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPException, HTTPResponse
from itertools import chain
from pathlib import Path
from threading import Event

from unmixcli.errors import ResourceError
from unmixcli.models.alone import StoppedError
from unmixcli.version import __version__

Watch = Callable[[int, int | None], None]
"""Told the bytes that are here, and the bytes in all where that is known."""

BLOCK_BYTES = 1 << 18
TIMEOUT_S = 20.0
UNSATISFIABLE = 416

WEB_PAGE = (
    "the address answered with a web page, not with the file, as networks do in which one must log "
    "in first"
)

_PAGES = ("text/html", "application/xhtml+xml", "application/xml", "text/xml")
_PAGE_STARTS = (b"<!doctype html", b"<html", b"<?xml", b"<!--")


class TransferError(Exception):
    """The other side failed; it may be asked again."""


def download(
    address: str,
    part: Path,
    *,
    size: int | None = None,
    watch: Watch = lambda *_: None,
    stop: Event | None = None,
    timeout_s: float = TIMEOUT_S,
) -> None:
    """Complete `part` from `address`.

    Args:
        address: http or https.
        part: what is there of it already is kept, unless the server cannot resume.
        size: bytes of the whole file; a server that sends more is cut short.
        watch: called after each block.
        stop: ends the work between two blocks.
        timeout_s: how long the server may say nothing.

    Raises:
        TransferError: if the server fails, breaks off, stalls, or sends too much or a web page.
        ResourceError: if the rest would not fit on the disk.
        StoppedError: after `stop`.
        OSError: if `part` cannot be written.
    """
    have = part.stat().st_size if part.exists() else 0
    if size is not None and have >= size:
        return
    with _opened(address, have, timeout_s=timeout_s) as response:
        lost = have if response.status != 206 else 0
        have = have if response.status == 206 else 0
        announced = _announced(response, have)
        total = announced if size is None else size
        check_space(part.parent, (total or 0) - have, what=part.name)
        blocks = _blocks(response)
        first = next(blocks, b"")
        # Before what is here already is given up for it.
        _refuse_page(response, first)
        if lost and None not in (size, announced) and announced != size:
            raise TransferError(f"offers {announced} bytes, not the {size} of the file")
        with part.open("ab" if have else "wb") as sink:
            for block in chain([first], blocks):
                sink.write(block)
                have += len(block)
                if total is not None and have > total:
                    # None of it can be trusted, so none of it is resumed.
                    sink.truncate(0)
                    raise TransferError(f"sends more than {total} bytes")
                watch(have, total)
                if stop is not None and stop.is_set():
                    raise StoppedError
    if total is not None and have < total:
        raise TransferError(f"broke off after {have} of {total} bytes")


def check_space(folder: Path, needed: int, *, what: str, variable: str = "UNMIX_CACHE") -> None:
    """Compare free space with bytes that are needed; the variable names another folder.

    Raises:
        ResourceError: if they do not fit.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ResourceError(
            f"{folder}: {what} needs {needed / 1e6:.0f} MB, {free / 1e6:.0f} MB are free; "
            f"make room, or name another folder by {variable}"
        )


def _opened(address: str, have: int, *, timeout_s: float) -> HTTPResponse:
    """The answer to a request for all from byte `have` on, or for all if that is refused."""
    headers = {"User-Agent": f"unmix/{__version__}"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        request = urllib.request.Request(address, headers=headers)
        response: HTTPResponse = urllib.request.urlopen(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        if have and error.code == UNSATISFIABLE:
            return _opened(address, 0, timeout_s=timeout_s)
        raise TransferError(_in_a_line(str(error))) from error
    except (OSError, HTTPException, ValueError) as error:
        reason = str(getattr(error, "reason", error)) or repr(error)
        raise TransferError(_in_a_line(reason)) from error
    if response.status == 206 and _first_byte(response) not in (None, have):
        response.close()
        if have:
            return _opened(address, 0, timeout_s=timeout_s)
        raise TransferError("sends another part of the file than was asked for")
    return response


def _refuse_page(response: HTTPResponse, beginning: bytes) -> None:
    """Refuse HTML and XML, which no file of weights is, whatever status they came with."""
    text = beginning.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    announced = response.headers.get_content_type() in _PAGES and text.startswith(b"<")
    if announced or text.startswith(_PAGE_STARTS):
        raise TransferError(WEB_PAGE)


def _blocks(response: HTTPResponse) -> Iterator[bytes]:
    while True:
        try:
            # As much as is here: a whole block would be lost with a server that stalls in it.
            block = response.read1(BLOCK_BYTES)
        except TimeoutError as error:
            raise TransferError("stalled") from error
        except (OSError, HTTPException, ValueError) as error:
            raise TransferError(f"broke off: {_in_a_line(str(error))}") from error
        if not block:
            return
        yield block


def _in_a_line(text: str) -> str:
    """What may hold a server's own bytes, fit for a terminal."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())


def _first_byte(response: HTTPResponse) -> int | None:
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _announced(response: HTTPResponse, have: int) -> int | None:
    """Bytes of the whole file as the server tells them, which may be a lie."""
    length = response.headers.get("Content-Length", "")
    return have + int(length) if length.isdecimal() else None
