"""Demucs' older checkpoints, which are pickles, to safetensors as Demucs publishes them now.

Reading a pickle runs what its maker put in. So it is read on the user's word alone, and in a
process of its own: `python -m unmixcli.models.convert CHECKPOINT SAFETENSORS`. That keeps broken
files from taking the caller down; it does not keep harmful ones from harm, for the process has the
user's rights.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from unmixcli.errors import ModelError
from unmixcli.finished import finished_file
from unmixcli.models.modes import usual_mode
from unmixcli.models.weights import sha256

# As in 955717e8-8726e21a.th: the signature, and the first digits of the file's sha256.
_NAME = re.compile(r"-([0-9a-f]{8})\.th")


def convert_file(path: Path, *, out: Path, trust: bool) -> None:
    """Write the network of a Demucs checkpoint as safetensors with its class and arguments.

    Args:
        path: the checkpoint, `SIGNATURE-CHECKSUM.th`.
        out: what is written, whole or not at all.
        trust: whether the user trusts its maker.

    Raises:
        ModelError: without trust; for a file that is missing, damaged, quantised or no model of
            Demucs; without the package `demucs`.
        ResourceError: if `out` cannot be written.
    """
    if not path.is_file():
        raise ModelError(f"{path}: there is no such file")
    if not trust:
        raise ModelError(
            f"{path}: is a pickle, which can run any code when it is read; if you trust where it "
            f"comes from, type: unmix models convert {shlex.quote(str(path))} --trust"
        )
    _check_digest(path)
    if importlib.util.find_spec("demucs") is None:
        raise ModelError(
            f"{path}: reading it needs the package demucs, which is not installed; "
            "get it by: pip install 'unmixcli[demucs]'"
        )
    with finished_file(out) as temporary:
        _convert_apart(path, temporary)


def _check_digest(path: Path) -> None:
    named = _NAME.search(path.name)
    if named and not (actual := sha256(path)).startswith(named[1]):
        raise ModelError(
            f"{path}: damaged or tampered with: its sha256 is {actual[:16]}…, its name says "
            f"{named[1]}…; download it again"
        )


def _convert_apart(path: Path, out: Path) -> None:
    # -I: nothing from the folder in which the user stands is imported.
    command = [sys.executable, "-I", "-m", __name__, str(path.absolute()), str(out.absolute())]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        reason = said[-1] if said else f"its process ended with {done.returncode}"
        raise ModelError(f"{path}: cannot be converted: {reason}")


def _convert(path: Path, out: Path) -> None:
    """Read the pickle, whatever it does, and write what it holds."""
    import torch
    from safetensors.torch import save_file

    from unmixcli.models.adapters.demucs import CLASSES

    package = torch.load(path, map_location="cpu", weights_only=False)
    if not isinstance(package, dict) or not {"klass", "args", "kwargs", "state"} <= package.keys():
        raise ValueError("it holds no klass, args, kwargs and state, so it is no model of Demucs")
    kind, state = package["klass"], package["state"]
    name = f"{kind.__module__}.{kind.__qualname__}"
    if name not in CLASSES:
        raise ValueError(f"it is a {name}; known are {', '.join(CLASSES)}")
    if "__quantized" in state:
        raise ValueError("it is quantised; take the model that is not")
    texts = {key: json.dumps(package[key], default=_to_json) for key in ("args", "kwargs")}
    tensors = {key: tensor.contiguous().clone() for key, tensor in state.items()}
    with usual_mode(out):
        save_file(tensors, out, metadata={"klass": name, **texts})


def _to_json(value: Any) -> Any:
    """What JSON does not have, as Demucs writes it; lists of other packages become plain ones."""
    if isinstance(value, Fraction):
        numerator, denominator = value.numerator, value.denominator
        return {"_type": "fraction", "numerator": numerator, "denominator": denominator}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"its arguments hold a {type(value).__name__}")


if __name__ == "__main__":
    try:
        _convert(Path(sys.argv[1]), Path(sys.argv[2]))
    except Exception as error:
        # Its last line is what the caller passes on.
        sys.exit(" ".join(f"{error}".split()) or type(error).__name__)
