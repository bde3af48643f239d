"""Phase unwrapping: parity with the definition, closed forms, streams equal to the whole."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.signal import find_peaks
from torch import Tensor

from unmixcli.dsp import phase as package
from unmixcli.dsp.compiled import compiled
from unmixcli.dsp.phase import (
    PhaseUnwrapping,
    PhaseUnwrappingStream,
    frequencies,
    kernels,
    mixing_error,
    recover_phases,
    unwrapping,
)
from unmixcli.dsp.stft import STFTConfig, stft
from unmixcli.errors import ResourceError

Input = tuple[Tensor, Tensor]
FIXTURE = Path(__file__).parent / "fixtures" / "pu_hpss.json"
# 257 bins are two tiles and one bin; neither hop divides evenly into turns.
CONFIG = PhaseUnwrapping(n_fft=512, hop_samples=96)


def random_input(
    *,
    sources: int = 2,
    channels: int = 2,
    bins: int = 257,
    frames: int = 9,
    dtype: torch.dtype = torch.complex64,
) -> Input:
    """Random sources, magnitudes somewhat wrong, zeros among them, and their sum."""
    rng = torch.Generator().manual_seed(0)
    stems = torch.randn(sources, channels, bins, frames, dtype=dtype, generator=rng)
    wrong = 0.5 + torch.rand(stems.shape, generator=rng)
    wrong[:, :, 5::31, 1:2] = 0
    wrong[0, :, 7::31, 4:5] = 0
    mix = stems.sum(dim=0)
    mix[:, 9::31, 1:3] = 0
    return (stems.abs() * wrong).to(mix.real.dtype), mix


def fixture() -> dict[str, Any]:
    """Facts of an independent implementation; its first source is the percussive one."""
    facts: dict[str, Any] = json.loads(FIXTURE.read_text())
    return facts


def complex_of(parts: dict[str, Any]) -> Tensor:
    return torch.complex(*(torch.tensor(parts[key], dtype=torch.float64) for key in ("re", "im")))


def fixture_input() -> Input:
    facts = fixture()
    magnitudes = torch.tensor(facts["magnitudes"], dtype=torch.float64)
    return magnitudes.flip(0).unsqueeze(1), complex_of(facts["mixture"]).unsqueeze(0)


def plain_frequencies(magnitudes: NDArray[Any]) -> NDArray[Any]:
    """One frame, by SciPy's peaks and the definition."""
    values = np.maximum(magnitudes.astype(float), 1e-6)
    peaks = [k for k in find_peaks(values)[0] if values[k] > 0.01 * values.max()]
    if not peaks:
        return np.arange(len(values), dtype=float)
    found = np.empty(len(values))
    start = 0
    for k, after in zip(peaks, [*peaks[1:], None], strict=True):
        low, top, high = np.log10(values[k - 1 : k + 2])
        bend = low - 2 * top + high
        stop = len(values)
        if after is not None:
            weighted = values[after] * (k + 1) + values[k] * (after + 1)
            stop = int(np.floor(weighted / (values[k] + values[after])))
        found[start:stop] = k + (0.5 * (low - high) / bend if bend else 0)
        start = stop
    return found


def algorithm_1(magnitudes: Tensor, mix: Tensor, *, config: PhaseUnwrapping) -> Tensor:
    """As printed, for any number of sources: angles, gains and errors, frame after frame."""
    V, X = magnitudes.double().numpy(), mix.to(torch.complex128).numpy()
    S = V * np.exp(1j * np.angle(X))
    power = (V**2).sum(axis=0)
    G = np.divide(V**2, power, out=np.zeros_like(V), where=power > 0)
    for c in range(X.shape[0]):
        angles = [np.angle(X[c, :, 0])] * config.unwrapped
        for t in range(1, X.shape[2]):
            u = np.exp(1j * np.tile(np.angle(X[c, :, t]), (len(V), 1)))
            for j, angle in enumerate(angles):
                turns = plain_frequencies(V[j, c, :, t]) * config.hop_samples / config.n_fft
                u[j] = np.exp(1j * (angle + 2 * np.pi * turns))
            v, g = V[:, c, :, t], G[:, c, :, t]
            for _ in range(config.iterations):
                Y = v * u + g * (X[c, :, t] - (v * u).sum(axis=0))
                u = np.where(
                    abs(Y) > 1e-12 * np.sqrt(power[c, :, t]), Y / np.maximum(abs(Y), 1e-300), u
                )
            S[:, c, :, t], angles = v * u, list(np.angle(u[: config.unwrapped]))
    return torch.from_numpy(S)


