"""What was made, from what, by what: the file beside the stems that makes a batch resumable.

It is written last. A track is done if its manifest speaks of the same input, model, settings and
version, and its files are still there with the lengths that they had.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from unmixcli.finished import write_text

MANIFEST_SUFFIX = ".unmix.json"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Fingerprint(_Record):
    """What a result depends on.

    Attributes:
        input_sha256: of the input file.
        model: its name.
        model_sha256: of the model's card and weights together.
        settings: every option that changes a sample or a file.
        version: of the program.
    """

    input_sha256: str
    model: str
    model_sha256: str
    settings: Mapping[str, Any]
    version: str


class OutputRecord(_Record):
    """One file that was written.

    Attributes:
        file: its path, relative to the manifest.
        bytes: its size.
        samples: samples a channel.
        peak: the largest absolute value before any gain.
        silent: whether it holds nothing but zeros.
    """

    file: str
    bytes: int
    samples: int
    peak: float
    silent: bool


class Manifest(_Record):
    """A finished track.

    Attributes:
        input: the input's name.
        fingerprint: what the result depends on.
        sample_rate: of the outputs, Hz.
        gain_db: the one gain of all stems, 0 unless they would have clipped.
        outputs: by name.
        warning: why the track is not whole: an input that was cut off; empty otherwise.
    """

    input: str
    fingerprint: Fingerprint
    sample_rate: int
    gain_db: float
    outputs: Mapping[str, OutputRecord]
    warning: str = ""

    def write(self, path: Path) -> None:
        """Write to a temporary name and rename.

        Raises:
            ResourceError: if the folder or the disk refuse.
        """
        # ASCII escapes keep file names that are not valid Unicode.
        write_text(path, json.dumps(self.model_dump(), indent=2) + "\n", encoding="ascii")


def read_manifest(path: Path) -> Manifest | None:
    """The manifest at `path`; None if there is none, or it cannot be read as one."""
    try:
        return Manifest.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError):
        return None


def is_done(path: Path, fingerprint: Fingerprint) -> Manifest | None:
    """The manifest at `path` if its result is what a run would make again."""
    manifest = read_manifest(path)
    if manifest is None or manifest.fingerprint != fingerprint:
        return None
    for output in manifest.outputs.values():
        file = path.parent / output.file
        if not file.is_file() or file.stat().st_size != output.bytes:
            return None
    return manifest


def written_beside(folder: Path) -> set[str]:
    """Names of the files in a folder that a manifest there says we wrote."""
    manifests = (read_manifest(path) for path in folder.glob(f"*{MANIFEST_SUFFIX}"))
    return {
        output.file for manifest in manifests if manifest for output in manifest.outputs.values()
    }
