"""What was made, from what, by what: the file beside the stems that makes a batch resumable.

It is written last. A track is done if its manifest speaks of the same input, model, settings and
version, and its files are still there with the lengths that they had. A file belongs to the run
that wrote it last: `release` takes it out of every manifest before it is replaced.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from unmixcli.errors import ResourceError
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
        earlier: files of earlier runs that this one has left as they are, by their paths.
    """

    input: str
    fingerprint: Fingerprint
    sample_rate: int
    gain_db: float
    outputs: Mapping[str, OutputRecord]
    warning: str = ""
    earlier: Mapping[str, OutputRecord] = {}

    @property
    def files(self) -> dict[str, OutputRecord]:
        """What it says we wrote, by the paths."""
        return {**self.earlier, **{output.file: output for output in self.outputs.values()}}

    def write(self, path: Path) -> None:
        """Write to a temporary name and rename; what `release` left there stays in `earlier`.

        Raises:
            ResourceError: if the folder or the disk refuse.
        """
        # ASCII escapes keep file names that are not valid Unicode.
        before = read_manifest(path)
        content = self.model_copy(update={"earlier": before.earlier}) if before else self
        write_text(path, json.dumps(content.model_dump(), indent=2) + "\n", encoding="ascii")


def read_manifest(path: Path) -> Manifest | None:
    """The manifest at `path`; None if there is none, or it cannot be read as one."""
    try:
        return Manifest.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError):
        return None


def is_done(path: Path, fingerprint: Fingerprint) -> Manifest | None:
    """The manifest at `path` if its result is what a run would make again."""
    manifest = read_manifest(path)
    if manifest is None or not manifest.outputs or manifest.fingerprint != fingerprint:
        return None
    for output in manifest.outputs.values():
        file = path.parent / output.file
        if not file.is_file() or file.stat().st_size != output.bytes:
            return None
    return manifest


def release(path: Path, files: Collection[Path]) -> None:
    """Say in all manifests of a folder that files are about to be replaced.

    The manifest of a track that loses a file, and that at `path` in any case, speaks of no finished
    run any more; it keeps the other files as those of earlier runs.

    Raises:
        ResourceError: if the folder or the disk refuse.
    """
    names = {str(file.relative_to(path.parent)) for file in files}
    there = {path}
    if any(file.exists() for file in files):
        there.update(path.parent.glob(f"*{MANIFEST_SUFFIX}"))
    for other in sorted(there):
        manifest = read_manifest(other)
        if manifest is not None and (other == path or names & manifest.files.keys()):
            _forget(manifest, other, names)


def _forget(manifest: Manifest, path: Path, names: Collection[str]) -> None:
    left = {
        name: record
        for name, record in manifest.files.items()
        if name not in names and (path.parent / name).is_file()
    }
    # So that what is written holds these and no more.
    try:
        path.unlink()
    except OSError as error:
        raise ResourceError(f"{path}: cannot be removed: {error.strerror}") from error
    if left:
        manifest.model_copy(update={"outputs": {}, "earlier": left}).write(path)


def written_beside(folder: Path) -> set[str]:
    """Names of the files in a folder that a manifest there says we wrote."""
    manifests = (read_manifest(path) for path in folder.glob(f"*{MANIFEST_SUFFIX}"))
    return {name for manifest in manifests if manifest for name in manifest.files}
