"""Random numbers that follow from a seed and from what they are for, never from an order."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Thing = TypeVar("Thing")


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """A generator of its own for a purpose, say `generator(7, "song", 3, "drums")`."""
    words = "/".join([str(seed), *map(str, purpose)])
    digest = hashlib.sha256(words.encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))


def pick(random: np.random.Generator, things: Sequence[Thing]) -> Thing:
    """One of several things, all alike probable; there is at least one."""
    return things[int(random.integers(len(things)))]


def pick_weighted(random: np.random.Generator, things: Sequence[tuple[Thing, float]]) -> Thing:
    """One of several things by their weights, which need not sum to 1."""
    weights = np.array([weight for _, weight in things], np.float64)
    at = int(np.searchsorted(np.cumsum(weights), random.random() * weights.sum(), side="right"))
    return things[min(at, len(things) - 1)][0]


def chance(random: np.random.Generator, probability: float) -> bool:
    """True as often as the probability says."""
    return bool(random.random() < probability)
