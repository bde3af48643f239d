from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from unmixcli.errors import InputError, UsageError
from unmixcli.metrics import bss_eval
from unmixcli.metrics.bss_eval import (
    FLAGGED_CONDITION,
    ROUNDING_CONDITION,
    BssOptions,
    BssScores,
    evaluate,
)

RATE = 1000
TOLERANCE_DB = 0.01
TAPS = 32


def music(stems: int, channels: int, samples: int, *, seed: int = 0) -> tuple[Any, Any]:
    """Coloured noise, and estimates of it with filtering, leakage and noise."""
    random = np.random.default_rng(seed)
    true = random.standard_normal((stems, channels, samples))
    true[..., 1:] += 0.7 * true[..., :-1]
    found = true + 0.2 * true[::-1] + 0.1 * np.roll(true, 3, axis=-1)
    return true, found + 0.05 * random.standard_normal(true.shape)


def empty_band(samples: int, *, floor_db: float, seed: int = 0) -> Any:
    """Two mono stems that fade in and out and hold next to nothing above 0.36 of the rate."""
    random = np.random.default_rng(seed)
    spectrum = np.fft.rfft(random.standard_normal((2, 1, samples)))
    bins = np.linspace(0, 0.5, spectrum.shape[-1])
    # 0.5 erfc falls below double precision within a tenth of the rate, and rings nowhere.
    slope = np.array([0.5 * math.erfc(60 * (f - 0.36)) for f in bins])
    ramp = np.minimum(np.arange(samples), np.arange(samples)[::-1]) / (samples / 4)
    fade = np.sin(np.minimum(ramp, 1) * np.pi / 2) ** 4
    low = np.fft.irfft(spectrum * slope, n=samples) * fade
    return low + 10 ** (floor_db / 20) * random.standard_normal(low.shape)


def difference(ours: BssScores, theirs: Any) -> float:
    """Largest difference in dB; NaN and infinity must stand in the same places."""
    found = np.stack([ours.sdr, ours.isr, ours.sir, ours.sar])
    wanted = np.stack([np.asarray(row, dtype=np.float64) for row in theirs])
    finite = np.isfinite(wanted)
    assert finite.any()
    np.testing.assert_array_equal(found[~finite], wanted[~finite])
    return float(np.abs(found[finite] - wanted[finite]).max())


