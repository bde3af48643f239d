"""A small joint model of vocals and pitch with random weights."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from unmixcli.models.adapters import pitch_unets
from unmixcli.models.adapters.pitch_unets import PitchUNets
from unmixcli.models.card import Card
from unmixcli.models.load import spectral_settings
from unmixcli.models.toml import toml_text

CARD: dict[str, Any] = {
    "name": "sung",
    "title": "Sung",
    "description": "Random weights, for tests.",
    "architecture": "pitch_unets",
    "stems": ["vocals", "accompaniment"],
    "residual": "accompaniment",
    "sample_rate": 8000,
    "channels": 1,
    "stft": {"n_fft": 256, "hop_samples": 64},
    "chunks": {"length": 32, "context": 4, "overlap": 4, "multiple": 8, "batch": 2},
    "pitch": {
        "hop_samples": 64,
        "f_min_hz": 55.0,
        "bins_per_octave": 12,
        "bins": 48,
        "threshold": 0.4,
    },
    "parameters": {
        "bins": 128,
        "harmonics": [1.0, 2.0],
        "network": {"filters": [4, 4, 6], "kernel": 4},
    },
    "licence": {"name": "MIT", "commercial": True},
    "training_data": "none",
    "files": [{"role": "all", "name": "model.safetensors", "sha256": "0" * 64}],
}


def pitch_card(**changes: Any) -> Card:
    """The card with changes; `wiring` is one of its parameters."""
    parameters = {**CARD["parameters"], **changes.pop("parameters", {})}
    if wiring := changes.pop("wiring", None):
        parameters["wiring"] = wiring
    return Card.model_validate({**CARD, "parameters": parameters, **changes})


def pitch_model(**changes: Any) -> PitchUNets:
    """Its model, with norms and weights that are far from where they start."""
    torch.manual_seed(0)
    card = pitch_card(**changes)
    model = pitch_unets.untrained(card, spectral_settings(card)).eval()
    for weight in model.parameters():
        weight.data += 0.1 * torch.randn_like(weight)
    return model.requires_grad_(False)


def write_pitch_model(folder: Path, *, threshold: float = 0.4) -> Path:
    """The same as files; the folder's name is its name."""
    folder.mkdir(parents=True)
    weights = folder / "model.safetensors"
    state = pitch_model().network.state_dict()
    save_file({name: weight.contiguous() for name, weight in state.items()}, weights)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    changes: dict[str, Any] = {
        "name": folder.name,
        "pitch": {**CARD["pitch"], "threshold": threshold},
        "files": [{"role": "all", "name": weights.name, "sha256": digest}],
    }
    (folder / "model.toml").write_text(toml_text({**CARD, **changes}))
    return folder
