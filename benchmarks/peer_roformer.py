"""Time a program on a random mel-band Roformer: `... peer_roformer loop|twice|unmix SECONDS`.

It separates one chunk to warm up, then the whole. Prints JSON, see `benchmarks.peers`.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
import yaml
from bs_roformer import MelBandRoformer
from torch import Tensor, nn

from benchmarks.peers import engine, report
from unmixcli.models.adapters.roformer import MelBandSizes, Roformer, new_network
from unmixcli.models.adapters.roformer_card import card_for
from unmixcli.models.catalogue import Model
from unmixcli.models.load import waveform_settings

CHUNK = 352800
FADE = CHUNK // 10
# The published ones have dim = 384, depth = 6 and 8 heads.
SIZES = {
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


def theirs() -> nn.Module:
    """The package's class, without what MSST's has not."""
    torch.manual_seed(0)
    without = {"linear_transformer_depth": 0, "num_residual_streams": 1}
    network: nn.Module = MelBandRoformer(**SIZES, **without, stereo=True, add_value_residual=False)
    return network.eval()


def loop(step: int) -> Callable[[Tensor], object]:
    """Chunk after chunk, windows that fade over a tenth at both ends."""
    network = theirs()
    window = torch.ones(CHUNK)
    window[:FADE] = torch.linspace(0, 1, FADE)
    window[-FADE:] = torch.linspace(1, 0, FADE)

    def run(mix: Tensor) -> object:
        padded = torch.nn.functional.pad(mix, (0, CHUNK))
        result, weights = torch.zeros_like(padded), torch.zeros_like(padded)
        for start in range(0, mix.shape[-1], step):
            given = network(padded[None, :, start : start + CHUNK])[0]
            result[:, start : start + CHUNK] += given * window
            weights[:, start : start + CHUNK] += window
        vocals = (result / weights.clamp_min(1e-8))[:, : mix.shape[-1]]
        return vocals, mix - vocals

    return run


def ours(made: Model) -> Callable[[Tensor], object]:
    """The engine, as `unmix separate` runs it."""
    torch.manual_seed(0)
    network = new_network(MelBandSizes(**SIZES), channels=2, stems=1).eval()
    settings = waveform_settings(made.card)
    stems = Roformer(settings, network, outputs=("vocals",), hop=SIZES["stft_hop_length"])
    return engine(made, stems)


def main() -> None:
    program, seconds = sys.argv[1], float(sys.argv[2])
    made = model()
    advance = waveform_settings(made.card).chunks.advance
    steps = {"loop": advance, "twice": CHUNK // 2}
    run = loop(steps[program]) if program in steps else ours(made)
    report(run, seconds=seconds, warm_up=CHUNK)


if __name__ == "__main__":
    main()
