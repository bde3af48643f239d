"""Where each output goes: names from a template, and no two outputs on one path."""

from __future__ import annotations

import hashlib
import os
import string
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from unmixcli.batch.inputs import InputTrack
from unmixcli.batch.manifest import MANIFEST_SUFFIX
from unmixcli.errors import UsageError

DEFAULT_TEMPLATE = "{track}/{stem}.{ext}"
FIELDS = ("dir", "track", "stem", "ext", "model", "source_ext")
_LONGEST_NAME_BYTES = 255 - len(".12345678.part") - len(MANIFEST_SUFFIX)


@dataclass(frozen=True)
class TrackPlan:
    """One track and its files.

    Attributes:
        track: the input.
        outputs: output name to path.
        manifest: what is written last.
    """

    track: InputTrack
    outputs: Mapping[str, Path]
    manifest: Path


def plan_tracks(
    tracks: Sequence[InputTrack],
    *,
    outputs: Mapping[str, str],
    folder: Path,
    template: str,
    model: str,
    kind: str = "",
) -> list[TrackPlan]:
    """Name every file that a run will write.

    Args:
        tracks: the inputs.
        outputs: names of what is written for each, and their extensions without a dot.
        folder: below which everything lies; the tree of the inputs is mirrored in it, unless
            the template places `{dir}` itself.
        template: with the fields of `FIELDS`.
        model: for `{model}`.
        kind: of work, in the manifests' names, so that two kinds do not lose each other's.

    Raises:
        UsageError: for an unknown field, a path that leads out of `folder`, or two files of one
            path, an input among them.
    """
    _check_template(template, outputs)
    for name in outputs:
        if not name or name in {".", ".."} or "/" in name or "\0" in name:
            raise UsageError(f"{name!r} cannot be the name of a file; give the sum another name")
    plans = [
        _plan(track, outputs=outputs, folder=folder, template=template, model=model, kind=kind)
        for track in tracks
    ]
    _check_collisions(plans)
    return plans


def _plan(
    track: InputTrack,
    *,
    outputs: Mapping[str, str],
    folder: Path,
    template: str,
    model: str,
    kind: str,
) -> TrackPlan:
    source_ext = track.path.suffix.lstrip(".") if track.path else ""
    values = {
        "model": model,
        "dir": _directory(track),
        # A file called "...wav" has the stem "..", which is a folder.
        "track": track.name if track.name.strip(".") else track.name + "_",
        "source_ext": source_ext or "none",
    }
    base = folder if "{dir}" in template else folder / track.folder
    paths = {
        name: base / _short(template.format(stem=name, ext=extension, **values))
        for name, extension in outputs.items()
    }
    parent = Path(os.path.commonpath([path.parent for path in paths.values()]))
    suffix = f".{kind}{MANIFEST_SUFFIX}" if kind else MANIFEST_SUFFIX
    return TrackPlan(track, paths, parent / _short(track.name + suffix))


def _directory(track: InputTrack) -> str:
    if track.folder.parts or track.path is None:
        return str(track.folder)
    return track.path.absolute().parent.name or "."


def _check_template(template: str, outputs: Mapping[str, str]) -> None:
    try:
        fields = [field for field in string.Formatter().parse(template) if field[1] is not None]
    except ValueError as error:
        raise UsageError(f"--name {template!r}: {error}") from error
    used = [str(name) for _, name, _, _ in fields]
    if not template or any(spec or conversion for _, _, spec, conversion in fields):
        raise UsageError(f"--name {template!r}: must be a path with plain fields such as {{track}}")
    unknown = [name for name in used if name not in FIELDS]
    allowed = ", ".join(f"{{{field}}}" for field in FIELDS)
    if unknown:
        raise UsageError(f"--name {template!r}: no field {{{unknown[0]}}}; there are {allowed}")
    if len(outputs) > 1 and "stem" not in used:
        raise UsageError(f"--name {template!r}: needs {{stem}}, for several stems are written")
    if len(set(outputs.values())) > 1 and "ext" not in used:
        kinds = ", ".join(sorted(set(outputs.values())))
        raise UsageError(f"--name {template!r}: needs {{ext}}, for files of {kinds} are written")
    if Path(template).is_absolute() or ".." in Path(template).parts:
        raise UsageError(f"--name {template!r}: must stay inside --out")


def _short(path: str) -> Path:
    """Shorten what file systems refuse, told apart by a hash."""
    return Path(*(_short_name(part) for part in Path(path).parts))


def _short_name(name: str) -> str:
    data = os.fsencode(name)
    if len(data) <= _LONGEST_NAME_BYTES:
        return name
    suffix = "".join(Path(name).suffixes[-2:] if name.endswith(MANIFEST_SUFFIX) else "")
    suffix = suffix or (Path(name).suffix if len(Path(name).suffix) <= 6 else "")
    mark = "~" + hashlib.sha256(data).hexdigest()[:8] + suffix
    return data[: _LONGEST_NAME_BYTES - len(mark)].decode(errors="ignore") + mark


def _check_collisions(plans: Iterable[TrackPlan]) -> None:
    plans = list(plans)
    inputs = {_key(plan.track.path): plan.track for plan in plans if plan.track.path}
    owners: dict[str, InputTrack] = {}
    for plan in plans:
        for path in (*plan.outputs.values(), plan.manifest):
            key = _key(path)
            if key in inputs:
                raise UsageError(f"{path} is an input; choose another --out or --name")
            if key in owners:
                raise UsageError(
                    f"{owners[key].label} and {plan.track.label} would both write {path}; tell "
                    "them apart, for example by --name '{dir}/{track}.{source_ext}/{stem}.{ext}'"
                )
            owners[key] = plan.track


def _key(path: Path) -> str:
    # Links followed, so that no output replaces an input under another name.
    absolute = os.path.realpath(path)
    # File names differ in case alone on Linux, but not on macOS.
    return absolute.casefold() if sys.platform == "darwin" else absolute
