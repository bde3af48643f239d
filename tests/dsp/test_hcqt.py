"""The harmonic constant-Q transform: closed forms, librosa, and streams."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch
from torch import Tensor

from unmixcli.dsp.hcqt import HCQT, HCQTConfig, HCQTStream, decibels, hcqt
from unmixcli.dsp.salience import SalienceAxis

# Two octaves in windows of 2^14 samples: what is cut is cut several times a second.
SMALL = HCQTConfig(
    axis=SalienceAxis(f_min_hz=300.0, bins_per_octave=36, bins=72), harmonics=(1.0, 2.0, 3.0)
)


def tone(frequency: float, *, seconds: float, rate: int = 22050) -> Tensor:
    times = torch.arange(round(seconds * rate), dtype=torch.float64) / rate
    return torch.sin(2 * torch.pi * frequency * times).float()


def noise(samples: int, seed: int = 0) -> Tensor:
    return torch.randn(samples, generator=torch.Generator().manual_seed(seed))


def stream(config: HCQTConfig, signal: Tensor, block: int) -> Tensor:
    transform = HCQTStream(HCQT(config))
    pieces = [piece for part in signal.split(block) for piece in transform.push(part)]
    return torch.cat((*pieces, *transform.finish()), dim=-1)


def test_a_tone_is_half_its_amplitude_times_the_root_of_the_filters_length() -> None:
    for harmonic, bin_number in ((0, 30), (1, 71), (2, 40)):
        frequency = float(SMALL.frequencies[harmonic, bin_number])
        column = hcqt(0.3 * tone(frequency, seconds=1), config=SMALL)[harmonic, :, 43]
        length = SMALL.quality * 22050 / frequency
        assert int(column.argmax()) == bin_number
        assert float(column.max()) == pytest.approx(0.15 * length**0.5, rel=1e-3)
        # Six bins below, beyond the lobes that are kept, its edges alone are heard.
        assert column[bin_number - 6] < 0.002 * column.max()


def test_harmonics_of_a_pitch_stand_at_its_place() -> None:
    config = HCQTConfig()
    pitch = float(config.axis.frequencies[180])
    sound = sum((tone(n * pitch, seconds=2) for n in range(1, 6)), torch.zeros(44100))
    frame = hcqt(sound)[:, :, 86]
    assert frame.shape == (6, 360)
    lengths = config.quality * 22050 / (pitch * torch.arange(1, 6))
    torch.testing.assert_close(frame[1:, 180], 0.5 * lengths.sqrt(), rtol=1e-2, atol=0)
    # Half the pitch does not sound.
    assert frame[0, 180] < 1e-3


@pytest.mark.parametrize("samples", [20000, 70001])
def test_magnitudes_are_those_of_librosa(samples: int) -> None:
    signal = 0.2 * noise(samples) + tone(1000.0, seconds=4)[:samples]
    ours = hcqt(signal, config=SMALL).numpy()
    theirs = np.stack(
        [
            np.abs(
                librosa.cqt(
                    signal.numpy(),
                    sr=22050,
                    hop_length=256,
                    fmin=300.0 * harmonic,
                    n_bins=72,
                    bins_per_octave=36,
                    tuning=0.0,
                    sparsity=0.0,
                )
            )
            for harmonic in SMALL.harmonics
        ]
    )
    assert ours.shape == theirs.shape
    error = ours - theirs
    assert np.abs(error).max() < 0.015 * theirs.max()
    assert np.sqrt(np.mean(error**2)) < 0.006 * np.sqrt(np.mean(theirs**2))


@pytest.mark.parametrize("samples", [1, 100, 20000, 50000])
def test_blocks_make_no_difference(samples: int) -> None:
    signal = noise(samples)
    whole = hcqt(signal, config=SMALL)
    assert whole.shape == (3, 72, 1 + samples // 256)
    assert samples < 2 * SMALL.kept_frames * 256 or samples > 3 * SMALL.kept_frames * 256
    for block in (777, 16384, samples):
        assert torch.equal(stream(SMALL, signal, block), whole)


def test_windows_leave_no_seams() -> None:
    """The same sound late and early in a window gives the same."""
    shift = SMALL.kept_frames // 2
    signal = noise(60000)
    later = torch.cat((torch.zeros(shift * 256), signal))
    moved = hcqt(later, config=SMALL)[..., shift:]
    early = hcqt(signal, config=SMALL)
    torch.testing.assert_close(moved, early, atol=1e-3 * float(early.max()), rtol=0)


def test_a_stream_can_be_used_again() -> None:
    transform = HCQTStream(HCQT(SMALL))
    list(transform.push(noise(30000, seed=1)))
    transform.reset()
    pieces = [*transform.push(noise(9000)), *transform.finish()]
    assert torch.equal(torch.cat(pieces, dim=-1), hcqt(noise(9000), config=SMALL))


def test_nothing_gives_nothing() -> None:
    assert hcqt(torch.zeros(0), config=SMALL).shape == (3, 72, 0)
    assert not hcqt(torch.zeros(5000), config=SMALL).any()


def test_decibels_are_those_of_librosa() -> None:
    magnitudes = noise(1000).abs() ** 8
    theirs = librosa.amplitude_to_db(magnitudes.numpy(), ref=np.max) / 80 + 1
    ours = decibels(magnitudes, reference=float(magnitudes.max()))
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-5)
    assert ours.max() == 1
    assert ours.min() == 0


def test_silence_is_silent() -> None:
    assert not decibels(torch.zeros(4), reference=0.0).any()


@pytest.mark.parametrize(
    "wrong",
    [{"harmonics": ()}, {"harmonics": (0.0,)}, {"harmonics": (6.0,)}, {"hop_samples": 0}],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="harmonics"):
        HCQTConfig(**wrong)  # type: ignore[arg-type]
