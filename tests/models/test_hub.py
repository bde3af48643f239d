"""Downloads against a local server that breaks off, lies and serves wrong bytes."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from conftest import make_model
from unmixcli.errors import ModelError, ResourceError, UsageError
from unmixcli.models import hub
from unmixcli.models.card import Card, WebSource, WeightFile, read_card
from unmixcli.models.hub import pull
from unmixcli.models.weights import cached_path

CONTENT = bytes(range(256)) * 4096


class Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[str] = []
        self.break_after: list[int] = []
        self.content = CONTENT
        self.ranges = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/weights.pth"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range", "")
        self.server.requests.append(asked)
        start = int(asked[6:-1]) if asked and self.server.ranges else 0
        if self.path == "/missing":
            self.send_error(404)
            return
        body = self.server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.server.break_after:
            body = body[: self.server.break_after.pop(0)]
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    monkeypatch.setenv("UNMIX_CACHE", str(tmp_path / "cache"))
    for name in ("UNMIX_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    with Server() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def template(tmp_path: Path) -> Card:
    return read_card(make_model(tmp_path / "remote") / "model.toml")


def card_for(template: Card, url: str, *, size: int | None = len(CONTENT)) -> Card:
    digest = hashlib.sha256(CONTENT).hexdigest()
    source = WebSource(url=url)
    file = WeightFile(role="vocals", name="w.pth", sha256=digest, size=size, source=source)
    return template.model_copy(update={"files": (file,)})


def files_in(folder: Path) -> set[str]:
    return {p.name for p in folder.rglob("*") if p.is_file() and not p.name.endswith(".lock")}


def test_download_is_verified_and_kept(server: Server, template: Card) -> None:
    card = card_for(template, server.url)
    told: list[tuple[str, int, int | None]] = []
    (path,) = pull(card, progress=lambda *words: told.append(words))
    assert path == cached_path(card, card.files[0])
    assert path.read_bytes() == CONTENT
    assert told[-1] == ("w.pth", len(CONTENT), len(CONTENT))
    pull(card)
    assert len(server.requests) == 1


def test_broken_off_download_is_resumed(server: Server, template: Card) -> None:
    server.break_after = [300_000]
    (path,) = pull(card_for(template, server.url))
    assert path.read_bytes() == CONTENT
    assert server.requests == ["", "bytes=300000-"]


def test_next_command_resumes_too(server: Server, template: Card, tmp_path: Path) -> None:
    server.break_after = [100_000, 100_000]
    card = card_for(template, server.url)
    with pytest.raises(ModelError, match=r"w\.pth cannot be downloaded from http://127.*broke off"):
        pull(card)
    assert files_in(tmp_path / "cache") == {"w.pth.part"}
    pull(card)
    assert server.requests[-1] == "bytes=200000-"


def test_server_without_ranges_starts_again(server: Server, template: Card) -> None:
    server.break_after = [100_000]
    server.ranges = False
    (path,) = pull(card_for(template, server.url))
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_wrong_bytes_never_get_the_name(
    server: Server, template: Card, tmp_path: Path, size: int | None
) -> None:
    server.content = CONTENT[:-1] + b"!"
    with pytest.raises(ModelError, match="not what the card says"):
        pull(card_for(template, server.url, size=size))
    assert files_in(tmp_path / "cache") == set()
    assert len(server.requests) == 2


def test_missing_file(server: Server, template: Card) -> None:
    url = server.url.replace("weights.pth", "missing")
    with pytest.raises(ModelError, match=r"missing \(HTTP Error 404.*put it by hand at .*w\.pth"):
        pull(card_for(template, url))


def test_two_at_once_download_once(server: Server, template: Card) -> None:
    card = card_for(template, server.url)
    threads = [threading.Thread(target=pull, args=(card,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.requests) == 1
    assert cached_path(card, card.files[0]).read_bytes() == CONTENT


@pytest.mark.parametrize("variable", ["UNMIX_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_opens_no_connection(
    server: Server, template: Card, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(UsageError, match="connections are forbidden"):
        pull(card_for(template, server.url))
    assert server.requests == []


def test_disk_space_is_looked_at_first(
    server: Server, template: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = hub.shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(hub.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ResourceError, match=r"w\.pth needs 1 MB, 0 MB are free"):
        pull(card_for(template, server.url))
    assert server.requests == []


def test_weights_of_a_package_are_not_downloaded(template: Card) -> None:
    with pytest.raises(UsageError, match="come with a package"):
        pull(template)