def ours_and_museval(
    museval: Any, true: Any, found: Any, *, window: int, hop: int, **options: Any
) -> tuple[BssScores, Any]:
    per_window = options.get("filters") == "window"
    version = options.pop("version", "v4")
    ours = bss_eval(
        true,
        found,
        sample_rate=RATE,
        window_s=window / RATE,
        hop_s=hop / RATE,
        version=version,
        options=BssOptions(**{"taps": TAPS, **options}),
    )
    theirs = museval.bss_eval(
        np.moveaxis(true, 1, 2),
        np.moveaxis(found, 1, 2),
        window=window,
        hop=hop,
        compute_permutation=options.get("permutation", False),
        filters_len=options.get("taps", TAPS),
        framewise_filters=per_window or version == "v3",
        bsseval_sources_version=version == "v3",
    )
    return ours, theirs


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("stems", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("mode", [{}, {"filters": "window"}, {"version": "v3"}])
def test_equal_to_museval(museval_metrics: Any, stems: int, channels: int, mode: Any) -> None:
    true, found = music(stems, channels, 2217)
    ours, theirs = ours_and_museval(museval_metrics, true, found, window=1000, hop=750, **mode)
    assert ours.sdr.shape == (stems, 2)
    assert difference(ours, theirs[:4]) < TOLERANCE_DB


@pytest.mark.parametrize(
    ("samples", "window", "hop"),
    [(1, 1000, 1000), (30, 1000, 1000), (999, 1000, 500), (1000, 1000, 500), (1001, 1000, 500)],
)
def test_equal_to_museval_where_the_window_does_not_fit(
    museval_metrics: Any, samples: int, window: int, hop: int
) -> None:
    true, found = music(1, 1, samples)
    ours, theirs = ours_and_museval(museval_metrics, true, found, window=window, hop=hop, taps=16)
    assert ours.start_s.tolist() == [0.0]
    if samples > 30:
        assert difference(ours, theirs[:4]) < TOLERANCE_DB


def test_equal_to_museval_with_the_standard_filters_over_many_blocks(museval_metrics: Any) -> None:
    true, found = music(2, 2, 50_001)
    ours, theirs = ours_and_museval(museval_metrics, true, found, window=40_000, hop=5000, taps=512)
    assert ours.sdr.shape == (2, 3)
    assert difference(ours, theirs[:4]) < TOLERANCE_DB


@pytest.mark.parametrize("mode", [{}, {"filters": "window"}, {"version": "v3"}])
@pytest.mark.parametrize("silenced", ["reference", "estimate"])
def test_silent_frames_are_nan_as_in_museval(
    museval_metrics: Any, silenced: str, mode: Any
) -> None:
    true, found = music(3, 2, 5000)
    (true if silenced == "reference" else found)[1, :, 1900:3100] = 0
    ours, theirs = ours_and_museval(museval_metrics, true, found, window=1000, hop=1000, **mode)
    assert np.isnan(ours.sdr).all(axis=0).tolist() == [False, False, True, False, False]
    assert difference(ours, theirs[:4]) < TOLERANCE_DB


def test_channels_that_cancel_are_silent_as_in_museval(museval_metrics: Any) -> None:
    true, found = music(2, 2, 3000)
    true[0, 1, 1000:2000] = -true[0, 0, 1000:2000]
    ours, theirs = ours_and_museval(museval_metrics, true, found, window=1000, hop=1000)
    assert np.isnan(ours.sir[:, 1]).all()
    assert difference(ours, theirs[:4]) < TOLERANCE_DB


@pytest.mark.parametrize("mode", [{}, {"filters": "window"}, {"version": "v3"}])
@pytest.mark.parametrize("order", [(2, 0, 1), (0, 2, 1)])
def test_permutation_equal_to_museval(museval_metrics: Any, order: Any, mode: Any) -> None:
    true, found = music(3, 1, 3000)
    ours, theirs = ours_and_museval(
        museval_metrics, true, found[list(order)], window=1000, hop=500, permutation=True, **mode
    )
    assert ours.permutation[:, 0].tolist() == np.argsort(order).tolist()
    np.testing.assert_array_equal(
        ours.permutation, np.broadcast_to(theirs[4], ours.permutation.shape)
    )
    assert difference(ours, theirs[:4]) < TOLERANCE_DB


def test_permutation_with_a_silent_frame_is_the_given_order_as_in_museval(
    museval_metrics: Any,
) -> None:
    true, found = music(2, 1, 3000)
    true[0, :, 1000:2000] = 0
    ours, theirs = ours_and_museval(
        museval_metrics, true, found[::-1].copy(), window=1000, hop=1000, permutation=True
    )
    assert ours.permutation[:, 0].tolist() == [0, 1]
    assert difference(ours, theirs[:4]) < TOLERANCE_DB


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("permutation", [False, True])
@pytest.mark.parametrize("stems", [1, 3])
def test_v3_equal_to_mir_eval(mir_eval_separation: Any, stems: int, permutation: bool) -> None:
    true, found = music(stems, 1, 6000)
    found = found[::-1].copy()
    sdr, sir, sar, order = mir_eval_separation.bss_eval_sources(
        true[:, 0], found[:, 0], compute_permutation=permutation
    )
    ours = bss_eval(
        true,
        found,
        sample_rate=RATE,
        window_s=math.inf,
        version="v3",
        options=BssOptions(permutation=permutation),
    )
    assert ours.permutation[:, 0].tolist() == list(order)
    nothing = np.full((stems, 1), np.nan)
    assert difference(ours, (sdr[:, None], nothing, sir[:, None], sar[:, None])) < TOLERANCE_DB


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_v3_frames_equal_to_mir_eval(mir_eval_separation: Any) -> None:
    true, found = music(2, 1, 9500)
    true[1, :, 3000:6000] = 0
    sdr, sir, sar, _ = mir_eval_separation.bss_eval_sources_framewise(
        true[:, 0], found[:, 0], window=3000, hop=1500
    )
    ours = bss_eval(true, found, sample_rate=RATE, window_s=3, hop_s=1.5, version="v3")
    assert np.isnan(ours.sdr[0]).tolist() == [False, False, True, False, False]
    assert difference(ours, (sdr, np.full_like(sdr, np.nan), sir, sar)) < TOLERANCE_DB


@pytest.mark.parametrize("floor_db", [-60, -100, -120, -140, -160, -400])
def test_empty_bands_equal_to_museval(museval_metrics: Any, floor_db: float) -> None:
    true = empty_band(9000, floor_db=floor_db)
    random = np.random.default_rng(1)
    found = true + 0.1 * true[::-1] + 1e-3 * random.standard_normal(true.shape)
    ours, theirs = ours_and_museval(museval_metrics, true, found, window=3000, hop=3000, taps=512)
    assert difference(ours, theirs[:4]) < TOLERANCE_DB


def test_empty_bands_collapse_frames_but_not_the_track_and_are_flagged() -> None:
    scores = {}
    for floor_db in (-40, -300):
        true = empty_band(9000, floor_db=floor_db)
        random = np.random.default_rng(1)
        found = true + 0.1 * true[::-1] + 1e-3 * random.standard_normal(true.shape)
        for window_s in (3.0, math.inf):
            scores[floor_db, window_s] = bss_eval(
                true, found, sample_rate=RATE, window_s=window_s, hop_s=3.0
            )
    healthy, collapsed = scores[-40, 3.0], scores[-300, 3.0]
    assert not healthy.ill_conditioned.any()
    assert (healthy.condition < FLAGGED_CONDITION).all()
    assert collapsed.ill_conditioned.all()
    assert (collapsed.condition > ROUNDING_CONDITION).all()
    assert healthy.sir.min() > 15 > 5 > collapsed.sir[:, 1].max()
    np.testing.assert_allclose(collapsed.sdr, healthy.sdr, atol=1.5)
    np.testing.assert_allclose(scores[-300, math.inf].sir, scores[-40, math.inf].sir, atol=1.5)


@pytest.mark.parametrize("mode", [{}, {"filters": "window"}, {"version": "v3"}])
def test_equal_channels_equal_to_museval(museval_metrics: Any, mode: Any) -> None:
    true, found = music(2, 2, 2500)
    true[0, 1] = true[0, 0]
    ours, theirs = ours_and_museval(
        museval_metrics, true, found, window=1000, hop=1000, taps=512, **mode
    )
    assert ours.ill_conditioned.all()
    assert difference(ours, theirs[:4]) < TOLERANCE_DB


def test_equal_channels_with_permutation_equal_to_museval(museval_metrics: Any) -> None:
    true, found = music(2, 2, 2500)
    true[0, 1] = true[0, 0]
    ours, theirs = ours_and_museval(
        museval_metrics, true, found[::-1], window=1000, hop=1000, taps=512, permutation=True
    )
    assert ours.permutation[:, 0].tolist() == theirs[4][:, 0].tolist()
    assert difference(ours, theirs[:4]) < TOLERANCE_DB


def test_ridge_makes_scores_independent_of_rounding() -> None:
    true, found = music(2, 2, 4000)
    true[:, 1] = true[:, 0]
    options = BssOptions(taps=TAPS, ridge=1e-10)
    swapped = bss_eval(true[::-1].copy(), found[::-1].copy(), sample_rate=RATE, options=options)
    scores = bss_eval(true, found, sample_rate=RATE, options=options)
    for name in ("sdr", "isr", "sir", "sar"):
        np.testing.assert_allclose(getattr(scores, name), getattr(swapped, name)[::-1], atol=1e-3)


def test_a_gain_is_spatial_distortion_alone() -> None:
    true, _ = music(2, 2, 3000)
    scores = bss_eval(true, 0.9 * true, sample_rate=RATE, options=BssOptions(taps=TAPS))
    np.testing.assert_allclose(scores.sdr, 20.0)
    np.testing.assert_allclose(scores.isr, 20.0)
    assert scores.sir.min() > 200
    assert scores.sar.min() > 200


def test_sources_forgive_a_filter_and_images_do_not() -> None:
    true, _ = music(2, 1, 3000)
    found = true - 0.5 * np.roll(true, 1, axis=-1)
    found[..., 0] = true[..., 0]
    options = BssOptions(taps=TAPS)
    images = bss_eval(true, found, sample_rate=RATE, window_s=math.inf, options=options)
    sources = bss_eval(
        true, found, sample_rate=RATE, window_s=math.inf, version="v3", options=options
    )
    # The filtered signal has one sample more than the estimate, which is the only artifact.
    error = np.sum((found - true) ** 2, axis=(1, 2)) / np.sum(true**2, axis=(1, 2))
    np.testing.assert_allclose(images.sdr[:, 0], -10 * np.log10(error))
    assert sources.sdr.min() > 30
    assert np.isnan(sources.isr).all()


def test_leakage_is_interference_of_its_level() -> None:
    random = np.random.default_rng(5)
    true = random.standard_normal((2, 1, 40_000))
    scores = bss_eval(
        true,
        true + 0.1 * true[::-1],
        sample_rate=RATE,
        window_s=math.inf,
        options=BssOptions(taps=8),
    )
    np.testing.assert_allclose(scores.sir, 20.0, atol=0.3)
    assert scores.sar.min() > 200


def test_a_perfect_estimate_is_infinitely_good() -> None:
    true, _ = music(2, 1, 3000)
    scores = bss_eval(true, true.copy(), sample_rate=RATE, options=BssOptions(taps=TAPS))
    assert (scores.sdr == math.inf).all()


def test_frames_cover_whole_windows_alone() -> None:
    true, found = music(1, 1, 4400)
    options = BssOptions(taps=8)
    scores = bss_eval(true, found, sample_rate=RATE, window_s=1, hop_s=0.5, options=options)
    np.testing.assert_allclose(scores.start_s, np.arange(7) / 2)
    changed = found.copy()
    changed[..., 4000:] = 1.0
    again = bss_eval(true, changed, sample_rate=RATE, window_s=1, hop_s=0.5, options=options)
    np.testing.assert_array_equal(again.sdr, scores.sdr)


def test_arrays_and_tensors_of_either_precision_agree_and_stay_unchanged() -> None:
    true, found = (signal.astype(np.float32) for signal in music(2, 2, 3000))
    before = true.copy(), found.copy()
    options = BssOptions(taps=TAPS)
    arrays = bss_eval(true, found, sample_rate=RATE, options=options)
    tensors = bss_eval(
        torch.from_numpy(true).double(),
        torch.from_numpy(found).requires_grad_(),
        sample_rate=RATE,
        options=options,
    )
    np.testing.assert_array_equal(arrays.sar, tensors.sar)
    np.testing.assert_array_equal(true, before[0])
    np.testing.assert_array_equal(found, before[1])


def test_views_and_read_only_arrays_are_taken() -> None:
    true, found = music(2, 1, 1500)
    options = BssOptions(taps=8)
    wanted = bss_eval(
        true[:, :, ::-1].copy(), found[:, :, ::-1].copy(), sample_rate=RATE, options=options
    )
    view = true[:, :, ::-1]
    view.flags.writeable = False
    scores = bss_eval(view, found[:, :, ::-1], sample_rate=RATE, options=options)
    np.testing.assert_array_equal(scores.sdr, wanted.sdr)


def test_evaluate_names_the_scores() -> None:
    true, found = music(2, 1, 1500)
    options = BssOptions(taps=8)
    table = evaluate(true, found, sample_rate=RATE, options=options)
    assert sorted(table) == ["ISR", "SAR", "SDR", "SIR"]
    expected = bss_eval(true, found, sample_rate=RATE, options=options)
    np.testing.assert_array_equal(table["SIR"], expected.sir)
    v3 = evaluate(true, found, sample_rate=RATE, version="v3", options=options)
    assert sorted(v3) == ["SAR", "SDR", "SIR"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"sample_rate": 0}, "sample rate is 0"),
        ({"sample_rate": math.nan}, "sample rate is nan"),
        ({"window_s": 0}, "window_s is 0"),
        ({"window_s": math.nan}, "window_s is nan"),
        ({"hop_s": -1.0}, "hop_s is -1.0"),
        ({"version": "v2"}, "version 'v2'"),
        ({"options": BssOptions(filters="frame")}, "'frame'"),
        ({"options": BssOptions(taps=0)}, "0 taps"),
        ({"options": BssOptions(ridge=-1.0)}, "ridge is -1.0"),
        ({"options": BssOptions(device="mps")}, "double precision"),
    ],
)
def test_settings_that_are_not_allowed(settings: dict[str, Any], words: str) -> None:
    true, found = music(2, 1, 1500)
    with pytest.raises(UsageError, match=words):
        bss_eval(true, found, **{"sample_rate": RATE, **settings})


