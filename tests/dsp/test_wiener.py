"""The Wiener filter: closed forms, invariants, and parity with norbert and openunmix."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import norbert
import pytest
import torch
from torch import Tensor

from unmixcli.dsp import wiener as module
from unmixcli.dsp.wiener import WienerStream, wiener

Input = tuple[Tensor, Tensor]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_input(
    stems: int = 4, channels: int = 2, *, bins: int = 7, frames: int = 30, seed: int = 0
) -> Input:
    rng = generator(seed)
    magnitudes = torch.rand(stems, channels, bins, frames, generator=rng) * 20
    mix = torch.randn(channels, bins, frames, dtype=torch.complex64, generator=rng) * 20
    return magnitudes, mix


def silent() -> Input:
    magnitudes, mix = random_input()
    return torch.zeros_like(magnitudes), torch.zeros_like(mix)


def silent_mix() -> Input:
    magnitudes, mix = random_input()
    return magnitudes, torch.zeros_like(mix)


def silent_bins() -> Input:
    magnitudes, mix = random_input()
    magnitudes[:, :, ::3], mix[:, ::3] = 0, 0
    magnitudes[..., 10:20], mix[..., 10:20] = 0, 0
    return magnitudes, mix


def silent_channel() -> Input:
    magnitudes, mix = random_input()
    magnitudes[:, 1], mix[1] = 0, 0
    return magnitudes, mix


def mono_in_two_channels() -> Input:
    magnitudes, mix = random_input(channels=1)
    return magnitudes.expand(-1, 2, -1, -1).clone(), mix.expand(2, -1, -1).clone()


def nearly_mono(spread: float) -> Callable[[], Input]:
    def build() -> Input:
        magnitudes, mix = mono_in_two_channels()
        rng = generator(1)
        magnitudes = magnitudes * (1 + spread * torch.rand(magnitudes.shape, generator=rng))
        noise = torch.randn(mix.shape, dtype=mix.dtype, generator=rng)
        return magnitudes, mix * (1 + spread * noise)

    return build


def leveled(level: float) -> Callable[[], Input]:
    def build() -> Input:
        magnitudes, mix = random_input()
        return magnitudes * level, mix * level

    return build


def one_loud_stem() -> Input:
    magnitudes, mix = random_input()
    magnitudes[0] *= 1e4
    return magnitudes, mix


def one_frame() -> Input:
    return random_input(frames=1)


def mono_magnitudes() -> Input:
    magnitudes, mix = random_input()
    return magnitudes[:, :1], mix


HARD: dict[str, Callable[[], Input]] = {
    "silent": silent,
    "silent mix": silent_mix,
    "silent bins": silent_bins,
    "silent channel": silent_channel,
    "mono": mono_in_two_channels,
    "mono to 1e-7": nearly_mono(1e-7),
    "mono to 1e-4": nearly_mono(1e-4),
    "mono to 1e-2": nearly_mono(1e-2),
    "loud": leveled(1e4),
    "quiet": leveled(1e-3),
    "tiny": leveled(1e-7),
    "one loud stem": one_loud_stem,
    "one frame": one_frame,
    "mono magnitudes": mono_magnitudes,
}


def norbert_in_double(magnitudes: Tensor, mix: Tensor, **options: object) -> Tensor:
    """Norbert on copies (it rescales its input), in this project's axis order."""
    estimates = norbert.wiener(
        magnitudes.permute(3, 2, 1, 0).double().numpy().copy(),
        mix.permute(2, 1, 0).to(torch.complex128).numpy().copy(),
        options.pop("iterations"),
        use_softmask=options.pop("softmask"),
        **options,
    )
    return torch.from_numpy(estimates).permute(3, 2, 1, 0)


def assert_close(actual: Tensor, expected: Tensor, *, relative: float) -> None:
    """Differences stay below a fraction of the peak, or what single precision cannot hold."""
    allowed = relative * float(expected.abs().max()) + torch.finfo(torch.float32).tiny
    assert float((actual - expected).abs().max()) <= allowed


