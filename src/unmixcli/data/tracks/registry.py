"""All kinds of data sets, and which of them a folder is."""

from __future__ import annotations

from pathlib import Path

from unmixcli.data.tracks.ccmixter import CCMIXTER
from unmixcli.data.tracks.dsd100 import DSD100
from unmixcli.data.tracks.instruments import to_four
from unmixcli.data.tracks.layout import Reader
from unmixcli.data.tracks.medleydb import MEDLEYDB
from unmixcli.data.tracks.mixing_secrets import MIXING_SECRETS
from unmixcli.data.tracks.model import Manifest
from unmixcli.data.tracks.musdb import MUSDB18, MUSDB18_HQ
from unmixcli.data.tracks.slakh import SLAKH
from unmixcli.data.tracks.stem_folder import STEM_FOLDER
from unmixcli.data.tracks.tap_and_fiddle import TAP_AND_FIDDLE
from unmixcli.data.tracks.unmix_eval import UNMIX_EVAL
from unmixcli.data.tracks.voice_channels import IKALA, MIR1K
from unmixcli.errors import InputError, UsageError

# The first that recognises a folder reads it, so a layout stands before those that contain it.
READERS: tuple[Reader, ...] = (
    UNMIX_EVAL,
    MUSDB18,
    MUSDB18_HQ,
    DSD100,
    MEDLEYDB,
    SLAKH,
    CCMIXTER,
    IKALA,
    MIR1K,
    TAP_AND_FIDDLE,
    MIXING_SECRETS,
    STEM_FOLDER,
)


# Data sets of seven stems, read as four.
_AS_FOUR = {f"{reader.kind}-4": reader for reader in (MEDLEYDB, SLAKH, MIXING_SECRETS)}


def read_dataset(folder: Path, *, kind: str | None = None) -> Manifest:
    """The tracks of a data set: a folder, or the JSON file of a manifest.

    Without `kind` the folder's layout decides. No audio is decoded. Kinds that end in "-4" have
    four stems instead of seven; `references` lets a model of four be scored on either.

    Raises `InputError` for a folder that does not exist, is no such data set or lacks files, and
    `UsageError` for a kind that does not exist.
    """
    by_kind = {reader.kind: reader for reader in READERS}
    if kind is not None and kind not in {**by_kind, **_AS_FOUR}:
        known = ", ".join([*by_kind, *_AS_FOUR])
        raise UsageError(f"Unknown kind of data set '{kind}'; known are {known}.")
    if folder.is_file():
        return Manifest.from_json(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} does not exist; give the folder of a data set or a manifest.")
    if kind in _AS_FOUR:
        return to_four(_AS_FOUR[kind].read(folder))
    reader = _detected(folder) if kind is None else by_kind[kind]
    return reader.read(folder)


def _detected(folder: Path) -> Reader:
    for reader in READERS:
        if reader.detects(folder):
            return reader
    layouts = "; ".join(f"{reader.layout} ({reader.kind})" for reader in READERS)
    raise InputError(f"{folder} holds no data set that is known here; looked for: {layouts}.")
