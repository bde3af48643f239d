"""Several devices, here processes on the CPU: they share each step."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

UNMIX = str(Path(sys.executable).with_name("unmix"))
# What each device has of its own is left out: batch normalisation (one layer has none), dropout,
# and the number of known targets by which a loss is divided (all are known in a remix).
CHANGES = (
    "network.parameters.network.filters=[8]",
    "network.parameters.network.dropout=0.0",
    "excerpts.remix=1.0",
    "schedule.steps=3",
)


def command(*words: str) -> list[str]:
    changes = [word for change in CHANGES for word in ("--set", change)]
    return [UNMIX, "train", *words, "--device", "cpu", *changes]


@pytest.fixture
def trained(tmp_path, recipe_path):
    """Train by the command in a folder of tmp_path; what it printed and its weights."""

    def start(name: str, *words: str):
        line = command(str(recipe_path), "--out", str(tmp_path / name), *words)
        done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done, load_file(tmp_path / name / "model" / "model.safetensors")

    return start


def test_two_devices_are_one_with_twice_the_batch(tmp_path, trained) -> None:
    _, one = trained("one", "--set", "excerpts.batch=4")
    done, two = trained("two", "--set", "excerpts.batch=2", "--devices", "2")
    for name, weights in one.items():
        torch.testing.assert_close(two[name], weights, rtol=1e-4, atol=1e-6)
    assert done.stdout.count("model:") == 1
    logs = [(tmp_path / name / "log.csv").read_text().splitlines() for name in ("one", "two")]
    assert len(logs[0]) == len(logs[1])


def test_two_devices_go_on_where_they_stopped(trained) -> None:
    _, whole = trained("whole", "--devices", "2")
    done, _ = trained("parts", "--devices", "2", "--max-minutes", "0")
    assert "--resume" in done.stdout
    assert "--devices 2" in done.stdout
    _, parts = trained("parts", "--devices", "2", "--resume")
    for name, weights in whole.items():
        torch.testing.assert_close(parts[name], weights, rtol=1e-4, atol=1e-6)
