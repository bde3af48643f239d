from __future__ import annotations

import math

import numpy as np
import torch

from unmixcli.evaluation.melody import melody_scores, track_pitch

RATE = 44100


def test_the_pitch_of_a_sung_tone_is_found() -> None:
    time = torch.arange(2 * RATE) / RATE
    voice = sum(torch.sin(2 * math.pi * 220 * k * time) / k for k in range(1, 8))
    voice = 0.1 * voice * (time < 1)
    times_s, f0_hz = track_pitch(voice.expand(2, -1), sample_rate=RATE)
    inside = (times_s > 0.1) & (times_s < 0.9)
    np.testing.assert_allclose(f0_hz[inside], 220, rtol=0.01)
    assert (f0_hz[times_s > 1.2] == 0).all()
    wanted = np.where(times_s < 1, 220.0, 0.0)
    found = melody_scores((times_s, wanted), (times_s, f0_hz))
    assert found["OA"] > 0.93
    assert found["RPA"] > 0.93


def test_an_octave_is_wrong() -> None:
    times_s = np.arange(100) * 0.01
    tone = np.full(100, 220.0)
    assert melody_scores((times_s, tone), (times_s, tone)) == {
        **dict.fromkeys(("OA", "RPA", "RCA", "VR"), 1.0),
        "VFA": 0.0,
    }
    assert melody_scores((times_s, tone), (times_s, 2 * tone)) == {
        **dict.fromkeys(("RCA", "VR"), 1.0),
        **dict.fromkeys(("OA", "RPA", "VFA"), 0.0),
    }
