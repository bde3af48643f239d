"""Readers of public data sets: a folder becomes a manifest of tracks, a track becomes arrays."""

from __future__ import annotations

from unmixcli.data.tracks.load import load_stems, native_rate
from unmixcli.data.tracks.model import MIX, Manifest, Part, Track
from unmixcli.data.tracks.pitch_labels import has_pitch, read_f0
from unmixcli.data.tracks.references import Target, references
from unmixcli.data.tracks.registry import READERS, read_dataset
from unmixcli.data.tracks.splits import stoller_splits

__all__ = [
    "MIX",
    "READERS",
    "Manifest",
    "Part",
    "Target",
    "Track",
    "has_pitch",
    "load_stems",
    "native_rate",
    "read_dataset",
    "read_f0",
    "references",
    "stoller_splits",
]
