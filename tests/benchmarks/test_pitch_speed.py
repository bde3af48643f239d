"""Speeds of pitch: figures of a row, and that every row is a command that exists."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from benchmarks.pitch_speed import METHODS, Method, command, is_here, table
from benchmarks.process import Cost
from unmixcli.cli.app import app


def test_figures_are_of_a_minute_of_music() -> None:
    costs = [Cost(4.0, 500_000_000), Cost(30.0, 1_000_000_000)]
    lines = table(METHODS[:2], costs, minutes=2.0).splitlines()
    assert "| `--model vocal-pitch` | 2.0 s | 30.0x | 500 MB |" in lines
    slow = "`--model vocal-pitch --viterbi --polyphonic`"
    assert f"| {slow} | 15.0 s | 4.0x | 1000 MB |" in lines
    assert lines[-1].startswith(f"Slower than 10 times real time, the aim: {slow}.")
    assert lines[-1].endswith("Not installed, so left out: deep-salience-vocal.")


def test_ten_times_real_time_is_enough() -> None:
    told = table(METHODS, [Cost(6.0, 1)] * len(METHODS), minutes=1.0).splitlines()[-1]
    assert told == "Slower than 10 times real time, the aim: none."


def test_words_are_options_of_the_command(tmp_path: Path) -> None:
    pitch = typer.main.get_command(app).commands["pitch"]
    for method in METHODS:
        words = command(method, tmp_path / "a song.wav")[2:]
        values = pitch.make_context("pitch", words).params
        assert list(map(str, values["inputs"])) == [str(tmp_path / "a song.wav")]
        assert values["quiet"]
        assert values["overwrite"]


def test_models_that_are_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UNMIX_CACHE", str(tmp_path))
    monkeypatch.setenv("UNMIX_MODELS", str(tmp_path))
    assert not is_here(Method((), "deep-salience-vocal"))
    assert not is_here(Method((), "no-such-model"))
    assert is_here(Method(()))