@pytest.mark.parametrize("iterations", [1, 50])
@pytest.mark.parametrize("dtype", [torch.complex128, torch.complex64])
def test_equals_the_independent_implementation(iterations: int, dtype: torch.dtype) -> None:
    facts = fixture()
    magnitudes, mix = fixture_input()
    config = PhaseUnwrapping(n_fft=facts["n_fft"], hop_samples=facts["hop"], iterations=iterations)
    plural = "s" if iterations > 1 else ""
    expected = complex_of(facts[f"sources_{iterations}_iteration{plural}"]).flip(0)
    spectra = recover_phases(magnitudes.to(dtype.to_real()), mix.to(dtype), config=config)
    assert spectra.dtype == dtype
    assert (spectra.squeeze(1) - expected).abs().max() < 1e-6


def test_frequencies_equal_the_independent_implementation() -> None:
    found = frequencies(fixture_input()[0][0])[0, :, 1]
    expected = torch.tensor(fixture()["frequencies_frame_1"], dtype=torch.float64)
    torch.testing.assert_close(found, expected, atol=1e-8, rtol=0)


@pytest.mark.parametrize("iterations", [0, 1, 7, 50])
def test_equals_the_definition(iterations: int) -> None:
    config = PhaseUnwrapping(n_fft=512, hop_samples=96, iterations=iterations)
    magnitudes, mix = random_input(dtype=torch.complex128)
    spectra = recover_phases(magnitudes, mix, config=config)
    expected = algorithm_1(magnitudes, mix, config=config)
    torch.testing.assert_close(spectra, expected, atol=1e-8, rtol=0)


@pytest.mark.parametrize(("sources", "unwrapped"), [(1, 1), (2, 2), (3, 1), (3, 2), (4, 3), (4, 4)])
def test_equals_the_definition_for_any_number_of_sources(sources: int, unwrapped: int) -> None:
    config = PhaseUnwrapping(n_fft=512, hop_samples=96, iterations=9, unwrapped=unwrapped)
    magnitudes, mix = random_input(sources=sources, frames=5, dtype=torch.complex128)
    spectra = recover_phases(magnitudes, mix, config=config)
    expected = algorithm_1(magnitudes, mix, config=config)
    torch.testing.assert_close(spectra, expected, atol=1e-8, rtol=0)
    torch.testing.assert_close(spectra.abs(), magnitudes, rtol=1e-9, atol=0)


def test_without_sinusoids_all_stay_on_the_line_of_the_mix() -> None:
    """Nothing points to either side of it, whichever the rounding of angles would take."""
    magnitudes, mix = random_input(sources=3, dtype=torch.complex128)
    config = PhaseUnwrapping(n_fft=512, hop_samples=96, unwrapped=0)
    turned = recover_phases(magnitudes, mix, config=config) * mix.conj()
    assert (turned.imag.abs() <= 1e-12 * (1 + turned.abs())).all()


def test_a_silent_source_changes_nothing() -> None:
    magnitudes, mix = random_input(dtype=torch.complex128)
    silent = torch.cat((magnitudes, torch.zeros_like(magnitudes[:1])))
    spectra = recover_phases(silent, mix, config=CONFIG)
    assert torch.equal(spectra[:2], recover_phases(magnitudes, mix, config=CONFIG))


@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_frequencies_equal_scipys_peaks(levels: int) -> None:
    """Few levels make plateaus (peaks, shoulders and edges), many make peaks of about 1 %."""
    rng = np.random.default_rng(0)
    magnitudes = rng.integers(0, levels, (40, 60)) ** 3 / 7
    magnitudes[:, 0] = 0
    magnitudes[3:9, 1] = 1e-7
    found = frequencies(torch.from_numpy(magnitudes))
    expected = np.stack([plain_frequencies(frame) for frame in magnitudes.T], axis=1)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)
    np.testing.assert_array_equal(found[:, 0], np.arange(40))


def test_the_frequency_of_a_sinusoid_is_found() -> None:
    settings = STFTConfig(n_fft=4096, hop_samples=1024, window="hamming")
    time_s = torch.arange(20000, dtype=torch.float64) / 44100
    signal = torch.sin(2 * torch.pi * 1234.5 * time_s).float()
    magnitudes = stft(signal, config=settings)[:, 4:12].abs()
    assert (frequencies(magnitudes)[114] * 44100 / 4096 - 1234.5).abs().max() < 0.2


