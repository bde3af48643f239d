"""YAML metadata of data sets, through PyYAML, which only they need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unmixcli.errors import InputError, ResourceError


def read_yaml(path: Path) -> dict[Any, Any]:
    """A YAML file that holds a mapping.

    Raises `InputError` where it cannot be read, `ResourceError` without PyYAML.
    """
    try:
        import yaml
    except ImportError as error:
        raise ResourceError(
            f"{path} is YAML, which needs the package PyYAML; type: pip install 'unmixcli[eval]'"
        ) from error
    # The C loader reads Slakh's 2100 files ten times faster; not every build has it.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"The metadata {path} cannot be read: {reason}.") from error
    if not isinstance(content, dict):
        raise InputError(f"The metadata {path} holds no mapping; get a fresh copy of it.")
    return content
