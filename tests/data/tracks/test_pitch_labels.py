from pathlib import Path

import numpy as np
import pytest

from unmixcli.data.tracks.model import Part, Track
from unmixcli.data.tracks.pitch_labels import read_f0
from unmixcli.errors import InputError


def track(path: Path, kind: str = "f0_csv") -> Track:
    return Track("t", {"vocals": (Part(path),)}, annotations={kind: path})


def test_csv(tmp_path: Path, text) -> None:
    path = text(tmp_path / "f0.csv", "0.0,0.0\r\n0.5, 220.5\n\n")
    times_s, f0_hz = read_f0(track(path)) or ((), ())
    np.testing.assert_array_equal(times_s, [0.0, 0.5])
    np.testing.assert_array_equal(f0_hz, [0.0, 220.5])


def test_csv_of_unmix_pitch(tmp_path: Path, text) -> None:
    path = text(tmp_path / "f0.csv", "time,frequency,confidence\n0.0,0.0,0.1\n0.01,220.5,0.9\n")
    times_s, f0_hz = read_f0(track(path)) or ((), ())
    np.testing.assert_array_equal(times_s, [0.0, 0.01])
    np.testing.assert_array_equal(f0_hz, [0.0, 220.5])


def test_no_pitch(tmp_path: Path) -> None:
    assert read_f0(track(tmp_path / "x", kind="lyrics")) is None


@pytest.mark.parametrize(
    "content", ["", "time,f0\n", "0.0\n1.0\n", "0,1,2\n", "time,frequency,confidence\n0,1\n"]
)
def test_another_form_is_an_error(tmp_path: Path, text, content: str) -> None:
    with pytest.raises(InputError, match=r"f0\.csv"):
        read_f0(track(text(tmp_path / "f0.csv", content)))
