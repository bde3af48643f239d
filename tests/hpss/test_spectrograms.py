"""Pictures of spectrograms: levels at their places, whatever the length."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from unmixcli.errors import UsageError
from unmixcli.hpss import spectrograms
from unmixcli.hpss.spectrograms import check_plotting, plot_spectrograms

Sound = Callable[..., Tensor]
RATE = 44100


def test_a_tone_is_at_its_place_and_silence_at_the_bottom(tone: Sound) -> None:
    blocks = torch.cat((tone(), torch.zeros(1, RATE))).split(5000, dim=-1)
    images, duration_s = spectrograms._images(iter(blocks), rate=RATE)
    assert duration_s == 1.0
    assert images.shape == (2, 1025, RATE // 512 + 1)
    assert abs(int(images[0, :, 40].argmax()) * RATE / 2048 - 440) < 1200
    assert {round(b * RATE / 2048 / 100) for b in np.flatnonzero(images[0, :, 40] > -3)} >= {15, 52}
    assert (images[1] == -80).all()


def test_columns_are_few_and_keep_the_peaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectrograms, "_MOST_COLUMNS", 16)
    columns = spectrograms._Columns()
    frames = torch.rand(1, 3, 1000, generator=torch.Generator().manual_seed(0))
    frames[0, 1, 500] = 9.0
    for part in frames.split(37, dim=-1):
        columns.push(part)
        assert sum(done.shape[-1] for done in columns._done) <= 16
    merged = columns.finish()
    assert torch.equal(merged.amax(dim=-1), frames.amax(dim=-1))
    assert abs(int(merged[0, 1].argmax()) / merged.shape[-1] - 0.5) < 0.1


def test_png_of_the_stems_and_their_sum(tmp_path: Path, noise: Sound) -> None:
    stems = {name: tmp_path / f"{name}.wav" for name in ("harmonic", "percussive")}
    for path in stems.values():
        soundfile.write(path, noise(8000, channels=2).T.numpy(), RATE)
    target = tmp_path / "new" / "two.png"
    plot_spectrograms(stems, target)
    assert target.read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in target.parent.iterdir()] == ["two.png"]


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UsageError, match="needs Matplotlib, which is not"):
        check_plotting()
