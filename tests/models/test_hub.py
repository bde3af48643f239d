"""Models from a server that breaks off, lies and serves wrong bytes, and from a local Hub."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from conftest import make_model
from server_for_tests import COMMIT, CONTENT, Asked, Fault, Server, serve
from unmixcli.errors import ModelError, ResourceError, UsageError
from unmixcli.models import download as download_module
from unmixcli.models.card import Card, HubSource, WebSource, WeightFile, read_card
from unmixcli.models.hub import PullError, pull
from unmixcli.models.records import recorded
from unmixcli.models.weights import cached_path, remove, tail_md5

DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    monkeypatch.setenv("UNMIX_CACHE", str(tmp_path / "cache"))
    for name in ("UNMIX_OFFLINE", "HF_HUB_OFFLINE", "UNMIX_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    with serve() as running:
        yield running


@pytest.fixture
def template(tmp_path: Path) -> Card:
    return read_card(make_model(tmp_path / "remote") / "model.toml")


def web_file(url: str, *, role: str = "vocals", size: int | None = len(CONTENT)) -> WeightFile:
    return WeightFile(
        role=role, name=f"{role}.pth", sha256=DIGEST, size=size, source=WebSource(url=url)
    )


def card_for(template: Card, url: str, *, size: int | None = len(CONTENT)) -> Card:
    return template.model_copy(update={"files": (web_file(url, size=size),)})


def files_in(folder: Path) -> set[str]:
    return {p.name for p in folder.rglob("*") if p.is_file() and not p.name.endswith(".lock")}


def test_download_is_verified_and_kept(server: Server, template: Card) -> None:
    card = card_for(template, server.url)
    told: list[tuple[str, int, int | None]] = []
    (path,) = pull([card], progress=lambda *words: told.append(words))
    assert path == cached_path(card, card.files[0])
    assert path.read_bytes() == CONTENT
    assert told[-1] == ("remote/vocals.pth", len(CONTENT), len(CONTENT))
    pull([card])
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault(break_after=300_000),
        Fault(stall_after=300_000),
        Fault(announce=-1000),
        Fault(wrong=True),
        Fault(status=503),
    ],
    ids=["breaks off", "stalls", "too short a length", "wrong bytes", "refuses"],
)
@pytest.mark.parametrize("size", [None, len(CONTENT)], ids=["size unknown", "size known"])
def test_one_fault_ends_with_verified_weights(
    server: Server, template: Card, fault: Fault, size: int | None
) -> None:
    server.faults = [fault]
    (path,) = pull([card_for(template, server.url, size=size)], timeout_s=0.5)
    assert path.read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_too_long_a_length_is_seen_through(server: Server, template: Card) -> None:
    """All of the file is here when the connection ends before the length that was announced."""
    server.faults = [Fault(announce=500)]
    (path,) = pull([card_for(template, server.url, size=None)])
    assert path.read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_next_command_resumes(server: Server, template: Card, tmp_path: Path) -> None:
    server.faults = [Fault(break_after=100_000), Fault(break_after=100_000)]
    card = card_for(template, server.url)
    told = (
        r"remote: vocals\.pth cannot be downloaded from http://127.*/weights\.pth \(broke off after"
        r" 200000 of 1048576 bytes\); try again later, or put it by hand at /.*/remote/\w+/vocals"
    )
    with pytest.raises(PullError, match=told):
        pull([card])
    assert files_in(tmp_path / "cache") == {"vocals.pth.part"}
    pull([card])
    assert server.ranges_asked == [None, 100_000, 200_000]


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_wrong_bytes_never_get_the_name(
    server: Server, template: Card, tmp_path: Path, size: int | None
) -> None:
    server.faults = [Fault(wrong=True), Fault(wrong=True)]
    with pytest.raises(ModelError, match="not what the card says"):
        pull([card_for(template, server.url, size=size)])
    assert files_in(tmp_path / "cache") == set()
    assert len(server.asked) == 2


def test_a_damaged_file_is_brought_anew(server: Server, template: Card) -> None:
    card = card_for(template, server.url)
    (path,) = pull([card])
    path.write_bytes(b"damaged")
    pull([card])
    assert path.read_bytes() == CONTENT


def test_a_file_put_there_by_hand_is_taken(server: Server, template: Card) -> None:
    card = card_for(template, server.url)
    path = cached_path(card, card.files[0])
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    assert pull([card]) == [path]
    assert server.asked == []


@pytest.mark.parametrize("wrong", [False, True])
def test_a_file_known_by_its_end_alone(server: Server, template: Card, wrong: bool) -> None:
    content = os.urandom(1000) * 11_000
    server.files["/big.onnx"] = content
    server.faults = [Fault(wrong=wrong)] * 2
    md5 = hashlib.md5(content[-10_000 * 1024 :]).hexdigest()
    source = WebSource(url=f"{server.root}/big.onnx")
    file = WeightFile(role="all", name="big.onnx", tail_md5=md5, source=source)
    card = template.model_copy(update={"files": (file,)})
    if wrong:
        with pytest.raises(PullError, match="not what the card says"):
            pull([card])
        return
    (path,) = pull([card])
    assert tail_md5(path) == md5
    assert recorded(path) == hashlib.sha256(content).hexdigest()


def test_what_came_first_is_the_only_right_one(server: Server, template: Card) -> None:
    """Another file that ends in the same way."""
    content = os.urandom(1000) * 11_000
    md5 = hashlib.md5(content[-10_000 * 1024 :]).hexdigest()
    source = WebSource(url=f"{server.root}/big.onnx")
    file = WeightFile(role="all", name="big.onnx", tail_md5=md5, source=source)
    card = template.model_copy(update={"files": (file,)})
    server.files["/big.onnx"] = content
    (path,) = pull([card])
    path.unlink()
    server.files["/big.onnx"] = bytes([content[0] ^ 1]) + content[1:]
    with pytest.raises(PullError, match=r"or not what /.*big\.onnx\.sha256 says of the first"):
        pull([card])
    assert not path.exists()
    server.files["/big.onnx"] = content
    assert pull([card]) == [path]


def test_what_lay_here_is_recorded_too(server: Server, template: Card) -> None:
    stated = {"sha256": None, "sha256_prefix": DIGEST[:8]}
    file = web_file(server.url).model_copy(update=stated)
    card = template.model_copy(update={"files": (file,)})
    path = cached_path(card, file)
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    pull([card])
    assert server.asked == []
    assert recorded(path) == DIGEST


def test_a_web_page_in_place_of_the_file_is_called_that(server: Server, template: Card) -> None:
    server.files["/weights.pth"] = b"<!DOCTYPE html><title>Log in</title>"
    told = r"from http://127.* \(the address answered with a web page, not with the file"
    with pytest.raises(PullError, match=told):
        pull([card_for(template, server.url)])


def test_a_model_that_fails_does_not_keep_the_others(server: Server, template: Card) -> None:
    good = card_for(template, server.url)
    bad = card_for(template, f"{server.root}/missing").model_copy(update={"name": "bad"})
    with pytest.raises(PullError, match=r"missing \(HTTP Error 404") as caught:
        pull([bad, good])
    assert list(caught.value.failures) == ["bad"]
    assert cached_path(good, good.files[0]).read_bytes() == CONTENT


def test_files_come_at_once(server: Server, template: Card) -> None:
    """Each answer waits until three are asked for: one after another would never end."""
    server.gate = threading.Barrier(3)
    files = tuple(web_file(server.url, role=role) for role in ("a", "b", "c"))
    paths = pull([template.model_copy(update={"files": files})])
    assert [path.name for path in paths] == ["a.pth", "b.pth", "c.pth"]
    assert {path.read_bytes() for path in paths} == {CONTENT}


def test_two_at_once_download_once(server: Server, template: Card) -> None:
    card = card_for(template, server.url)
    threads = [threading.Thread(target=pull, args=([card],)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.asked) == 1
    assert cached_path(card, card.files[0]).read_bytes() == CONTENT


def test_two_processes_download_once(server: Server, template: Card) -> None:
    server.faults = [Fault(pieces=20)]
    card = card_for(template, server.url)
    code = (
        "import sys\n"
        "from unmixcli.models.card import Card\n"
        "from unmixcli.models.hub import pull\n"
        "pull([Card.model_validate_json(sys.argv[1])])\n"
    )
    words = [sys.executable, "-c", code, card.model_dump_json()]
    running = [subprocess.Popen(words) for _ in range(2)]
    assert [process.wait(timeout=60) for process in running] == [0, 0]
    assert len(server.asked) == 1
    assert cached_path(card, card.files[0]).read_bytes() == CONTENT


@pytest.mark.parametrize("variable", ["UNMIX_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_opens_no_connection(
    server: Server, template: Card, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "1")
    told = r"connections are forbidden.*put it by hand at /.*vocals\.pth, from http://127"
    with pytest.raises(UsageError, match=told):
        pull([card_for(template, server.url)])
    assert server.asked == []


def test_mirror(server: Server, template: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNMIX_MIRROR", f"https://zenodo.invalid={server.root}")
    (path,) = pull([card_for(template, "https://zenodo.invalid/weights.pth")])
    assert path.read_bytes() == CONTENT


def test_space_for_all_is_looked_at_first(
    server: Server, template: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of the two files would fit."""
    usage = download_module.shutil.disk_usage("/")._replace(free=len(CONTENT) + 1000)
    monkeypatch.setattr(download_module.shutil, "disk_usage", lambda _: usage)
    files = (web_file(server.url, role="a"), web_file(server.url, role="b"))
    with pytest.raises(ResourceError, match=r"remote needs 2 MB, 1 MB are free; .*UNMIX_CACHE"):
        pull([template.model_copy(update={"files": files})])
    assert server.asked == []


