"""One file from a server that breaks off, lies, stalls and serves other ranges."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from http.client import HTTPMessage
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from server_for_tests import CONTENT, PAUSE_S, Fault, Server, serve
from unmixcli.errors import ResourceError, UsageError
from unmixcli.models import download as module
from unmixcli.models.addresses import address_of, mirrored
from unmixcli.models.alone import StoppedError
from unmixcli.models.card import HubSource, WebSource, WeightFile
from unmixcli.models.download import TransferError, download


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        yield running


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "weights.pth.part"


def test_whole_file_arrives_and_is_told(server: Server, part: Path) -> None:
    told: list[tuple[int, int | None]] = []
    download(server.url, part, watch=lambda *words: told.append(words))
    assert part.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [have for have, _ in told] == sorted(have for have, _ in told)


def test_redirects_are_followed_with_the_range(server: Server, part: Path) -> None:
    part.write_bytes(CONTENT[:1000])
    download(f"{server.root}/moved/weights.pth", part)
    assert part.read_bytes() == CONTENT
    assert server.ranges_asked == [1000, 1000]


@pytest.mark.parametrize("arrived", [1, 300_000, len(CONTENT) - 1])
def test_what_is_here_is_not_asked_for_again(server: Server, part: Path, arrived: int) -> None:
    server.faults = [Fault(break_after=arrived)]
    with pytest.raises(TransferError, match=f"broke off after {arrived} of {len(CONTENT)} bytes"):
        download(server.url, part)
    assert part.read_bytes() == CONTENT[:arrived]
    download(server.url, part)
    assert part.read_bytes() == CONTENT
    assert server.ranges_asked == [None, arrived]


def test_a_whole_part_is_not_asked_for(server: Server, part: Path) -> None:
    part.write_bytes(CONTENT)
    download(server.url, part, size=len(CONTENT))
    assert server.asked == []


@pytest.mark.parametrize("arrived", [len(CONTENT), len(CONTENT) + 5])
def test_a_range_that_is_refused_starts_again(server: Server, part: Path, arrived: int) -> None:
    part.write_bytes(bytes(arrived))
    download(server.url, part)
    assert part.read_bytes() == CONTENT
    assert server.ranges_asked == [arrived, None]


def test_a_server_without_ranges_starts_again(server: Server, part: Path) -> None:
    part.write_bytes(b"other bytes")
    server.ranges = False
    download(server.url, part)
    assert part.read_bytes() == CONTENT


def test_another_range_than_asked_for_starts_again(server: Server, part: Path) -> None:
    part.write_bytes(CONTENT[:1000])
    server.faults = [Fault(from_byte=2000)]
    download(server.url, part)
    assert part.read_bytes() == CONTENT
    assert server.ranges_asked == [1000, None]


def test_too_short_a_length_is_not_the_end(server: Server, part: Path) -> None:
    server.faults = [Fault(announce=-500)]
    with pytest.raises(TransferError, match="broke off"):
        download(server.url, part, size=len(CONTENT))
    download(server.url, part, size=len(CONTENT))
    assert part.read_bytes() == CONTENT


def test_too_long_a_length_does_not_matter_where_the_size_is_known(
    server: Server, part: Path
) -> None:
    server.faults = [Fault(announce=500)]
    download(server.url, part, size=len(CONTENT))
    assert part.read_bytes() == CONTENT


def test_another_answer_does_not_cost_what_is_here(server: Server, part: Path) -> None:
    server.files["/weights.pth"] = b'{"error": "rate limited"}'
    server.ranges = False
    part.write_bytes(CONTENT[:1000])
    with pytest.raises(TransferError, match=f"offers 25 bytes, not the {len(CONTENT)}"):
        download(server.url, part, size=len(CONTENT))
    assert part.read_bytes() == CONTENT[:1000]


def test_without_a_length_the_end_is_the_end(server: Server, part: Path) -> None:
    server.faults = [Fault(announce=None)]
    download(server.url, part)
    assert part.read_bytes() == CONTENT


def test_more_than_the_whole_is_cut_short_and_not_kept(server: Server, part: Path) -> None:
    with pytest.raises(TransferError, match="sends more than 1000 bytes"):
        download(server.url, part, size=1000)
    assert part.read_bytes() == b""


def test_a_stall_ends_and_keeps_what_came(server: Server, part: Path) -> None:
    server.faults = [Fault(stall_after=1234)]
    with pytest.raises(TransferError, match="stalled"):
        download(server.url, part, timeout_s=0.3)
    assert part.read_bytes() == CONTENT[:1234]


def test_a_slow_server_is_waited_for(server: Server, part: Path) -> None:
    """Silence counts, not the whole time, which is longer than the patience here."""
    server.faults = [Fault(pieces=30)]
    download(server.url, part, timeout_s=30 * PAUSE_S / 1.5)
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
def test_refusals_are_told(server: Server, part: Path, status: int) -> None:
    server.faults = [Fault(status=status)]
    with pytest.raises(TransferError, match=str(status)):
        download(server.url, part)
    assert not part.exists()


PAGE = b"\n<!doctype HTML><html><body>Log in</body></html>"


def test_a_web_page_is_no_file_and_costs_nothing(server: Server, part: Path) -> None:
    server.files["/weights.pth"] = PAGE
    server.ranges = False
    part.write_bytes(CONTENT[:1000])
    with pytest.raises(TransferError, match="answered with a web page"):
        download(server.url, part, size=len(CONTENT))
    assert part.read_bytes() == CONTENT[:1000]


@pytest.mark.parametrize(
    ("kind", "beginning", "page"),
    [
        ("text/html; charset=utf-8", b"<script>location='/login'</script>", True),
        ("text/html", b"\xef\xbb\xbf<!-- portal -->", True),
        ("application/octet-stream", b"<html>", True),
        ("application/xml", b"<portal/>", True),
        ("application/octet-stream", b'<?xml version="1.0"?><html>', True),
        ("application/octet-stream", b"<!-- portal --><html>", True),
        # A server that calls everything HTML, and a file that happens to begin so.
        ("text/html", b"PK\x03\x04", False),
        ("application/octet-stream", b"<\x00\x00\x00\x00\x00\x00\x00{", False),
    ],
)
def test_pages_are_told_from_files(kind: str, beginning: bytes, page: bool) -> None:
    answer = HTTPMessage()
    answer["Content-Type"] = kind
    response: Any = SimpleNamespace(headers=answer)
    with pytest.raises(TransferError) if page else nullcontext():
        module._refuse_page(response, beginning)


def test_what_a_server_says_is_fit_for_a_terminal() -> None:
    said = module._in_a_line("infinite loop.\nFound \x1b[31m\x00 é")
    assert said == "infinite loop. Found [31m é"


def test_nobody_there(part: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/x"
        with pytest.raises(TransferError, match="refused"):
            download(address, part)


def test_stop_ends_it_between_two_blocks(server: Server, part: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError):
        download(server.url, part, stop=stop)
    assert 0 < part.stat().st_size < len(CONTENT)


def test_an_unknown_size_is_compared_with_the_disk_too(
    server: Server, part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = module.shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ResourceError, match="needs 1 MB, 0 MB are free"):
        download(server.url, part)
    assert not part.exists()


def web(url: str) -> WeightFile:
    return WeightFile(role="x", name="x", sha256="0" * 64, source=WebSource(url=url))


def test_mirrors_replace_beginnings(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = "https://zenodo.org=https://mirror.example/z"
    monkeypatch.setenv("UNMIX_MIRROR", rules)
    assert address_of(web("https://zenodo.org/records/1")) == "https://mirror.example/z/records/1"
    assert address_of(web("https://elsewhere.example/1")) == "https://elsewhere.example/1"


@pytest.mark.parametrize("rule", ["https://zenodo.org", "=https://mirror", "https://zenodo.org="])
def test_a_mirror_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch, rule: str) -> None:
    monkeypatch.setenv("UNMIX_MIRROR", rule)
    with pytest.raises(UsageError, match=r"UNMIX_MIRROR: .* must look like"):
        mirrored("https://zenodo.org/1")


@pytest.mark.parametrize(
    ("endpoint", "root"),
    [(None, "https://huggingface.co"), ("http://mirror.example/hub/", "http://mirror.example/hub")],
)
def test_address_of_a_file_of_the_hub(
    monkeypatch: pytest.MonkeyPatch, endpoint: str | None, root: str
) -> None:
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    if endpoint is not None:
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
    source = HubSource(repo="a/b", revision="c0ffee", path="d.safetensors")
    file = WeightFile(role="x", name="x", sha256="0" * 64, source=source)
    assert address_of(file) == f"{root}/a/b/resolve/c0ffee/d.safetensors"
