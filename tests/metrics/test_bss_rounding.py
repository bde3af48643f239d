from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import pytest
import torch

from unmixcli.errors import ResourceError
from unmixcli.metrics.bss_filters import Projector, gather, solve
from unmixcli.metrics.bss_rounding import RoundingProjector


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("channels", [1, 2, 4])
@pytest.mark.parametrize("pairs", [False, True])
def test_energies_equal_those_of_the_blocks(channels: int, pairs: bool) -> None:
    references, estimates, taps = noise(4, 3000), noise(4, 3000, seed=1), 32
    filters = solve(gather(references, estimates, taps=taps), channels=channels)
    assert filters is not None
    frames: dict[str, Any] = {"starts": [0, 500], "length": 1200}
    wanted = Projector(filters, pairs=pairs).energies(references, estimates, **frames)
    rounding = RoundingProjector(references, estimates, channels=channels, taps=taps, pairs=pairs)
    found = rounding.energies(references, estimates, **frames)
    # One stem alone has no interference; what is left of it is rounding.
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-20)


def test_the_arithmetic_is_that_of_museval(museval_metrics: Any) -> None:
    references, taps = noise(4, 3000), 512
    references[1] = references[0]
    estimates = references + 0.1 * noise(4, 3000, seed=1)
    images = np.moveaxis(references.numpy().reshape(2, 2, -1), 1, 2)
    found = np.moveaxis(estimates.numpy().reshape(2, 2, -1), 1, 2)
    matrix, spectra = museval_metrics._compute_reference_correlations(images, taps)
    wanted = museval_metrics._compute_projection_filters(matrix, spectra, found[1])
    ours = RoundingProjector(references, estimates, channels=2, taps=taps, pairs=False)
    # (stems, channels, taps, out) against (out, stems · channels, taps), bit for bit.
    np.testing.assert_array_equal(ours._joint[2:], np.moveaxis(wanted, -1, 0).reshape(2, 4, taps))


def test_a_singular_matrix_gets_the_least_filters() -> None:
    references = torch.zeros(2, 200, dtype=torch.float64)
    references[0] = noise(1, 200)[0]
    estimates = references.roll(1, 0) + references
    projector = RoundingProjector(references, estimates, channels=1, taps=4, pairs=False)
    assert np.isfinite(projector._joint).all()
    np.testing.assert_allclose(projector._joint[0, 0], [1, 0, 0, 0], atol=1e-9)


def test_without_scipy_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **options: Any) -> Any:
        if name.startswith("scipy"):
            raise ImportError(name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    signal = noise(1, 100)
    with pytest.raises(ResourceError, match=r"unmixcli\[eval\]"):
        RoundingProjector(signal, signal, channels=1, taps=4, pairs=False)
