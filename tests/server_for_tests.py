"""A local web server that breaks off, lies, stalls and serves wrong bytes when told to."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = bytes(range(256)) * 4096
COMMIT = "a" * 40
PAUSE_S = 0.05


@dataclass(frozen=True)
class Fault:
    """What is wrong with one answer.

    Attributes:
        break_after: bytes of the body that are sent.
        stall_after: bytes after which nothing comes until the server ends.
        announce: added to the true Content-Length; None announces none.
        wrong: one byte of the body is another.
        from_byte: the range that is sent, whatever was asked for.
        status: sent instead of a body.
        pieces: in so many the body is sent, with a pause between them.
    """

    break_after: int | None = None
    stall_after: int | None = None
    announce: int | None = 0
    wrong: bool = False
    from_byte: int | None = None
    status: int | None = None
    pieces: int = 1


@dataclass
class Asked:
    """A request: its path, and the first byte of the range asked for."""

    path: str
    first: int | None
    method: str = "GET"


class Server(ThreadingHTTPServer):
    """Serves `files` by their paths; each GET takes the next of `faults`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {"/weights.pth": CONTENT}
        self.faults: list[Fault] = []
        self.asked: list[Asked] = []
        self.ranges = True
        self.ended = threading.Event()
        self.gate: threading.Barrier | None = None
        self.lock = threading.Lock()

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def url(self) -> str:
        return f"{self.root}/weights.pth"

    @property
    def ranges_asked(self) -> list[int | None]:
        return [asked.first for asked in self.asked if asked.method == "GET"]


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        with self.server.lock:
            fault = self.server.faults.pop(0) if self.server.faults else Fault()
        if self.server.gate is not None:
            self.server.gate.wait(timeout=30)
        self._answer(body=True, fault=fault)

    def _answer(self, *, body: bool, fault: Fault = Fault()) -> None:
        found = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        first = int(found[1]) if found else None
        self.server.asked.append(Asked(self.path, first, "GET" if body else "HEAD"))
        if self.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/moved"))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = self.server.files.get(self.path)
        if fault.status is not None or content is None:
            self.send_error(fault.status or 404)
            return
        self._send(content, first if self.server.ranges else None, fault, body=body)

    def _send(self, content: bytes, first: int | None, fault: Fault, *, body: bool) -> None:
        if first is not None and first >= len(content):
            self.send_error(416)
            return
        start = fault.from_byte if fault.from_byte is not None else first or 0
        sent = content[start:]
        if fault.wrong:
            sent = sent[:-1] + bytes([sent[-1] ^ 1])
        self.send_response(206 if first is not None else 200)
        if fault.announce is not None:
            self.send_header("Content-Length", str(len(sent) + fault.announce))
        if first is not None:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        # What the client of the Hugging Face Hub looks for.
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body:
            self._write(sent, fault)

    def _write(self, sent: bytes, fault: Fault) -> None:
        try:
            if fault.stall_after is not None:
                self.wfile.write(sent[: fault.stall_after])
                self.wfile.flush()
                self.server.ended.wait(timeout=60)
                return
            sent = sent[: fault.break_after]
            size = -(-len(sent) // fault.pieces)
            for start in range(0, len(sent), size):
                self.wfile.write(sent[start : start + size])
                self.wfile.flush()
                self.server.ended.wait(PAUSE_S if fault.pieces > 1 else 0)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serve() -> Iterator[Server]:
    """A running server."""
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.ended.set()
        server.shutdown()
