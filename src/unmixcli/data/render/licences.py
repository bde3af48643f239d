"""Under which licences the sounds of a song stand.

Known public sets are named here; a file `licences.toml` in the source folder says more, one line
a folder: `"bass/my-bass" = "CC0"`. What neither names is "unknown", and said to be so.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from unmixcli.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = "licences.toml"

# By the last part of a folder's path, or the name of an archive of scores.
_KNOWN = {
    "muldjordkit": "CC BY 4.0",
    "pearl-master-studio": "CC BY 3.0",
    "CR-78": "public domain",
    "LM-2": "public domain",
    "MRK-2": "public domain",
    "TR-505": "public domain",
    "freepats-yr": "CC0",
    "fashionbass": "CC0",
    "growlybass": "CC0",
    "pastabass": "CC0",
    "sneakybass": "CC0",
    "swagbass": "CC0",
    "ganjo": "CC0",
    "epianos": "CC BY 3.0",
    "acoustic-guitar": "CC BY 3.0",
    "berklee": "CC BY 3.0",
    "berklee-voices": "CC BY 3.0",
    "solosax": "CC BY 4.0",
    "makam": "CC BY 4.0",
    "vocadito": "CC BY 4.0",
    **dict.fromkeys(("lithium", "sodium", "potassium", "caesium"), "CC0"),
    "erithacus": "CC BY 4.0",
    "yuki": "public domain",
    "pjs": "CC BY-SA 4.0",
    "solfege-gpl": "GPL-3",
    "emt140-plate": "CC BY",
    "groove-midi.zip": "CC BY 4.0",
    "openewld.zip": "public domain",
    "FluidR3_GM": "MIT",
    "MuseScore_General_Full": "MIT",
    "MuseScore_General_Lite": "MIT",
    "TimGM6mb": "GPL-2",
    "synthesis": "none needed",
}
UNKNOWN = "unknown"


def user_licences(folder: Path) -> dict[str, str]:
    """What the source folder says about itself; `InputError` for a file that is no TOML."""
    path = folder / FILE
    if not path.is_file():
        return {}
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
    return {str(name): str(licence) for name, licence in told.items()}


def licences_of(sources: Iterable[str], told: Mapping[str, str]) -> dict[str, str]:
    """The licence of each source, `bass/NAME:articulation` among them, by its folder."""
    folders = sorted({source.partition(":")[0] for source in sources})
    return {folder: _licence(folder, told) for folder in folders}


def _licence(folder: str, told: Mapping[str, str]) -> str:
    return told.get(folder) or _KNOWN.get(folder.rpartition("/")[2], UNKNOWN)
