"""Time a program on a random mel-band Roformer: `... peer_roformer loop|twice|unmix FOLDER TASK`.

The loop has as many chunks as ours, or MSST's own, of which each sample is in two. Prints the JSON
of `benchmarks.task.Run`. The folder is not used.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch
import yaml
from bs_roformer import MelBandRoformer
from torch import Tensor, nn

from benchmarks import child
from benchmarks.child import Program, report
from benchmarks.task import Task
from unmixcli.models.adapters.roformer import MelBandSizes, Roformer, new_network
from unmixcli.models.adapters.roformer_card import card_for
from unmixcli.models.catalogue import Model
from unmixcli.models.load import waveform_settings

CHUNK = 352800
FADE = CHUNK // 10
# The published ones have dim = 384, depth = 6 and 8 heads.
SIZES: dict[str, Any] = {
    "dim": 128,
    "depth": 3,
    "time_transformer_depth": 1,
    "freq_transformer_depth": 1,
    "num_bands": 60,
    "dim_head": 64,
    "heads": 4,
    "stft_n_fft": 2048,
    "stft_hop_length": 441,
    "stft_win_length": 2048,
    "mask_estimator_depth": 2,
}


def model() -> Model:
    """What `card_for` makes of MSST's settings."""
    settings = {
        "audio": {"chunk_size": CHUNK, "sample_rate": 44100},
        "model": {**SIZES, "stereo": True, "num_stems": 1},
        "training": {"instruments": ["vocals", "other"], "target_instrument": "vocals"},
    }
    with tempfile.TemporaryDirectory() as folder:
        checkpoint, config = Path(folder) / "random.ckpt", Path(folder) / "random.yaml"
        checkpoint.write_bytes(b"none")
        config.write_text(yaml.safe_dump(settings))
        return Model(card_for(checkpoint, config=config), Path(folder))


def package() -> nn.Module:
    """The package's class, without what MSST's has not."""
    torch.manual_seed(0)
    without = {"linear_transformer_depth": 0, "num_residual_streams": 1}
    network: nn.Module = MelBandRoformer(**SIZES, **without, stereo=True, add_value_residual=False)
    return network.eval()


class Loop:
    """Chunk after chunk, windows that fade over a tenth at both ends.

    Args:
        step: samples from one chunk to the next.
        device: where the network runs.
    """

    def __init__(self, step: int, *, device: str) -> None:
        self._network = package().to(device)
        self._step = step
        self._device = device
        self._window = torch.ones(CHUNK)
        self._window[:FADE] = torch.linspace(0, 1, FADE)
        self._window[-FADE:] = torch.linspace(1, 0, FADE)

    def __call__(self, mix: Tensor) -> Tensor:
        """Separate `(2, samples)` into `(2, 2, samples)`."""
        padded = torch.nn.functional.pad(mix, (0, CHUNK))
        result, weights = torch.zeros_like(padded), torch.zeros_like(padded)
        for start in range(0, mix.shape[-1], self._step):
            given = self._network(padded[None, :, start : start + CHUNK].to(self._device))[0]
            result[:, start : start + CHUNK] += given.float().cpu() * self._window
            weights[:, start : start + CHUNK] += self._window
        vocals = (result / weights.clamp_min(1e-8))[:, : mix.shape[-1]]
        return torch.stack((vocals, mix - vocals))


def theirs(task: Task, *, step: int) -> Program:
    """The loop of MSST."""
    return child.theirs(Loop(step, device=task.device), task=task)


def ours(task: Task, *, made: Model) -> Program:
    """The engine, as `unmix separate` runs it."""
    torch.manual_seed(0)
    network = new_network(MelBandSizes(**SIZES), channels=2, stems=1)
    settings = waveform_settings(made.card)
    stems = Roformer(settings, network, outputs=("vocals",), hop=SIZES["stft_hop_length"])
    return child.ours(made, stems, task=task)


def main() -> None:
    """Do the task."""
    made = model()
    steps = {"loop": waveform_settings(made.card).chunks.advance, "twice": CHUNK // 2}
    word = sys.argv[1]
    builder = partial(theirs, step=steps[word]) if word in steps else partial(ours, made=made)
    report(builder, Task.from_json(sys.argv[3]))


if __name__ == "__main__":
    main()
