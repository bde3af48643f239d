"""`unmix models` as the installed command: what goes to which stream, and no socket offline."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import make_model
from server_for_tests import CONTENT, Fault, serve
from unmixcli.models.card import read_card
from unmixcli.models.catalogue import find_model
from unmixcli.models.toml import toml_text
from unmixcli.models.weights import cached_path, sha256

Shell = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Nobody's folders."""
    monkeypatch.setenv("UNMIX_CACHE", str(tmp_path / "cache"))
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("UNMIX", "HF_"))}
    return {
        **kept,
        "UNMIX_CACHE": str(tmp_path / "cache"),
        "UNMIX_MODELS": str(tmp_path / "user"),
        "HF_HOME": str(tmp_path / "hf"),
    }


@pytest.mark.parametrize(
    "words",
    [
        ["models", "pull", "umxhq", "--offline"],
        ["models", "pull", "htdemucs", "--offline"],
        ["models", "add", "hf:maker/model", "--offline"],
        ["models", "list"],
        ["models", "verify", "htdemucs"],
        ["separate", "{song}", "--model", "{small}", "--offline", "--out", "{out}"],
    ],
    ids=" ".join,
)
def test_offline_opens_no_socket(
    words: list[str],
    environment: dict[str, str],
    song: Path,
    small_model: Path,
    tmp_path: Path,
) -> None:
    code = (
        "import socket, sys\n"
        "def refuse(*words, **more):\n"
        "    sys.stderr.write('CONNECTED')\n"
        "    raise AssertionError(words)\n"
        "socket.socket.connect = socket.socket.connect_ex = refuse\n"
        "socket.create_connection = socket.getaddrinfo = refuse\n"
        "from unmixcli.cli.app import main\n"
        "main()\n"
    )
    places = {"song": song, "small": small_model, "out": tmp_path / "out"}
    done = subprocess.run(
        [sys.executable, "-c", code, *(word.format(**places) for word in words)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert "CONNECTED" not in done.stderr
    assert "Traceback" not in done.stderr
    works = words[1] == "list" or "{small}" in words
    assert (done.returncode == 0) is works


def test_separate_offline_tells_in_one_line_how_to_get_the_weights(
    shell: Shell, environment: dict[str, str], song: Path, tmp_path: Path
) -> None:
    done = shell("separate", song, "--model", "htdemucs", "--offline", env=environment)
    assert (done.returncode, done.stdout) == (1, b"")
    (line,) = done.stderr.decode().splitlines()
    card = find_model("htdemucs").card
    place = cached_path(card, card.files[0]).parent
    assert place.is_relative_to(tmp_path / "cache")
    assert "htdemucs: its weights are not here; get it by: unmix models pull htdemucs;" in line
    assert line.endswith(
        f"put by hand into {place}: "
        "https://huggingface.co/adefossez/HTDemucs/resolve/"
        "cbc8a9b1a87023b7fd74e7b3412e6321c0eab003/955717e8.safetensors"
    )


def test_what_was_put_there_by_hand_runs(
    shell: Shell, environment: dict[str, str], tmp_path: Path
) -> None:
    """A line of `path` is where the file belongs."""
    folder = distant(tmp_path / "user" / "far", "http://127.0.0.1:1/w.pth")
    place = Path(shell("models", "path", "far", env=environment).stdout.decode().strip())
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT)
    done = shell("models", "verify", "far", env=environment)
    assert (done.returncode, done.stdout) == (0, b"ok      far\n"), folder


def distant(folder: Path, url: str) -> Path:
    """A model whose one file is on a server."""
    make_model(folder)
    content = read_card(folder / "model.toml").model_dump(
        mode="json", exclude_none=True, exclude_defaults=True
    )
    (folder / "content").write_bytes(CONTENT)
    file = {"role": "all", "name": "w.pth", "sha256": sha256(folder / "content")}
    content["files"] = [{**file, "source": {"url": url}}]
    (folder / "model.toml").write_text(toml_text(content))
    return folder


def test_interrupted_pull_goes_on_where_it_was(
    shell: Shell, environment: dict[str, str], tmp_path: Path
) -> None:
    with serve() as server:
        server.faults = [Fault(pieces=200)]
        card = read_card(distant(tmp_path / "user" / "far", server.url) / "model.toml")
        command = str(Path(sys.executable).with_name("unmix"))
        running = subprocess.Popen(
            [command, "models", "pull", "far"], env=environment, stderr=subprocess.PIPE
        )
        place = cached_path(card, card.files[0])
        part = place.with_name("w.pth.part")
        deadline = time.monotonic() + 100
        while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=60)
        assert running.returncode == 130
        assert b"Traceback" not in told
        arrived = part.stat().st_size
        assert 0 < arrived < len(CONTENT)
        done = shell("models", "pull", "far", env=environment)
        assert done.returncode == 0
        assert server.ranges_asked == [None, arrived]
    assert place.read_bytes() == CONTENT