def assert_equals_norbert(magnitudes: Tensor, mix: Tensor, **options: object) -> None:
    expected = norbert_in_double(magnitudes, mix, **options)
    actual = wiener(magnitudes, mix, **options)
    assert actual.dtype == torch.complex64
    assert actual.shape == (len(magnitudes), *mix.shape)
    assert torch.isfinite(torch.view_as_real(actual)).all()
    for got, wanted in zip(actual, expected, strict=True):
        assert_close(got, wanted, relative=1e-4)


@pytest.mark.parametrize("softmask", [False, True])
@pytest.mark.parametrize("iterations", [0, 1, 2, 3])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("stems", [1, 2, 4, 6])
def test_equals_norbert(stems: int, channels: int, iterations: int, softmask: bool) -> None:
    assert_equals_norbert(*random_input(stems, channels), iterations=iterations, softmask=softmask)


@pytest.mark.parametrize("softmask", [False, True])
@pytest.mark.parametrize("iterations", [0, 1, 3])
@pytest.mark.parametrize("case", HARD)
def test_equals_norbert_on_hard_input(case: str, iterations: int, softmask: bool) -> None:
    assert_equals_norbert(*HARD[case](), iterations=iterations, softmask=softmask)


def openunmix_filtering() -> ModuleType:
    """openunmix.filtering by itself: the package's __init__ imports torchaudio, this does not."""
    package = importlib.util.find_spec("openunmix")
    assert package is not None
    assert package.submodule_search_locations
    path = Path(package.submodule_search_locations[0]) / "filtering.py"
    spec = importlib.util.spec_from_file_location("openunmix_filtering", path)
    assert spec is not None
    assert spec.loader is not None
    filtering = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(filtering)
    return filtering


@pytest.mark.parametrize("eps", [None, 1e-10])
@pytest.mark.parametrize("softmask", [False, True])
@pytest.mark.parametrize("iterations", [1, 2])
def test_equals_openunmix_on_its_window(iterations: int, softmask: bool, eps: float | None) -> None:
    magnitudes, mix = random_input(bins=65, frames=300)
    magnitudes[:, :, ::5], mix[:, ::5] = 0, 0
    expected = openunmix_filtering().wiener(
        magnitudes.permute(3, 2, 1, 0).clone(),
        torch.view_as_real(mix.permute(2, 1, 0)).clone(),
        iterations,
        softmask=softmask,
    )
    expected = torch.view_as_complex(expected.permute(4, 2, 1, 0, 3).contiguous())
    actual = wiener(magnitudes, mix, iterations=iterations, softmask=softmask, eps=eps)
    assert_close(actual, expected, relative=1e-4 if eps else 1e-3)


def test_residual_stem_is_a_signed_magnitude() -> None:
    magnitudes, mix = random_input(stems=2, bins=65, frames=40)
    expected = openunmix_filtering().wiener(
        magnitudes.permute(3, 2, 1, 0).clone(),
        torch.view_as_real(mix.permute(2, 1, 0)).clone(),
        1,
        residual=True,
    )
    expected = torch.view_as_complex(expected.permute(4, 2, 1, 0, 3).contiguous())
    residual = mix.abs() - magnitudes.sum(dim=0)
    assert (residual < 0).any()
    actual = wiener(torch.cat([magnitudes, residual[None]]), mix, eps=1e-10)
    assert_close(actual, expected, relative=1e-4)


def test_no_iteration_gives_the_magnitudes_the_phase_of_the_mix() -> None:
    magnitudes, mix = random_input()
    stems = wiener(magnitudes, mix, iterations=0)
    torch.testing.assert_close(stems.abs(), magnitudes)
    torch.testing.assert_close(stems.angle(), mix.angle().expand_as(magnitudes))


