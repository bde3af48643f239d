"""The device asked for is used or refused, never swapped silently."""

from __future__ import annotations

import torch

from unmixcli.errors import ResourceError, UsageError
from unmixcli.models.card import Card

DEVICES = ("auto", "cpu", "cuda", "mps")

HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
"""The reduced precisions by their names on cards."""


def resolve_device(name: str, *, card: Card) -> torch.device:
    """The device of a name; `auto` takes CUDA, then MPS for models tried on it, then the CPU.

    Raises:
        UsageError: for an unknown name.
        ResourceError: for a device that is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        mps = card.mps and torch.backends.mps.is_available()
        return torch.device("mps" if mps else "cpu")
    if name not in DEVICES:
        raise UsageError(f"--device {name}: there are {', '.join(DEVICES)}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ResourceError(
            f"--device cuda: torch {torch.__version__} finds no CUDA device here; "
            "`unmix doctor` tells why, --device cpu runs"
        )
    if name == "mps" and not torch.backends.mps.is_available():
        raise ResourceError("--device mps: there is no Apple GPU here; --device cpu runs")
    return torch.device(name)


def best_half(card: Card, device: torch.device) -> str | None:
    """The reduced precision that the card allows and the device has; None on a CPU."""
    if device.type != "cuda":
        return None
    able = {"bf16": torch.cuda.is_bf16_supported(), "fp16": True}
    return next((name for name in card.half if able[name]), None)
