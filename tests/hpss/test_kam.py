"""Kernel additive modelling: kernels in numbers, and the iterations as SciPy would do them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from torch import Tensor

from unmixcli.dsp.stft import STFTConfig, stft
from unmixcli.hpss.kam import SETTINGS, Kernel, KernelMethod

Sound = Callable[..., Tensor]
RATE = 44100
SMALL = STFTConfig(n_fft=512, hop_samples=256, window="hamming")


def test_kernels_of_setting_1() -> None:
    harmonic, percussive = KernelMethod(SETTINGS[1], RATE).kernels
    # Bins of 10.8 Hz, frames of 8.7 ms.
    assert harmonic == (
        Kernel(0, 23, 1, 11),
        Kernel(23, 279, 1, 11),
        Kernel(279, 929, 1, 11),
        Kernel(929, 2049, 1, 45),
    )
    assert [(k.bins, k.frames) for k in percussive] == [(3, 3), (13, 1), (19, 1), (47, 11)]


def test_kernels_of_setting_2() -> None:
    sizes = [[(k.bins, k.frames) for k in s] for s in KernelMethod(SETTINGS[2], RATE).kernels]
    assert sizes == [[(1, 5), (1, 5), (1, 5), (1, 17)], [(3, 1), (13, 1), (19, 1), (47, 5)]]


@pytest.mark.parametrize("setting", [1, 2])
def test_published_kernels_know_no_time(setting: int) -> None:
    method = KernelMethod(SETTINGS[setting], RATE, published=True)
    harmonic, percussive = method.kernels
    assert {(k.bins, k.frames) for k in harmonic} == {(1, 1)}
    assert [(k.bins, k.frames) for k in percussive] == [(3, 1), (13, 1), (19, 1), (47, 1)]
    assert method.chunks.context == 0


@pytest.mark.parametrize(("setting", "frames"), [(1, 6 * 22), (2, 6 * 8)])
def test_look_ahead(setting: int, frames: int) -> None:
    assert KernelMethod(SETTINGS[setting], RATE).chunks.context == frames


@pytest.mark.parametrize("rate", [8000, 44100, 192000])
def test_bands_hold_every_bin_once(rate: int) -> None:
    for stem in KernelMethod(SETTINGS[2], rate).kernels:
        bins = [b for kernel in stem for b in range(kernel.start, kernel.stop)]
        assert bins == list(range(2049))


def by_scipy(mix: NDArray[np.complex64], method: KernelMethod) -> NDArray[np.float64]:
    """Masks of `(bins, frames)`, in double: the whole spectrogram filtered for each band."""
    power = np.abs(mix.astype(np.complex128)) ** 2
    powers = np.stack([power / 2, power / 2])
    for _ in range(method.iterations):
        estimates = (powers / powers.sum(0)) ** 2 * power
        for row, kernels in enumerate(method.kernels):
            for kernel in kernels:
                smooth = median_filter(estimates[row], size=(kernel.bins, kernel.frames))
                powers[row, kernel.start : kernel.stop] = smooth[kernel.start : kernel.stop]
    return powers / powers.sum(0)


@pytest.mark.parametrize("published", [False, True])
def test_equal_to_the_definition(published: bool, noise: Sound) -> None:
    method = KernelMethod(SMALL, RATE, published=published)
    assert len(method.kernels[0]) == 4
    spectrum = stft(noise(256 * 80), config=SMALL)
    masks = method.masks(spectrum.unsqueeze(0))[0, :, 0]
    expected = torch.from_numpy(by_scipy(spectrum[0].numpy(), method)).float()
    own = slice(None, -1) if published else slice(None)
    torch.testing.assert_close(masks[:, own], expected[:, own], atol=1e-4, rtol=0)
    assert expected.std() > 0.1


def test_masks_sum_to_one_but_for_the_last_published_bin(noise: Sound) -> None:
    spectrum = stft(noise(256 * 40), config=SMALL).unsqueeze(0)
    spectrum[..., 5:9] = 0
    for published in (False, True):
        masks = KernelMethod(SMALL, RATE, published=published).masks(spectrum)
        total = masks.sum(1)
        torch.testing.assert_close(total[..., :-1, :], torch.ones_like(total[..., :-1, :]))
        assert bool(total[..., -1, :].any()) is not published


def test_level_does_not_matter(noise: Sound) -> None:
    spectrum = stft(noise(256 * 40), config=SMALL).unsqueeze(0)
    method = KernelMethod(SMALL, RATE)
    loud, soft = method.masks(spectrum), method.masks(spectrum / 1024)
    torch.testing.assert_close(soft, loud, atol=1e-6, rtol=0)


def test_a_tone_is_harmonic_and_a_click_percussive(tone: Sound, clicks: Sound) -> None:
    """Below 10 kHz: what is percussive above lasts longer than half of a tenth of a second."""
    stft_config = STFTConfig(n_fft=1024, hop_samples=256, window="hamming")
    method = KernelMethod(stft_config, RATE)
    for sound, row in ((tone(30000), 0), (clicks(30000), 1)):
        spectrum = stft(sound, config=stft_config)[..., 10:-10]
        masks = method.masks(spectrum.unsqueeze(0))[0]
        energy = (masks * spectrum)[:, :, :230].abs().square().sum(dim=(1, 2, 3))
        assert 10 * torch.log10(energy[row] / energy[1 - row]) > 30
