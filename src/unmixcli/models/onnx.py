"""Networks in ONNX Runtime: opened on the device asked for, and written from our own.

Tensors pass by their addresses, so nothing is copied on either side. What ONNX Runtime would do
silently, run on the CPU where a GPU was asked for, is an error here.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from unmixcli.errors import ModelError, ResourceError
from unmixcli.finished import finished_file
from unmixcli.models.catalogue import Model
from unmixcli.models.load import load_model
from unmixcli.models.spectral import SpectralModel, SpectralSettings

EXPORT_TOLERANCE = 1e-4
"""The largest difference between the masks of a network and of its export."""

# On a GPU the same sums in the same order each time, in the full precision of a float32.
_PROVIDERS = {
    "cpu": ("CPUExecutionProvider", {}),
    "cuda": ("CUDAExecutionProvider", {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}),
}
_FATAL_ONLY = 4


class Graph:
    """A network with one input and one output, on one device.

    Attributes:
        device: where it runs, and where its tensors must be.
        input_shape: of its file; None for an axis of any length.

    Raises:
        ModuleNotFoundError: if ONNX Runtime is not installed.
        ResourceError: if it cannot run on the device.
        ModelError: for a file that it cannot read.
    """

    def __init__(self, path: Path, *, device: torch.device) -> None:
        self.device = device
        self._session = _session(path, device)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise ModelError(f"{path}: has {len(inputs)} inputs and {len(outputs)} outputs, not 1")
        self._names = inputs[0].name, outputs[0].name
        self.input_shape = tuple(n if isinstance(n, int) else None for n in inputs[0].shape)

    def run(self, values: Tensor, *, shape: Sequence[int]) -> Tensor:
        """Run the network.

        Shape: `values` as its input; the result has `shape`, which must be that of its output;
        both float32.
        """
        values = values.contiguous()
        result = torch.empty(shape, dtype=torch.float32, device=self.device)
        binding = self._session.io_binding()
        binding.bind_input(self._names[0], *_place(values))
        binding.bind_output(self._names[1], *_place(result))
        if self.device.type == "cuda":
            # The session has a stream of its own, which knows nothing of ours.
            torch.cuda.current_stream(self.device).synchronize()
        self._session.run_with_iobinding(binding)
        return result


def export_onnx(model: Model, path: Path) -> None:
    """Write a model that gives masks as an ONNX file, and compare the two.

    Its input `mix` is `(batch, channels, bins, frames)`: magnitudes, of as many frames as a chunk
    of the card (any number where the card's chunks are not fixed); its output `masks` is
    `(batch, stems, channels, bins, frames)`. For complex masks, both end in an axis of real and
    imaginary part. Stems, rate and transform stand in the file's metadata.

    Raises:
        ModelError: for a model that gives samples or that torch cannot export, weights that are
            missing or damaged, or an export that differs by more than `EXPORT_TOLERANCE`; there is
            no file then.
        ResourceError: if a package is missing, or the file cannot be written.
    """
    network = load_model(model, device=torch.device("cpu"))
    if not isinstance(network, SpectralModel):
        raise ModelError(
            f"{model.name}: its architecture {model.card.architecture} gives samples, and only "
            "models that give masks can be exported"
        )
    masks = _RealMasks(network).eval()
    try:
        with finished_file(path) as temporary:
            _write(masks, temporary, facts=_facts(model.name, network.settings))
            _check(masks, temporary, name=model.name)
    except ModuleNotFoundError as error:
        raise ResourceError(
            f"the export to ONNX needs the package {error.name}; get it by: "
            "pip install 'unmixcli[cpu,onnx]'"
        ) from error
    except torch.onnx.OnnxExporterError as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise ModelError(f"{model.name}: torch cannot export it to ONNX: {reason}") from error


class _RealMasks(nn.Module):
    """All masks of a model with real numbers on both sides, as ONNX has no others.

    Attributes:
        complex: whether real and imaginary part are a last axis.
    """

    def __init__(self, network: SpectralModel) -> None:
        super().__init__()
        self.network = network
        self.complex = False
        with torch.no_grad():
            probe = torch.complex(mix := self.example(batch=1), torch.zeros_like(mix))
            self.complex = network.masks(probe, stems=network.settings.stems).is_complex()

    def example(self, *, batch: int) -> Tensor:
        """Magnitudes, or spectra, over the range that music has, down to silence."""
        settings = self.network.settings
        shape = (batch, settings.channels, settings.stft.bins, settings.chunks.length)
        generator = torch.Generator().manual_seed(0)
        magnitudes = 10 ** torch.empty(shape).uniform_(-6, 2, generator=generator)
        if not self.complex:
            return magnitudes
        angles = torch.empty(shape).uniform_(-math.pi, math.pi, generator=generator)
        return torch.view_as_real(torch.polar(magnitudes, angles))

    def forward(self, mix: Tensor) -> Tensor:
        """Return the masks."""
        if self.complex:
            spectrum = torch.view_as_complex(mix)
        else:
            spectrum = torch.complex(mix, torch.zeros_like(mix))
        masks = self.network.masks(spectrum, stems=self.network.settings.stems)
        return torch.view_as_real(masks) if self.complex else masks


def _facts(name: str, settings: SpectralSettings) -> dict[str, str]:
    stft = settings.stft
    return {
        "name": name,
        "stems": ",".join(settings.stems),
        "sample_rate": str(settings.sample_rate),
        "n_fft": str(stft.n_fft),
        "hop_samples": str(stft.hop_samples),
        "window": f"{stft.window}, {stft.window_length} samples, periodic",
        "edge": stft.edge,
    }


def _write(masks: _RealMasks, path: Path, *, facts: dict[str, str]) -> None:
    any_length = torch.export.Dim.DYNAMIC
    fixed = masks.network.settings.chunks.fixed
    axes = {0: any_length} if fixed else {0: any_length, 3: any_length}
    with _quietly(), torch.no_grad():
        # Its optimiser takes constants as small as Spleeter's epsilon for zeros.
        program = torch.onnx.export(
            masks,
            (masks.example(batch=2),),
            dynamic_shapes=(axes,),
            input_names=["mix"],
            output_names=["masks"],
            dynamo=True,
            optimize=False,
            verbose=False,
        )
    if program is None:
        raise ModelError(f"{facts['name']}: torch gave no ONNX program")
    program.model.metadata_props.update(facts)
    program.save(str(path))


def _check(masks: _RealMasks, path: Path, *, name: str) -> None:
    graph = Graph(path, device=torch.device("cpu"))
    mix = masks.example(batch=1)
    with torch.no_grad():
        expected = masks(mix)
    worst = float((graph.run(mix, shape=expected.shape) - expected).abs().max())
    # Not "worse than", which a NaN never is.
    if not worst <= EXPORT_TOLERANCE:
        raise ModelError(
            f"{name}: its export gives masks that differ by {worst:.1e}, more than "
            f"{EXPORT_TOLERANCE:.0e}; nothing is written"
        )


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep torch from telling of packages and tracing that are no concern of a user's."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def _session(path: Path, device: torch.device) -> Any:
    import onnxruntime

    provider, options = _provider(device, onnxruntime.get_available_providers())
    try:
        session = onnxruntime.InferenceSession(
            str(path), _options(onnxruntime), providers=[(provider, options)]
        )
    # Its errors have no base of their own.
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{path}: ONNX Runtime cannot open it: {reason}") from error
    if session.get_providers()[0] != provider:
        raise ResourceError(
            f"--device {device.type}: ONNX Runtime's {provider} does not start here; see that its "
            "CUDA and cuDNN are installed, --device cpu runs"
        )
    return session


def _provider(device: torch.device, available: Sequence[str]) -> tuple[str, dict[str, str]]:
    provider, options = _PROVIDERS.get(device.type, ("", {}))
    if provider not in available:
        raise ResourceError(
            f"--device {device.type}: the ONNX Runtime here has {', '.join(available)} only; for "
            "an NVIDIA GPU type: pip uninstall onnxruntime && pip install 'unmixcli[gpu]', "
            "--device cpu runs"
        )
    return provider, {**options, "device_id": str(device.index or 0)} if options else options


def _options(onnxruntime: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.use_deterministic_compute = True
    # Its threads would wait for work at full speed, while torch's transform wants the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = _FATAL_ONLY
    return options


def _place(values: Tensor) -> tuple[str, int, type[np.float32], tuple[int, ...], int]:
    device = values.device
    return device.type, device.index or 0, np.float32, tuple(values.shape), values.data_ptr()
