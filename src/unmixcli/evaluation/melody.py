"""The melody of an estimated voice, against what people wrote down.

What finds pitch itself is scored by that. A separator that does not is scored by a pitch tracker on
its vocals, as in figure 5.1 of Jansson's thesis: pYIN (Mauch and Dixon, 2014) by librosa.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np
from torch import Tensor

from unmixcli.audio.resample import resample
from unmixcli.errors import ResourceError
from unmixcli.evaluation.estimates import Melody
from unmixcli.metrics import melody

_RATE = 22050
_FRAME_SAMPLES, _HOP_SAMPLES = 2048, 256
# C2 to C6, where people sing.
_LOWEST_HZ, _HIGHEST_HZ = 65.4, 1046.5


def melody_scores(reference: Melody, estimate: Melody) -> dict[str, float]:
    """OA, RPA, RCA, VR and VFA of the estimate, in [0, 1]; see `metrics.melody.evaluate`."""
    return melody.evaluate(*reference, estimate_times_s=estimate[0], estimate_hz=estimate[1])


def track_pitch(voice: Tensor, *, sample_rate: int) -> Melody:
    """Times in s and f0 in Hz, 0 where unvoiced, both `(frames,)`, of `(channels, samples)`.

    Raises `ResourceError` where librosa is not installed.
    """
    mono = voice.mean(dim=0, keepdim=True).numpy()
    samples = resample(mono, from_rate=sample_rate, to_rate=_RATE)[0]
    f0_hz, voiced, _ = _librosa().pyin(
        samples,
        fmin=_LOWEST_HZ,
        fmax=_HIGHEST_HZ,
        sr=_RATE,
        frame_length=_FRAME_SAMPLES,
        hop_length=_HOP_SAMPLES,
    )
    times_s = np.arange(len(f0_hz), dtype=np.float64) * (_HOP_SAMPLES / _RATE)
    return times_s, np.where(voiced, f0_hz, 0.0).astype(np.float64)


def _librosa() -> ModuleType:
    try:
        import librosa
    except ImportError as missing:
        raise ResourceError(
            "--metrics melody finds the pitch of vocals with librosa, which is missing: "
            "type pip install librosa"
        ) from missing
    module: ModuleType = librosa
    return module