def test_files_of_the_hub_need_room_in_its_own_cache(
    template: Card, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "hf").mkdir()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    usage = download_module.shutil.disk_usage("/")

    def free(folder: Path) -> object:
        return usage._replace(free=1000 if folder == tmp_path / "hf" else 10**12)

    monkeypatch.setattr(download_module.shutil, "disk_usage", free)
    with pytest.raises(ResourceError, match=r"hf: remote needs 1 MB, 0 MB are free; .*HF_HOME"):
        pull([hub_card(template)])


def test_every_file_that_cannot_be_had_is_named(server: Server, template: Card) -> None:
    files = tuple(web_file(server.url + "/none", role=role) for role in ("a", "b"))
    with pytest.raises(ModelError) as caught:
        pull([template.model_copy(update={"files": files})])
    assert all(file.name in str(caught.value) for file in files)


def test_a_cache_that_cannot_be_written(
    server: Server, template: Card, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("UNMIX_CACHE", str(tmp_path / "file"))
    with pytest.raises(ResourceError, match="cannot be written"):
        pull([card_for(template, server.url)])


def test_of_weights_of_a_package_there_is_nothing_to_bring(server: Server, template: Card) -> None:
    assert pull([template]) == []
    (path,) = pull([template, card_for(template, server.url)])
    assert path.read_bytes() == CONTENT


# The client of the Hub reads its variables when it is imported: each test has its own process.


def hub_card(template: Card) -> Card:
    source = HubSource(repo="maker/model", revision=COMMIT, path="w.safetensors")
    file = WeightFile(
        role="all", name="w.safetensors", sha256=DIGEST, size=len(CONTENT), source=source
    )
    return template.model_copy(update={"files": (file,)})


def pull_apart(card: Card, **environment: str) -> dict[str, object]:
    """Pull in a process with this environment; the path and what was told, or the error."""
    code = (
        "import json, sys\n"
        "from unmixcli.errors import UnmixError\n"
        "from unmixcli.models.card import Card\n"
        "from unmixcli.models.hub import pull\n"
        "told = []\n"
        "try:\n"
        "    (path,) = pull([Card.model_validate_json(sys.argv[1])],"
        " progress=lambda *words: told.append(words))\n"
        "    print(json.dumps({'path': str(path), 'told': told}))\n"
        "except UnmixError as error:\n"
        "    print(json.dumps({'error': str(error), 'kind': type(error).__name__}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, card.model_dump_json()],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.fixture
def hub(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    server.files[f"/maker/model/resolve/{COMMIT}/w.safetensors"] = CONTENT
    monkeypatch.setenv("HF_ENDPOINT", server.root)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    return server


def test_a_file_of_the_hub_lies_once_in_its_cache(hub: Server, template: Card) -> None:
    result = pull_apart(hub_card(template))
    path = Path(str(result["path"]))
    assert path.read_bytes() == CONTENT
    assert path.is_symlink()
    assert "/hf/hub/models--maker--model/" in str(path.resolve())
    assert result["told"][-1] == ["remote/w.safetensors", len(CONTENT), len(CONTENT)]  # type: ignore[index]
    assert hub.asked[-1] == Asked(f"/maker/model/resolve/{COMMIT}/w.safetensors", None)


def test_what_the_hub_cache_has_is_taken_offline(
    hub: Server, template: Card, tmp_path: Path
) -> None:
    pull_apart(hub_card(template))
    hub.asked.clear()
    again = pull_apart(hub_card(template), UNMIX_CACHE=str(tmp_path / "other"), UNMIX_OFFLINE="1")
    assert Path(str(again["path"])).read_bytes() == CONTENT
    assert hub.asked == []


def test_the_hub_offline(hub: Server, template: Card) -> None:
    result = pull_apart(hub_card(template), HF_HUB_OFFLINE="1")
    assert result["kind"] == "UsageError"
    assert "connections are forbidden" in str(result["error"])
    assert f"from {hub.root}/maker/model/resolve/{COMMIT}/w.safetensors" in str(result["error"])
    assert hub.asked == []


def test_wrong_bytes_of_the_hub_are_asked_for_anew(hub: Server, template: Card) -> None:
    hub.faults = [Fault(wrong=True)]
    result = pull_apart(hub_card(template))
    assert Path(str(result["path"])).read_bytes() == CONTENT
    assert [asked.method for asked in hub.asked].count("GET") == 2


def test_the_hub_has_it_not(hub: Server, template: Card) -> None:
    hub.files.clear()
    result = pull_apart(hub_card(template))
    assert result["kind"] == "PullError"
    told = f"w.safetensors cannot be downloaded from {hub.root}/maker/model/resolve/"
    assert told in str(result["error"])
    assert "404" in str(result["error"])
    assert "\n" not in str(result["error"])


class _Portal(BaseHTTPRequestHandler):
    """Answers everything with a page on which to log in."""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(b"<html>Log in</html>")

    def log_message(self, *args: object) -> None:
        pass


def test_a_web_page_in_place_of_the_hub(hub: Server, template: Card) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Portal) as portal:
        threading.Thread(target=portal.serve_forever, args=(0.01,), daemon=True).start()
        address = f"http://127.0.0.1:{portal.server_address[1]}"
        result = pull_apart(hub_card(template), HF_ENDPOINT=address)
        portal.shutdown()
    assert result["kind"] == "PullError"
    assert "the address answered with a web page, not with the file" in str(result["error"])


def test_removing_a_model_leaves_other_files_of_the_hub_alone(hub: Server, template: Card) -> None:
    path = Path(str(pull_apart(hub_card(template))["path"]))
    pointer = path.parent / path.readlink()
    blob = path.resolve()
    foreign = pointer.with_name("config.json")
    foreign.write_text("{}")
    assert remove(hub_card(template)) == len(CONTENT)
    assert foreign.read_text() == "{}"
    assert not pointer.exists()
    assert not blob.exists()
    assert not path.exists()


def test_bytes_that_another_revision_needs_stay(hub: Server, template: Card) -> None:
    path = Path(str(pull_apart(hub_card(template))["path"]))
    blob = path.resolve()
    other = blob.parent.parent / "snapshots" / "other" / "w.safetensors"
    other.parent.mkdir(parents=True)
    other.symlink_to(blob)
    assert remove(hub_card(template)) == 0
    assert other.read_bytes() == CONTENT


def test_a_file_of_the_hub_that_was_wrong_is_replaced_by_the_right_one(
    hub: Server, template: Card
) -> None:
    """Also where the Hub has another file by now, with another tag."""
    name = f"/maker/model/resolve/{COMMIT}/w.safetensors"
    hub.files[name] = CONTENT[::-1]
    assert "error" in pull_apart(hub_card(template))
    hub.files[name] = CONTENT
    path = Path(str(pull_apart(hub_card(template))["path"]))
    assert path.read_bytes() == CONTENT
