"""Fixtures that several packages' tests share: a small model on disk, short songs, the command."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file

from unmixcli.networks.unet import UNet, UNetConfig

RATE = 44100

CARD = """
name = "{name}"
title = "A small random model"
description = "Random weights, for tests."
architecture = "unet_masks"
stems = [{stems}]
residual = "accompaniment"
sample_rate = 44100
channels = 2
training_data = "none"

[stft]
n_fft = 512
hop_samples = 128

[chunks]
length = 64
context = 4
overlap = 8
multiple = 4

[parameters]
bins = 128

[parameters.network]
filters = [4, 8]
skip_source = "convolution"
decoder_norm = "after_activation"
head = "dilated"

[licence]
name = "MIT"
commercial = true
"""

FILE = """
[[files]]
role = "{role}"
name = "{role}.safetensors"
sha256 = "{digest}"
"""


def make_model(
    folder: Path, *, stems: tuple[str, ...] = ("vocals", "accompaniment"), seed: int = 0
) -> Path:
    """Write a model of random weights; its folder's name is its name."""
    folder.mkdir(parents=True)
    card = CARD.format(name=folder.name, stems=", ".join(f'"{stem}"' for stem in stems))
    config = UNetConfig(
        channels=2,
        filters=(4, 8),
        skip_source="convolution",
        decoder_norm="after_activation",
        head="dilated",
    )
    for number, stem in enumerate(stems):
        torch.manual_seed(100 * seed + number)
        path = folder / f"{stem}.safetensors"
        save_file(UNet(config).state_dict(), path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        card += FILE.format(role=stem, digest=digest)
    (folder / "model.toml").write_text(card)
    return folder


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model that separates a second in a few milliseconds."""
    return make_model(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the tests away from the user's cache and models."""
    saved = {name: os.environ.get(name) for name in ("UNMIX_CACHE", "UNMIX_MODELS")}
    os.environ["UNMIX_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    os.environ["UNMIX_MODELS"] = str(tmp_path_factory.mktemp("user-models"))
    yield
    for name, value in saved.items():
        if value is None:
            os.environ.pop(name)
        else:
            os.environ[name] = value


def noise(
    seconds: float = 1.0, *, channels: int = 2, rate: int = RATE, seed: int = 0
) -> np.ndarray:
    """White noise at a quarter of full scale, `(samples, channels)` float32."""
    random = np.random.default_rng(seed)
    return random.uniform(-0.25, 0.25, (round(seconds * rate), channels)).astype(np.float32)


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """A second of stereo noise as 32-bit float WAV."""
    path = tmp_path / "song.wav"
    soundfile.write(path, noise(), RATE, subtype="FLOAT")
    return path


class Outcome:
    """What a run of the command left."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err


@pytest.fixture
def unmix(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Run the command in this process."""

    def call(*words: object) -> Outcome:
        from unmixcli.cli.app import run

        monkeypatch.setattr(sys, "argv", ["unmix", *map(str, words)])
        capsys.readouterr()
        before = dict(os.environ)
        try:
            code = run()
        finally:
            # The command speaks to libraries by the environment, as by --offline.
            os.environ.clear()
            os.environ.update(before)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture
def shell() -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run the installed command in a process of its own."""
    command = str(Path(sys.executable).with_name("unmix"))

    def call(
        *words: object, stdin: bytes | None = None, **options: object
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [command, *map(str, words)],
            input=stdin,
            capture_output=True,
            check=False,
            timeout=300,
            **options,  # type: ignore[call-overload]
        )

    return call
