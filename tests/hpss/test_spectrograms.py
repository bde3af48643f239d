"""Pictures of spectrograms: levels at their places, whatever the blocks, finished or absent."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import Tensor

from unmixcli.audio.write import StemReport
from unmixcli.errors import ResourceError
from unmixcli.hpss.method import PAIR
from unmixcli.hpss.session import HPSSOptions, open_hpss, select_method
from unmixcli.hpss.spectrograms import Spectrograms
from unmixcli.separation.engine import Engine

Sound = Callable[..., Tensor]
RATE = 44100


def engine_of(*, channels: int) -> Engine:
    choice, plan = select_method("median", options=HPSSOptions())
    session = open_hpss(choice, plan, options=HPSSOptions(), device="cpu")
    return session.engine(sample_rate=RATE, channels=channels)


def draw(
    stems: dict[str, Tensor], target: Path, *, block: int = 9000, total: str = "mix"
) -> StemReport:
    """Draw stems `(channels, samples)` that come in blocks."""
    engine = engine_of(channels=len(next(iter(stems.values()))))
    with Spectrograms(total).track(target, engine=engine) as picture:
        length = next(iter(stems.values())).shape[-1]
        for start in range(0, length, block):
            picture.write({n: s[:, start : start + block].numpy() for n, s in stems.items()})
        return picture.finish()


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that would have been written."""
    found: list[Figure] = []

    def keep(self: Figure, path: Path, **_: object) -> None:
        path.write_bytes(b"a picture")
        found.append(self)

    monkeypatch.setattr(Figure, "savefig", keep)
    return found


def images(figure: Figure) -> dict[str, np.ndarray]:
    return {axes.get_title(): np.asarray(axes.images[0].get_array()) for axes in figure.axes}


@pytest.mark.parametrize("block", [512, 5000, RATE])
def test_a_tone_is_at_its_place_and_silence_at_the_bottom(
    tone: Sound, figures: list[Figure], tmp_path: Path, block: int
) -> None:
    stems = {"harmonic": tone(), "percussive": torch.zeros(1, RATE)}
    report = draw(stems, tmp_path / "a.png", block=block)
    found = images(figures[0])
    assert list(found) == ["mix", "harmonic", "percussive"]
    assert all(image.shape == (1025, RATE // 512 + 1) for image in found.values())
    loud_hz = np.flatnonzero(found["harmonic"][:, 40] > -3) * RATE / 2048
    assert {round(hz / 100) for hz in loud_hz} >= {15, 52}
    assert np.array_equal(found["mix"], found["harmonic"])
    assert (found["percussive"] == -80).all()
    assert figures[0].axes[0].images[0].get_extent() == [0, 1.0, 0, 22.05]
    assert (report.samples, report.silent) == (RATE, False)
    assert report.peak == pytest.approx(float(tone().abs().max()))


def test_the_sum_is_called_as_it_is_asked_for(figures: list[Figure], tmp_path: Path) -> None:
    stems = {name: torch.zeros(2, 5000) for name in PAIR}
    report = draw(stems, tmp_path / "a.png", total="sum")
    draw({"harmonic": stems["harmonic"]}, tmp_path / "b.png", total="sum")
    assert [list(images(figure)) for figure in figures] == [["sum", *PAIR], ["harmonic"]]
    assert report.silent


def test_png_is_finished_or_absent(
    noise: Sound, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stems = dict(zip(PAIR, noise(8000, channels=4).split(2), strict=True))
    target = tmp_path / "new" / "two.png"
    report = draw(stems, target)
    assert report.path == target
    assert target.read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in target.parent.iterdir()] == ["two.png"]

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    with pytest.raises(ResourceError, match=r"three\.png: cannot be written: No space left"):
        draw(stems, target.with_name("three.png"))
    assert [path.name for path in target.parent.iterdir()] == ["two.png"]
