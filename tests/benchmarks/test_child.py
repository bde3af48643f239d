"""What is measured: the same samples for all, all of the stems, memory and error as defined."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from benchmarks import child, peer_openunmix
from benchmarks.child import Song
from benchmarks.task import Run, Task


@pytest.mark.parametrize("seconds", [0.5, 1.5, 65536 / 44100])
def test_blocks_of_a_song_are_the_song(seconds: float) -> None:
    song = Song(seconds, seed=3)
    assert torch.equal(torch.cat(list(song.blocks()), dim=-1), song.whole())
    assert song.whole().shape == (2, song.samples)
    assert not torch.equal(song.whole(), Song(seconds, seed=4).whole())


def test_stems_that_are_missing_are_no_measurement() -> None:
    def short(song: Song) -> Iterator[Tensor]:
        yield song.whole()[None, :, 1:]

    with pytest.raises(RuntimeError, match="44099 samples came out of 44100"):
        child.consume(short, Song(1.0))


def test_each_song_is_separated_once_after_the_warm_up() -> None:
    seen: list[Song] = []

    def program(song: Song) -> Iterator[Tensor]:
        seen.append(song)
        yield song.whole()[None]

    run = child.measured(lambda _: program, Task(0.1, songs=3), by_onnx=False)
    assert seen == [Song(0.1), Song(0.1, seed=0), Song(0.1, seed=1), Song(0.1, seed=2)]
    assert run.device_peak is None
    # A process with torch in it.
    assert run.peak > 50e6


def layer(task: Task) -> child.Program:
    torch.manual_seed(0)
    linear = nn.Linear(2, 6)
    return child.theirs(lambda mix: linear(mix.T).T.reshape(3, 2, -1), task=task)


@torch.no_grad()
def test_the_error_is_that_of_the_precision() -> None:
    error = child.reduction_error(layer, Task(1.0, precision="bf16"))
    # bfloat16 has 8 bits: rounding is up to 2**-9 of each of input, weight and output.
    assert 2**-11 < error < 4 * 2**-9
    assert child.reduction_error(layer, Task(1.0)) == 0


def test_a_report_has_the_error(capsys: pytest.CaptureFixture[str]) -> None:
    child.report(layer, Task(0.5, precision="bf16"))
    run = Run.last_line(capsys.readouterr().out)
    assert run.error is not None
    assert run.error > 0
    child.report(layer, Task(0.5))
    assert json.loads(capsys.readouterr().out)["error"] is None


def test_device_memory_is_the_most_that_was_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The arithmetic alone: there is no device behind these numbers."""
    free = [10_000]
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free[0], 16_000))
    with child.device_memory("cuda") as peak:
        free[0] = 4_000
        deadline = time.monotonic() + 10
        while peak() != 6_000 and time.monotonic() < deadline:
            time.sleep(0.01)
        free[0] = 9_000
        time.sleep(3 * child.SAMPLED_EVERY_S)
        assert peak() == 6_000


@pytest.mark.parametrize("watch", [child.device_memory, child.torch_memory])
def test_the_cpu_has_no_device_memory(watch: object) -> None:
    with watch("cpu") as peak:
        assert peak() is None


@torch.no_grad()
@pytest.mark.parametrize("iterations", [0, 1])
def test_both_sides_separate_the_same(monkeypatch: pytest.MonkeyPatch, iterations: int) -> None:
    sizes = {**peer_openunmix.SIZES, "hidden_size": 16}
    monkeypatch.setattr(peer_openunmix, "SIZES", sizes)
    task, song = Task(3.0), Song(3.0)
    own, peer = (
        torch.cat(list(make(task, iterations=iterations)(song)), dim=-1)
        for make in (peer_openunmix.ours, peer_openunmix.theirs)
    )
    torch.testing.assert_close(own, peer, atol=1e-3, rtol=0)
    assert own.shape == peer.shape == (4, 2, song.samples)
