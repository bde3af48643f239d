"""From a trained model to a folder that `unmix separate --model FOLDER` takes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from unmixcli.finished import finished_folder, write_text
from unmixcli.models.card import Score, WeightFile
from unmixcli.models.catalogue import CARD_NAME
from unmixcli.models.spectral import SpectralModel
from unmixcli.training.model import card_of, trainable
from unmixcli.training.recipe import Recipe


def export_model(
    model: SpectralModel,
    recipe: Recipe,
    folder: Path,
    *,
    recipe_text: str = "",
    scores: Sequence[Score] = (),
) -> Path:
    """Write card, weights and recipe into a folder; what was there before stays until then.

    Args:
        model: trained.
        recipe: by which.
        folder: of the model.
        recipe_text: its file, copied beside the card.
        scores: for the card.

    Returns:
        The folder.

    Raises:
        ResourceError: if it cannot be written.
    """
    adapter = trainable(recipe.network.architecture)
    with finished_folder(folder) as temporary:
        files = tuple(
            _write_weights(temporary, role, state) for role, state in adapter.states(model).items()
        )
        card = card_of(recipe, files=files).model_copy(update={"scores": tuple(scores)})
        content = card.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        write_text(temporary / CARD_NAME, toml_text(content))
        if recipe_text:
            write_text(temporary / "recipe.toml", recipe_text)
    return folder


def _write_weights(folder: Path, role: str, state: Mapping[str, Tensor]) -> WeightFile:
    path = folder / ("model.safetensors" if role == "all" else f"{role}.safetensors")
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return WeightFile(role=role, name=path.name, sha256=digest, size=path.stat().st_size)


def toml_text(content: Mapping[str, Any]) -> str:
    """A mapping of strings, numbers, booleans, lists and mappings of these as TOML."""
    return "\n".join(_table(content, ())).strip() + "\n"


def _table(content: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    plain = {key: value for key, value in content.items() if not _is_table(value)}
    if path and (plain or not content):
        yield f"\n[{'.'.join(map(_key, path))}]"
    for key, value in plain.items():
        yield f"{_key(key)} = {_inline(value)}"
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _table(value, (*path, key))
        elif _is_table(value):
            for item in value:
                yield f"\n[[{'.'.join(map(_key, (*path, key)))}]]"
                yield from (f"{_key(k)} = {_inline(v)}" for k, v in item.items())


def _is_table(value: Any) -> bool:
    several = isinstance(value, list) and value and all(isinstance(v, Mapping) for v in value)
    return isinstance(value, Mapping) or bool(several)


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if bare else json.dumps(key)


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(k)} = {_inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_inline, value)) + "]"
    if isinstance(value, bool | str):
        # JSON's escapes are among those of TOML, but for the slash, which Python leaves alone.
        return json.dumps(value, ensure_ascii=False)
    return repr(value)