def test_too_many_stems_to_permute() -> None:
    true, found = music(9, 1, 100)
    with pytest.raises(UsageError, match="9 stems"):
        bss_eval(true, found, sample_rate=RATE, options=BssOptions(permutation=True))


def test_a_misspelt_keyword_is_an_error() -> None:
    true, found = music(1, 1, 100)
    with pytest.raises(TypeError, match="windows_s"):
        bss_eval(true, found, sample_rate=RATE, windows_s=1.0)  # type: ignore[call-arg]


def broken(how: str) -> tuple[Any, Any]:
    true, found = music(2, 2, 100)
    changes: dict[str, Any] = {
        "shape": lambda: (true, found[..., :-1]),
        "stems": lambda: (true, found[:1]),
        "empty": lambda: (true[..., :0], found[..., :0]),
    }
    if how in changes:
        result: tuple[Any, Any] = changes[how]()
        return result
    signal = true if how.startswith("reference") else found
    signal[1] = {"nan": math.nan, "inf": math.inf, "silent": 0.0}[how.split()[1]]
    return true, found


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("shape", "differ in shape"),
        ("stems", "differ in shape"),
        ("empty", "are empty"),
        ("reference nan", "reference of stem 1 has NaN"),
        ("estimate inf", "estimate of stem 1 has NaN or infinite"),
        ("reference silent", "reference of stem 1 is silent"),
        ("estimate silent", "estimate of stem 1 is silent"),
    ],
)
def test_audio_that_cannot_be_scored(how: str, words: str) -> None:
    true, found = broken(how)
    with pytest.raises(InputError, match=words):
        bss_eval(true, found, sample_rate=RATE)


@pytest.mark.parametrize("wrong", [np.zeros((2, 10)), np.zeros((1, 1, 10), dtype=np.int16)])
def test_arrays_of_another_kind(wrong: Any) -> None:
    with pytest.raises(UsageError, match=r"pass floating point \(stems, channels, samples\)"):
        bss_eval(wrong, wrong, sample_rate=RATE)
