"""The pitch of vocals that are being separated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pitch_models_for_tests import write_pitch_model
from unmixcli.errors import ResourceError
from unmixcli.models.catalogue import Choice, Model, find_model
from unmixcli.pitch import trackers
from unmixcli.pitch.beside import open_vocal_pitch, select_vocal_pitch
from unmixcli.pitch.csv import read_f0
from unmixcli.separation.session import Session, open_session
from unmixcli.separation.spectral import SpectralOptions
from unmixcli.separation.stems import Request, plan_outputs

RATE = 44100


def session_of(model: Model, *, stems: tuple[str, ...]) -> Session:
    plan = plan_outputs(model.stem_set, Request(stems=stems), model=model.name)
    return open_session(Choice(model), plan, device="cpu", options=SpectralOptions())


def voice(seconds: float = 1.5) -> np.ndarray:
    times = np.arange(round(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * 220 * k * times) / k for k in range(1, 7))
    return np.tile(0.2 * tone, (2, 1)).astype(np.float32)


@pytest.mark.parametrize("block", [1000, 30000])
def test_blocks_of_any_length_give_one_file(small_model: Path, tmp_path: Path, block: int) -> None:
    model = find_model(str(small_model))
    beside = open_vocal_pitch(select_vocal_pitch(model))
    session = session_of(model, stems=("accompaniment", "vocals"))
    files = []
    for number, length in enumerate((10**6, block)):
        engine = session.engine(sample_rate=RATE, channels=2)
        path = tmp_path / f"{number}.csv"
        with beside.track(path, engine=engine) as track:
            for piece in engine.stream(torch.from_numpy(voice()).split(length, dim=-1)):
                track.write(dict(zip(engine.stems, piece.numpy(), strict=True)))
            report = track.finish()
            assert not path.exists()
        files.append(path.read_bytes())
    assert files[0] == files[1]
    f0 = read_f0(path)
    assert (report.path, report.samples, report.silent) == (path, 151, not f0.voiced.any())
    assert f0.voiced.mean() > 0.5


def test_what_fails_leaves_no_file(small_model: Path, tmp_path: Path) -> None:
    model = find_model(str(small_model))
    beside = open_vocal_pitch(select_vocal_pitch(model))
    engine = session_of(model, stems=("vocals",)).engine(sample_rate=RATE, channels=2)
    with (
        pytest.raises(RuntimeError, match="on purpose"),
        beside.track(tmp_path / "f0.csv", engine=engine) as track,
    ):
        track.write({"vocals": voice()})
        track.finish()
        raise RuntimeError("on purpose")
    assert not list(tmp_path.iterdir())


def test_what_finds_it(small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = find_model(str(small_model))
    joint = find_model(str(write_pitch_model(tmp_path / "sung")))
    assert select_vocal_pitch(joint).model == joint
    assert select_vocal_pitch(small).model.name == "swiftf0"
    missing = {"pyin": "librosa", "swiftf0": "no-such-package"}
    monkeypatch.setattr(trackers, "PACKAGES", missing)
    assert select_vocal_pitch(small).model.name == "pyin"
    monkeypatch.setattr(trackers, "PACKAGES", {**missing, "pyin": "none-either"})
    with pytest.raises(ResourceError, match=r"^pyin needs the package none-either.*\[pitch\]"):
        select_vocal_pitch(small)
