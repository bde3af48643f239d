"""The card of a Roformer of MSST: its checkpoint and the YAML of settings beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from unmixcli.errors import ModelError, ResourceError
from unmixcli.models.adapters.roformer import Parameters
from unmixcli.models.card import Card, Chunks, Licence, WeightFile
from unmixcli.models.weights import sha256

# Of MSST's settings: what only training needs, how attention is computed, and what the card says.
_LEFT_OUT = re.compile(
    "attn_dropout|ff_dropout|flash_attn|sage_attention|use_torch_checkpoint|dim_freqs_in|"
    "multi_stft_.*|match_input_audio_length|stereo|num_stems"
)
_RESTS = ("other", "instrumental", "accompaniment")
_PARTS = 16
"""A chunk in shares of which one at each end is context, and one is cross-faded."""


def card_for(checkpoint: Path, *, config: Path) -> Card:
    """The card of a checkpoint, named after its file.

    A sixteenth of a chunk at each end is context, and neighbours cross-fade as much; MSST runs
    every sample `num_overlap` times instead.

    Raises:
        ModelError: if a file cannot be read, or the network is of a kind that is not known here.
        ResourceError: without PyYAML.
    """
    settings = read_settings(config)
    try:
        digest, size = sha256(checkpoint), checkpoint.stat().st_size
        name = re.sub(r"[^\w.-]+", "-", checkpoint.name).lstrip(".-")
        file = WeightFile(role="all", name=name, sha256=digest, size=size)
        return _card(checkpoint.stem, settings, file)
    except OSError as error:
        raise ModelError(f"{checkpoint}: cannot be read: {error.strerror}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"{config}: no settings of a Roformer that is known here: {_reason(error)}"
        ) from error


def read_settings(path: Path) -> dict[str, Any]:
    """A YAML of MSST, in which tuples are marked by a tag of Python's; no other tag is read.

    Raises:
        ModelError: if it cannot be read, or holds no mapping.
        ResourceError: without PyYAML.
    """
    try:
        import yaml
    except ImportError as error:
        raise ResourceError(
            f"{path} is YAML, which needs the package PyYAML; get it by: "
            "pip install 'unmixcli[roformer]'"
        ) from error

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        """With lists for tuples."""

    Loader.add_constructor("tag:yaml.org,2002:python/tuple", Loader.construct_sequence)
    try:
        settings = yaml.load(path.read_text(encoding="utf-8"), Loader=Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{path}: cannot be read as settings of MSST: {reason}") from error
    if not isinstance(settings, dict):
        raise ModelError(f"{path}: holds no settings of MSST")
    return settings


def _card(title: str, settings: Mapping[str, Any], file: WeightFile) -> Card:
    model, audio = settings["model"], settings["audio"]
    parameters = _parameters(model, settings["training"])
    stems, residual = _stems(parameters.outputs or (), settings["training"]["instruments"])
    hop = parameters.sizes.stft_hop_length
    wanted = (settings.get("inference") or {}).get("chunk_size") or audio["chunk_size"]
    length = wanted // hop * hop
    return Card(
        name=re.sub(r"[^a-z0-9._-]+", "-", title.lower()).strip("-._") or "roformer",
        title=title,
        description=f"A {parameters.bands}-band Roformer that gives {', '.join(stems)}.",
        architecture="roformer",
        parameters=parameters.model_dump(mode="json"),
        stems=stems,
        residual=residual,
        sample_rate=audio.get("sample_rate", 44100),
        channels=2 if model.get("stereo") else 1,
        chunks=Chunks(
            length=length, context=length // _PARTS, overlap=length // _PARTS, multiple=hop
        ),
        extra="roformer",
        licence=Licence(name="not stated", commercial=False, note="Ask the model's makers."),
        training_data="not stated",
        files=(file,),
    )


def _parameters(model: Mapping[str, Any], training: Mapping[str, Any]) -> Parameters:
    target = training.get("target_instrument")
    outputs = tuple(map(_stem_name, [target] if target else training["instruments"]))
    if len(outputs) != model.get("num_stems", 1):
        raise ValueError(f"num_stems is {model.get('num_stems', 1)}, but it trains {outputs}")
    network = {key: value for key, value in model.items() if not _LEFT_OUT.fullmatch(key)}
    return Parameters(bands=_bands(model), outputs=outputs, network=network)


def _bands(model: Mapping[str, Any]) -> Literal["split", "mel"]:
    # Band-split ones may leave their bands to the default, which those of mel bands never do.
    return "mel" if "num_bands" in model else "split"


def _stems(
    outputs: Sequence[str], instruments: Sequence[str]
) -> tuple[tuple[str, ...], str | None]:
    """The card's stems and which of them is the rest of the mix."""
    if len(outputs) > 1:
        return tuple(outputs), next((name for name in _RESTS if name in outputs), None)
    others = [name for name in map(_stem_name, instruments) if name not in outputs]
    rest = others[0] if len(others) == 1 else f"no_{outputs[0]}"
    return (outputs[0], rest), rest


def _stem_name(instrument: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "_", instrument.lower())


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'model'}: {first['msg']}"
    return f"it lacks {error}" if isinstance(error, KeyError) else str(error)
