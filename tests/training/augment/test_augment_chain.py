"""What holds for every augmentation, and chains of them on tracks."""

from __future__ import annotations

import pytest
import torch

from unmixcli.training.augment.chain import AUGMENTATIONS, Step, apply
from unmixcli.training.augment.draw import Draw

RATE = 22050
# Effects of which the sum of results is the result of the sum.
NOT_LINEAR = {"compression", "limiting", "codec", "time_stretch", "pitch_shift"}
LINEAR = sorted(set(AUGMENTATIONS) - NOT_LINEAR)
TRACK = [name for name, spec in AUGMENTATIONS.items() if spec.level == "track"]
STEM = [name for name in AUGMENTATIONS if name not in TRACK]
# Where strength is how likely, or any strength changes the waveform, small is not close.
GRADUAL = [name for name in STEM if name not in {"polarity", "channel_swap", "codec"}]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(strength: float = 1.0, seed: int = 0) -> Draw:
    return Draw(RATE, strength, generator(seed))


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    return 0.2 * torch.randn(shape, generator=generator(seed))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_strength_zero_is_the_identity(name: str) -> None:
    signal = noise(2, 6000)
    assert torch.equal(AUGMENTATIONS[name].effect(signal, draw(0.0)), noise(2, 6000))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_strength_one_is_not_the_identity(name: str) -> None:
    signal = noise(2, 6000)
    out = AUGMENTATIONS[name].effect(signal, draw())
    assert out.shape != signal.shape or not torch.allclose(out, signal, atol=1e-3)


@pytest.mark.parametrize("name", GRADUAL)
def test_the_weaker_the_less_changed(name: str) -> None:
    signal = noise(2, 6000)
    effect = AUGMENTATIONS[name].effect
    little, much = effect(signal, draw(0.01)), effect(signal, draw(1.0))
    assert (little - signal).norm() < 0.2 * (much - signal).norm()


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_seed_decides(name: str) -> None:
    effect = AUGMENTATIONS[name].effect
    signal = noise(2, 6000)
    state = torch.get_rng_state()
    first, again = effect(signal, draw(seed=3)), effect(signal, draw(seed=3))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, again)
    others = [effect(signal, draw(0.5, seed=seed)) for seed in range(4, 12)]
    assert any(o.shape != first.shape or not torch.equal(o, first) for o in others)


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("shape", [(1, 5000), (2, 5000), (3, 2, 5000), (2, 1), (2, 0)])
def test_shape_and_kind_are_kept(name: str, shape: tuple[int, ...]) -> None:
    signal = noise(*shape)
    out = AUGMENTATIONS[name].effect(signal, draw())
    assert out.dtype == torch.float32
    assert out.isfinite().all()
    assert out.shape[:-1] == signal.shape[:-1]
    if AUGMENTATIONS[name].keeps_length:
        assert out.shape == signal.shape


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_input_stays_as_it_was(name: str) -> None:
    signal = noise(2, 6000)
    AUGMENTATIONS[name].effect(signal, draw())
    assert torch.equal(signal, noise(2, 6000))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_silence_stays_silent(name: str) -> None:
    out = AUGMENTATIONS[name].effect(torch.zeros(2, 6000), draw())
    assert out.abs().max() < 1e-4


@pytest.mark.parametrize("name", LINEAR)
def test_linear_ones_commute_with_the_sum(name: str) -> None:
    effect = AUGMENTATIONS[name].effect
    one, two = noise(2, 6000), noise(2, 6000, seed=2)
    whole = effect(one + two, draw(seed=5))
    torch.testing.assert_close(
        effect(one, draw(seed=5)) + effect(two, draw(seed=5)), whole, atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_a_signal_without_channels_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="channels, samples"):
        AUGMENTATIONS[name].effect(torch.zeros(100), draw())


@pytest.mark.parametrize("name", TRACK)
def test_a_track_is_treated_alike(name: str) -> None:
    """Equal stems stay equal, and all stems keep one length."""
    stem = noise(2, 9000)
    stems = torch.stack((stem, stem, noise(2, 9000, seed=2)))
    out = apply([Step(name)], stems, sample_rate=RATE, generator=generator())
    torch.testing.assert_close(out[0], out[1])
    assert not torch.allclose(out[0], out[2], atol=1e-3)
    assert out.shape[:2] == (3, 2)


@pytest.mark.parametrize("name", STEM)
def test_stems_draw_for_themselves(name: str) -> None:
    stems = noise(2, 6000).expand(8, 2, 6000)
    out = apply([Step(name, strength=0.5)], stems, sample_rate=RATE, generator=generator())
    assert out.shape == stems.shape
    assert not all(torch.equal(out[0], stem) for stem in out[1:])


def test_resampled_stems_sum_to_the_resampled_mix() -> None:
    stems = torch.stack((noise(2, 9000), noise(2, 9000, seed=2)))
    chain = [Step("resampling")]
    out = apply(chain, stems, sample_rate=RATE, generator=generator())
    mix = apply(chain, stems.sum(0, keepdim=True), sample_rate=RATE, generator=generator())
    torch.testing.assert_close(out.sum(0), mix[0], atol=1e-5, rtol=0)


def test_a_chain_is_reproduced_by_its_seed() -> None:
    chain = [Step(name, probability=0.5, strength=0.7) for name in AUGMENTATIONS]
    stems = noise(3, 2, 6000)
    first = apply(chain, stems, sample_rate=RATE, generator=generator(7))
    assert torch.equal(first, apply(chain, stems, sample_rate=RATE, generator=generator(7)))
    other = apply(chain, stems, sample_rate=RATE, generator=generator(8))
    assert other.shape != first.shape or not torch.equal(other, first)
    assert torch.equal(stems, noise(3, 2, 6000))


def test_probability_is_how_often() -> None:
    stems = torch.ones(1000, 1, 1)
    out = apply([Step("polarity", 0.3)], stems, sample_rate=RATE, generator=generator())
    # Five standard deviations.
    assert abs(float((out < 0).float().mean()) - 0.3) < 5 * (0.21 / 1000) ** 0.5
    never = apply([Step("polarity", 0.0)], stems, sample_rate=RATE, generator=generator())
    assert torch.equal(never, stems)


def test_an_empty_chain_does_nothing() -> None:
    stems = noise(2, 2, 100)
    assert torch.equal(apply([], stems, sample_rate=RATE, generator=generator()), stems)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "echo"}, "not echo"),
        ({"name": "gain", "probability": 1.1}, "probability must lie"),
        ({"name": "gain", "strength": -0.1}, "strength must lie"),
        ({"name": "gain", "strength": float("nan")}, "strength must lie"),
    ],
)
def test_wrong_steps_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Step(**wrong)  # type: ignore[arg-type]


def test_wrong_draws_are_refused() -> None:
    with pytest.raises(ValueError, match="strength"):
        Draw(RATE, 2.0, generator())
    with pytest.raises(ValueError, match="sample_rate"):
        Draw(0, 1.0, generator())