def test_one_channel_is_the_ratio_of_powers() -> None:
    magnitudes, mix = random_input(channels=1)
    power = magnitudes.square()
    expected = power / power.sum(dim=0) * mix
    # The spatial covariance of a single channel is one number, and that number is 1.
    torch.testing.assert_close(wiener(magnitudes, mix), expected, rtol=1e-5, atol=1e-5)


def test_sources_that_take_turns_come_back_whole() -> None:
    rng = generator()
    directions = torch.tensor([[0.9 + 0j, 0.3 + 0.2j], [0.1 - 0.5j, 0.8 + 0j], [0.7, 0.7]])
    signals = torch.randn(3, 1, 5, 30, dtype=torch.complex64, generator=rng) * 10
    for stem in range(3):
        signals[stem, ..., torch.arange(30) % 3 != stem] = 0
    truth = signals * directions[:, :, None, None]
    for iterations in (1, 4):
        stems = wiener(truth.abs(), truth.sum(dim=0), iterations=iterations)
        assert_close(stems, truth, relative=1e-5)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_stems_sum_to_the_mix(channels: int) -> None:
    magnitudes, mix = random_input(stems=5, channels=channels)
    assert_close(wiener(magnitudes, mix).sum(dim=0), mix, relative=1e-6)


def test_a_louder_song_gives_louder_stems() -> None:
    magnitudes, mix = random_input()
    assert mix.abs().max() > 10
    torch.testing.assert_close(wiener(4 * magnitudes, 4 * mix), 4 * wiener(magnitudes, mix))


def test_the_order_of_stems_carries_over() -> None:
    magnitudes, mix = random_input()
    order = [2, 0, 3, 1]
    torch.testing.assert_close(wiener(magnitudes[order], mix), wiener(magnitudes, mix)[order])


def test_double_in_double_out() -> None:
    magnitudes, mix = random_input()
    stems = wiener(magnitudes.double(), mix.to(torch.complex128))
    assert stems.dtype == torch.complex128
    expected = norbert_in_double(magnitudes, mix, iterations=1, softmask=False)
    assert_close(stems, expected, relative=1e-12)


def test_tiles_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    magnitudes, mix = random_input(bins=23)
    whole = wiener(magnitudes, mix, iterations=2)
    monkeypatch.setattr(module, "_TILE_VALUES_CPU", 1)
    assert_close(wiener(magnitudes, mix, iterations=2), whole, relative=1e-7)


@pytest.mark.parametrize("frames", [1, 300, 20000])
def test_tiles_are_bounded(frames: int) -> None:
    stems = torch.empty((4, 2, 2049, frames), dtype=torch.complex64, device="meta")
    bins = [range(2049)[tile] for tile in module._tiles(stems)]
    assert [bin_ for tile in bins for bin_ in tile] == list(range(2049))
    budget = module._TILE_VALUES_GPU
    assert max(map(len, bins)) * 4 * frames <= budget


def test_the_input_is_left_alone() -> None:
    magnitudes, mix = random_input()
    copies = magnitudes.clone(), mix.clone()
    wiener(magnitudes, mix, softmask=True)
    stream = WienerStream(window_frames=8)
    stream.push(magnitudes, mix)
    stream.finish()
    assert torch.equal(magnitudes, copies[0])
    assert torch.equal(mix, copies[1])


def test_runs_in_inference_mode_too(monkeypatch: pytest.MonkeyPatch) -> None:
    magnitudes, mix = random_input(bins=23)
    monkeypatch.setattr(module, "_TILE_VALUES_CPU", 1)
    expected = wiener(magnitudes, mix)
    with torch.inference_mode():
        stems = wiener(magnitudes.clone(), mix.clone())
    assert torch.equal(stems, expected)


def test_nothing_in_nothing_out() -> None:
    magnitudes, mix = random_input(frames=0)
    assert wiener(magnitudes, mix).shape == (4, 2, 7, 0)
    magnitudes, mix = random_input()
    assert wiener(magnitudes[:0], mix).shape == (0, 2, 7, 30)


