"""Pitch as text: read back by mir_eval, scored as `unmix eval` scores."""

from __future__ import annotations

from pathlib import Path

import mir_eval
import numpy as np
import pytest

from unmixcli.errors import InputError
from unmixcli.metrics import melody
from unmixcli.pitch.csv import HEADER, read_f0, write_f0, write_multi_f0
from unmixcli.pitch.f0 import F0, Lines


def curve(frames: int = 300, seed: int = 0) -> F0:
    random = np.random.default_rng(seed)
    f0_hz = 220 * 2 ** np.cumsum(random.normal(0, 0.02, frames))
    f0_hz[random.random(frames) < 0.2] = 0
    return F0(np.arange(frames) * 0.01, f0_hz, random.random(frames))


def written(path: Path, f0: F0) -> Path:
    with path.open("w") as file:
        file.write(HEADER + "\n")
        write_f0(file, f0)
    return path


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    f0 = curve()
    again = read_f0(written(tmp_path / "song.f0.csv", f0))
    np.testing.assert_allclose(again.times_s, f0.times_s, atol=5e-7)
    np.testing.assert_allclose(again.f0_hz, f0.f0_hz, atol=5e-4)
    np.testing.assert_allclose(again.confidence, f0.confidence, atol=5e-5)


def test_mir_eval_reads_it_and_scores_as_we_do(tmp_path: Path) -> None:
    reference, estimate = curve(seed=0), curve(seed=1)
    estimate.f0_hz[:200] = 1.02 * reference.f0_hz[:200]
    path = written(tmp_path / "song.f0.csv", estimate)
    times, f0_hz, _ = mir_eval.io.load_delimited(path, [float] * 3, delimiter=",", comment="time")
    theirs = mir_eval.melody.evaluate(
        reference.times_s, reference.f0_hz, np.array(times), np.array(f0_hz)
    )
    read = read_f0(path)
    ours = melody.evaluate(
        reference.times_s, reference.f0_hz, estimate_times_s=read.times_s, estimate_hz=read.f0_hz
    )
    assert ours == {short: theirs[name] for name, short in melody.SHORT_NAMES.items()}
    assert 0.5 < ours["OA"] < 0.9


def test_mir_eval_reads_several_voices(tmp_path: Path) -> None:
    f0_hz = np.array([[220.0, 0.0, 0.0], [330.0, 331.5, 0.0]])
    path = tmp_path / "song.multif0.txt"
    with path.open("w") as file:
        write_multi_f0(file, np.arange(3) * 0.01, Lines(f0_hz, 0.5 * (f0_hz > 0)))
    times, values = mir_eval.io.load_ragged_time_series(path)
    assert times.tolist() == [0, 0.01, 0.02]
    assert [frame.tolist() for frame in values] == [[220, 330], [331.5], []]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("0,1,2\n", "first line"),
        (f"{HEADER}\n0,1\n", "every line"),
        (f"{HEADER}\n0,one,2\n", "cannot be read as pitch"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "other.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=complaint):
        read_f0(path)