def test_a_sinusoid_keeps_its_phase_under_noise() -> None:
    """At a bin's centre the frequency is exact, and so is the phase after many hops."""
    settings = STFTConfig(n_fft=512, hop_samples=96)
    samples = torch.arange(6000, dtype=torch.float64)
    tone = stft(torch.sin(2 * torch.pi * 40 / 512 * samples).float(), config=settings)
    tone = tone[None, :, 4:-4]
    noise = torch.randn(tone.shape, dtype=tone.dtype, generator=torch.Generator().manual_seed(0))
    noise[..., 0] = 0
    config = PhaseUnwrapping(n_fft=512, hop_samples=96, iterations=0)
    magnitudes = torch.stack((tone.abs(), noise.abs()))
    steady = recover_phases(magnitudes, tone + noise, config=config)[0]
    torch.testing.assert_close(steady[:, 39:42], tone[:, 39:42], atol=0.05, rtol=0)


@pytest.mark.parametrize("iterations", [0, 1, 50])
def test_magnitudes_come_out_unchanged(iterations: int) -> None:
    magnitudes, mix = random_input()
    config = PhaseUnwrapping(n_fft=512, hop_samples=96, iterations=iterations)
    spectra = recover_phases(magnitudes, mix, config=config)
    torch.testing.assert_close(spectra.abs(), magnitudes, rtol=1e-6, atol=0)


def test_the_first_frame_has_the_phase_of_the_mix() -> None:
    magnitudes, mix = random_input(frames=1)
    spectra = recover_phases(magnitudes, mix, config=CONFIG)
    torch.testing.assert_close(spectra, torch.polar(magnitudes, mix.angle().expand(2, -1, -1, -1)))


@pytest.mark.parametrize(("sources", "unwrapped"), [(2, 1), (3, 2), (4, 3), (4, 4)])
def test_the_mixing_error_falls_with_every_iteration(sources: int, unwrapped: int) -> None:
    magnitudes, mix = random_input(sources=sources)
    config = PhaseUnwrapping(n_fft=512, hop_samples=96, unwrapped=unwrapped)
    errors = mixing_error(magnitudes, mix, config=config)
    assert errors.shape == (51,)
    assert (errors.diff() < 0).all()
    spectra = recover_phases(magnitudes, mix, config=config)
    left = (mix - spectra.sum(dim=0))[..., 1:].abs().double().square().sum()
    torch.testing.assert_close(errors[-1], left, rtol=1e-5, atol=0)


@pytest.mark.parametrize("sources", [2, 3, 4])
def test_the_mixing_error_rises_in_no_bin(sources: int) -> None:
    """The first frame has no iterations, so that the second starts alike for any number."""
    magnitudes, mix = random_input(sources=sources, frames=2, dtype=torch.complex128)
    configs = [
        PhaseUnwrapping(n_fft=512, hop_samples=96, iterations=n, unwrapped=sources - 1)
        for n in range(12)
    ]
    errors = torch.stack(
        [(mix - recover_phases(magnitudes, mix, config=c).sum(dim=0)).abs() for c in configs]
    )
    assert (errors.diff(dim=0) < 1e-12).all()
    assert (errors[-1] < errors[0] - 0.1).any()


def test_true_magnitudes_explain_the_mix() -> None:
    rng = torch.Generator().manual_seed(1)
    sources = torch.randn(2, 1, 257, 6, dtype=torch.complex128, generator=rng)
    config = PhaseUnwrapping(n_fft=512, hop_samples=96, iterations=200)
    errors = mixing_error(sources.abs(), sources.sum(dim=0), config=config)
    assert errors[-1] < 1e-3 * errors[0]


def test_a_direction_that_is_not_defined_stays() -> None:
    """Equal magnitudes, equal phases and a silent mix: Y is zero but for rounding.

    Rising magnitudes have no peak, and a hop of n_fft turns each bin a whole number of times.
    """
    magnitudes = torch.linspace(0.1, 1, 257)[:, None].expand(2, 1, -1, 4) / 3
    mix = torch.zeros(1, 257, 4, dtype=torch.complex64)
    config = PhaseUnwrapping(n_fft=512, hop_samples=512, iterations=7)
    spectra = recover_phases(magnitudes, mix, config=config)
    torch.testing.assert_close(spectra, magnitudes.to(mix.dtype))


def test_a_sinusoid_goes_on_through_a_gap() -> None:
    """Flat magnitudes leave each bin its own frequency: 96 / 512 of a turn times the bin."""
    magnitudes = torch.ones(2, 1, 257, 6)
    magnitudes[0, ..., 2:5] = 0
    mix = torch.ones(1, 257, 6, dtype=torch.complex64)
    config = PhaseUnwrapping(n_fft=512, hop_samples=96, iterations=0)
    angle = 2 * torch.pi * torch.arange(257, dtype=torch.float64) * 5 * 96 / 512
    expected = torch.polar(torch.ones_like(angle), angle).to(mix.dtype)
    found = recover_phases(magnitudes, mix, config=config)[0, 0, :, 5]
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_what_is_not_a_number_spoils_one_frame() -> None:
    magnitudes, mix = random_input()
    magnitudes[0, 0, 20, 3] = float("nan")
    mix[1, 30, 5] = float("nan")
    mix[0, 40, 0] = float("nan")
    spectra = recover_phases(magnitudes, mix, config=CONFIG)
    assert spectra[..., 6:].isfinite().all()


