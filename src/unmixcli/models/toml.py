"""Writes TOML: cards of models that were added, and what the user has chosen."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def toml_text(content: Mapping[str, Any]) -> str:
    """A mapping of strings, numbers, booleans, lists and mappings of these as TOML."""
    return "\n".join(_table(content, ())).strip() + "\n"


def _table(content: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    plain = {key: value for key, value in content.items() if not _is_table(value)}
    if path and (plain or not content):
        yield f"\n[{'.'.join(map(_key, path))}]"
    yield from _lines(plain)
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _table(value, (*path, key))
        elif _is_table(value):
            for item in value:
                yield f"\n[[{'.'.join(map(_key, (*path, key)))}]]"
                yield from _lines(item)


def _lines(content: Mapping[str, Any]) -> Iterator[str]:
    return (f"{_key(key)} = {_inline(value)}" for key, value in content.items())


def _is_table(value: Any) -> bool:
    several = isinstance(value, list) and value and all(isinstance(v, Mapping) for v in value)
    return isinstance(value, Mapping) or bool(several)


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if bare else json.dumps(key)


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(_lines(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_inline, value)) + "]"
    if isinstance(value, bool | str):
        # JSON's escapes are among those of TOML, but for the slash, which Python leaves alone.
        return json.dumps(value, ensure_ascii=False)
    return repr(value)
