"""More than two channels to stereo, by Recommendation ITU-R BS.775-3, table 2."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

_MINUS_3_DB = math.sqrt(0.5)

# What a channel gives to (left, right). The low-frequency channel is left out, as in BS.775.
_WEIGHTS = {
    "FL": (1.0, 0.0),
    "FR": (0.0, 1.0),
    "FC": (_MINUS_3_DB, _MINUS_3_DB),
    "LFE": (0.0, 0.0),
    "BL": (_MINUS_3_DB, 0.0),
    "BR": (0.0, _MINUS_3_DB),
    "SL": (_MINUS_3_DB, 0.0),
    "SR": (0.0, _MINUS_3_DB),
    "FLC": (1.0, 0.0),
    "FRC": (0.0, 1.0),
    "BC": (0.5, 0.5),
}

# For files that only count their channels: the order of a WAV.
_USUAL_NAMES = {
    3: ("FL", "FR", "FC"),
    4: ("FL", "FR", "BL", "BR"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    7: ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}


def stereo_weights(channels: int, *, names: tuple[str, ...] = ()) -> npt.NDArray[np.float32]:
    """The matrix ``(2, channels)`` that turns ``channels`` channels into stereo.

    Centre and surround channels enter at -3 dB (BS.775-3); both rows are divided by the larger
    row sum, so that no output is louder than the loudest input. Channels that are neither
    named nor in one of the usual orders are averaged, even ones to the left, odd ones to the
    right.
    """
    named = names if len(names) == channels else ()
    if not named or any(name not in _WEIGHTS for name in named):
        named = _USUAL_NAMES.get(channels, ()) if not names else ()
    if named:
        weights = np.array([_WEIGHTS[name] for name in named]).T
        loudest = weights.sum(axis=1).max()
        if loudest > 0:
            return np.array(weights / loudest, np.float32)
    side = np.arange(channels) % 2
    weights = np.stack([side == 0, side == 1]).astype(np.float32)
    return np.array(weights / weights.sum(axis=1, keepdims=True), np.float32)