def streamed(stream: WienerStream, given: Input, block_frames: int) -> list[Tensor]:
    blocks = zip(*(part.split(block_frames, dim=-1) for part in given), strict=True)
    return [*(stream.push(*block) for block in blocks), stream.finish()]


@pytest.mark.parametrize("block_frames", [1, 7, 20, 41, 100, 1000])
@pytest.mark.parametrize("frames", [1, 19, 20, 21, 101])
def test_blocks_do_not_show(frames: int, block_frames: int) -> None:
    given = random_input(bins=33, frames=frames)
    stream = WienerStream(window_frames=20, iterations=2)
    whole = torch.cat(streamed(stream, given, frames), dim=-1)
    parts = streamed(stream, given, block_frames)
    assert all(part.shape[-1] % 20 == 0 for part in parts[:-1])
    assert torch.equal(torch.cat(parts, dim=-1), whole)


def test_windows_are_filtered_by_themselves() -> None:
    magnitudes, mix = random_input(frames=70)
    stream = WienerStream(window_frames=30, iterations=2, softmask=True, eps=1e-10)
    stems = torch.cat(streamed(stream, (magnitudes, mix), 70), dim=-1)
    for start in (0, 30, 60):
        window = slice(start, start + 30)
        expected = wiener(
            magnitudes[..., window], mix[..., window], iterations=2, softmask=True, eps=1e-10
        )
        assert_close(stems[..., window], expected, relative=1e-7)


def test_a_window_comes_as_soon_as_it_is_full() -> None:
    magnitudes, mix = random_input(frames=30)
    stream = WienerStream(window_frames=30)
    assert stream.frames_left == 30
    assert stream.push(magnitudes[..., :29], mix[..., :29]).shape == (4, 2, 7, 0)
    assert stream.frames_left == 1
    assert stream.push(magnitudes[..., 29:], mix[..., 29:]).shape == (4, 2, 7, 30)
    assert stream.finish().shape == (4, 2, 7, 0)


def test_a_stream_starts_anew() -> None:
    stream = WienerStream(window_frames=10)
    assert stream.finish().shape == (0, 0, 0, 0)
    stream.push(*random_input(stems=2))
    stream.push(*random_input(stems=2, frames=5))
    stream.reset()
    given = random_input(stems=3, channels=1, frames=10)
    torch.testing.assert_close(stream.push(*given), wiener(*given))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m, x: (m, x.real), "complex"),
        (lambda m, x: (m, x[0]), "complex"),
        (lambda m, x: (m[0], x), "do not fit"),
        (lambda m, x: (m[..., 1:], x), "do not fit"),
        (lambda m, x: (m[:, :, 1:], x), "do not fit"),
        (lambda m, x: (m, torch.cat([x, x[:1]])), "do not fit"),
        (lambda m, x: (m.to(torch.complex64), x), "real"),
    ],
)
def test_shapes_are_checked(change: Callable[..., Input], words: str) -> None:
    given = change(*random_input())
    with pytest.raises(ValueError, match=words):
        wiener(*given)
    with pytest.raises(ValueError, match=words):
        WienerStream().push(*given)


@pytest.mark.parametrize("options", [{"iterations": -1}, {"eps": 0.0}, {"eps": -1e-10}])
def test_settings_are_checked(options: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        wiener(*random_input(), **options)
    with pytest.raises(ValueError):
        WienerStream(**options)


def test_a_window_has_frames() -> None:
    with pytest.raises(ValueError, match="window_frames=300"):
        WienerStream(window_frames=0)


def test_a_stream_keeps_its_shape() -> None:
    stream = WienerStream()
    stream.push(*random_input(stems=2))
    with pytest.raises(ValueError, match="reset"):
        stream.push(*random_input(stems=3))