@pytest.mark.parametrize("sources", [2, 4])
@pytest.mark.parametrize("sizes", [[1] * 9, [2, 7], [0, 3, 1, 5], [9]])
def test_streams_equal_the_whole_to_the_bit(
    sizes: list[int], sources: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    magnitudes, mix = random_input(sources=sources, dtype=torch.complex128)
    config = PhaseUnwrapping(n_fft=512, hop_samples=96, unwrapped=sources - 1)
    whole = recover_phases(magnitudes, mix, config=config)
    monkeypatch.setattr(unwrapping, "_BLOCK_FRAMES", 2)
    stream = PhaseUnwrappingStream(config)
    for _ in range(2):
        parts = zip(magnitudes.split(sizes, dim=-1), mix.split(sizes, dim=-1), strict=True)
        assert torch.equal(torch.cat([stream.push(*part) for part in parts], dim=-1), whole)
        stream.reset()


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_change_no_bit(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    magnitudes, mix = random_input(dtype=torch.complex128)
    whole = recover_phases(magnitudes, mix, config=CONFIG)
    monkeypatch.setattr(torch, "get_num_threads", lambda: workers)
    monkeypatch.setattr(unwrapping, "_LITTLE", 0)
    assert torch.equal(recover_phases(magnitudes, mix, config=CONFIG), whole)


def test_songs_may_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unwrapping, "_LITTLE", 0)
    songs = [random_input(frames=frames) for frames in range(4, 10)]
    expected = [recover_phases(*song, config=CONFIG) for song in songs]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda song: recover_phases(*song, config=CONFIG), songs))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_layout_and_gradients_do_not_matter() -> None:
    magnitudes, mix = random_input(dtype=torch.complex128)
    whole = recover_phases(magnitudes, mix, config=CONFIG)
    given = magnitudes.clone(), mix.clone()
    turned = magnitudes.transpose(2, 3).contiguous().transpose(2, 3).requires_grad_()
    conjugate = mix.conj().resolve_conj().conj()
    assert torch.equal(recover_phases(turned, conjugate, config=CONFIG), whole)
    with torch.inference_mode():
        assert torch.equal(recover_phases(magnitudes * 1, mix * 1, config=CONFIG), whole)
    assert torch.equal(magnitudes, given[0])
    assert torch.equal(mix, given[1])


def test_no_frames_give_no_frames() -> None:
    magnitudes, mix = random_input(frames=0)
    assert recover_phases(magnitudes, mix, config=CONFIG).shape == (2, 2, 257, 0)
    assert not mixing_error(magnitudes, mix, config=CONFIG).any()


def test_what_does_not_fit_is_refused() -> None:
    magnitudes, mix = random_input()
    with pytest.raises(ValueError, match="complex"):
        recover_phases(magnitudes, mix.abs(), config=CONFIG)
    with pytest.raises(ValueError, match="n_fft 1024"):
        recover_phases(magnitudes, mix, config=PhaseUnwrapping(n_fft=1024, hop_samples=96))
    with pytest.raises(ValueError, match="1 or more stems"):
        recover_phases(magnitudes[:, :1], mix, config=CONFIG)
    with pytest.raises(ValueError, match="negative ones to 0"):
        recover_phases(-magnitudes, mix, config=CONFIG)
    stream = PhaseUnwrappingStream(CONFIG)
    stream.push(magnitudes, mix)
    with pytest.raises(ValueError, match="reset"):
        stream.push(magnitudes[:, :1], mix[:1])


@pytest.mark.parametrize(
    "wrong", [{"n_fft": 511}, {"hop_samples": 0}, {"iterations": -1}, {"unwrapped": -1}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
        PhaseUnwrapping(**({"n_fft": 512, "hop_samples": 96} | wrong))


def test_importing_it_does_not_import_numba() -> None:
    code = "import sys, unmixcli.dsp.phase; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_numba_the_error_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, kernels.__name__)
    monkeypatch.delattr(package, "kernels")
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(ResourceError, match="pip install numba"):
        recover_phases(*random_input(), config=CONFIG)


def test_it_compiles_where_no_cache_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    from numba.core.caching import CacheImpl

    monkeypatch.setattr(CacheImpl, "_locator_classes", [])

    def twice(value: float) -> float:
        return 2 * value

    assert compiled()(twice)(1.5) == 3.0
