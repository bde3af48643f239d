from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from unmixcli.dsp.stft import STFTConfig, istft, stft
from unmixcli.training.excerpts import Batch
from unmixcli.training.losses import LOSSES, magnitude_spectrum, spectrum
from unmixcli.training.model import untrained_model
from unmixcli.training.objective import Masked, Objective, Trainee, waveform
from unmixcli.training.recipe import Recipe

CONFIG = STFTConfig(n_fft=64, hop_samples=16)


def batch(targets, *, groups=None, known=None, weights=None) -> Batch:
    count, stems = targets.shape[:2]
    return Batch(
        mix=targets.sum(dim=1),
        targets=targets,
        groups=torch.eye(stems).expand(count, -1, -1) if groups is None else groups,
        known=torch.ones(count, stems, dtype=torch.bool) if known is None else known,
        weights=torch.ones(count) if weights is None else weights,
    )


@pytest.fixture
def noise():
    random = torch.Generator().manual_seed(0)
    return torch.randn(3, 2, 1, 320, generator=random)


@pytest.fixture
def low_bins():
    """A model that sees 8 of 33 bins."""
    recipe = Recipe.model_validate(
        {
            "name": "low",
            "data": {"train": [{"path": "songs"}]},
            "loss": {"l1_magnitude": 1.0},
            "network": {
                "architecture": "unet_stems",
                "stems": ["vocals", "other"],
                "channels": 1,
                "stft": {"n_fft": 64, "hop_samples": 16},
                "chunks": {"length": 16, "multiple": 4},
                "parameters": {
                    "bins": 8,
                    "network": {"filters": [2, 2], "kernel": 3, "mask": "ratio", "dropout": 0.0},
                },
            },
        }
    )
    model = untrained_model(recipe)
    # Evaluated and trained alike: statistics of the batch would differ.
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.track_running_stats = False
            module.running_mean = module.running_var = None
    return model


def spectra(stems):
    """Stems whose mix is 1 everywhere: the masks are the spectra."""
    masks = stft(stems, config=CONFIG)
    return Masked(masks, torch.ones_like(masks[:, 0]))


@pytest.mark.parametrize("name", ["l1_magnitude", "l1_waveform", "kl_magnitude"])
def test_the_truth_costs_nothing(noise, name) -> None:
    total, parts = Objective({name: 2.0}, config=CONFIG)(spectra(noise), batch(noise))
    assert abs(float(total)) < 1e-6
    assert parts.keys() == {name}


def test_the_total_is_the_weighted_sum(noise) -> None:
    weights = {"l1_waveform": 0.5, "l2_magnitude": 3.0, "sdr": 1.0}
    total, parts = Objective(weights, config=CONFIG)(spectra(0.5 * noise), batch(noise))
    expected = sum(weights[name] * float(parts[name]) for name in weights)
    assert float(total) == pytest.approx(expected, rel=1e-6)
    assert float(parts["l1_waveform"]) == pytest.approx(0.5 * float(noise.abs().mean()), rel=1e-5)
    assert float(parts["sdr"]) == pytest.approx(-1.0, abs=1e-6)


def test_a_group_is_judged_by_its_sum(noise) -> None:
    """Stems that are wrong but sum to the right group cost nothing."""
    estimates = spectra(torch.stack([noise[:, 0] + 1, noise[:, 1] - 1], dim=1))
    whole = torch.stack([noise.sum(dim=1), torch.zeros_like(noise[:, 0])], dim=1)
    groups = torch.tensor([[1.0, 1.0], [0.0, 0.0]]).expand(3, -1, -1)
    known = torch.tensor([[True, False]]).expand(3, -1)
    given = batch(whole, groups=groups, known=known)
    total, _ = Objective({"l1_waveform": 1.0}, config=CONFIG)(estimates, given)
    assert float(total) < 1e-5


@pytest.mark.parametrize("name", ["l1_magnitude", "si_sdr"])
def test_what_is_unknown_has_neither_cost_nor_gradient(noise, name) -> None:
    known = torch.tensor([[True, False]]).expand(3, -1)
    other = noise.clone()
    other[:, 1] = math.nan
    estimates = spectra(noise * 0.3)
    estimates.masks.requires_grad_()
    total, _ = Objective({name: 1.0}, config=CONFIG)(estimates, batch(noise, known=known))
    total.backward()
    assert float(estimates.masks.grad[:, 0].abs().sum()) > 0
    assert float(estimates.masks.grad[:, 1].abs().sum()) == 0


def test_excerpts_count_by_their_weights(noise) -> None:
    estimates = noise.clone()
    estimates[0] += 1
    weights = torch.tensor([2.0, 1.0, 1.0])
    total, _ = Objective({"l1_waveform": 1.0}, config=CONFIG)(
        spectra(estimates), batch(noise, weights=weights)
    )
    assert float(total) == pytest.approx(0.5, rel=1e-4)


def test_nothing_known_costs_nothing(noise) -> None:
    known = torch.zeros(3, 2, dtype=torch.bool)
    estimates = spectra(noise * 0.3)
    estimates.masks.requires_grad_()
    total, _ = Objective({"l1_magnitude": 1.0}, config=CONFIG)(estimates, batch(noise, known=known))
    total.backward()
    assert total.item() == 0
    assert not estimates.masks.grad.abs().any()


def test_an_unknown_loss() -> None:
    with pytest.raises(ValueError, match="l3 is no loss"):
        Objective({"l3": 1.0}, config=CONFIG)


@pytest.mark.parametrize(
    "config", [CONFIG, STFTConfig(n_fft=64, hop_samples=16, window_samples=48, window="hamming")]
)
def test_the_inverse_is_that_of_the_engine(noise, config) -> None:
    changed = stft(noise, config=config) * 1j
    ours = waveform(changed, config=config, samples=320)
    torch.testing.assert_close(ours, istft(changed, config=config, samples=320), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["real", "complex"])
def test_magnitudes_are_those_of_the_spectra(noise, kind) -> None:
    mix = stft(noise.sum(dim=1), config=CONFIG)
    masks = stft(noise, config=CONFIG)
    masked = Masked(masks if kind == "complex" else masks.abs(), mix)
    torch.testing.assert_close(masked.magnitudes, masked.spectra.abs())
    groups = torch.tensor([[1.0, 1.0], [0.0, 1.0]]).expand(3, -1, -1)
    grouped = masked.grouped(groups)
    expected = torch.stack([masked.spectra.sum(dim=1), masked.spectra[:, 1]], dim=1)
    torch.testing.assert_close(grouped.spectra, expected)


def test_plain_targets_need_no_groups(noise) -> None:
    weights = {"l1_magnitude": 1.0, "l2_waveform": 1.0}
    grouped = batch(noise)
    plain = replace(grouped, is_plain=True, groups=torch.full_like(grouped.groups, math.nan))
    found = [
        Objective(weights, config=CONFIG)(spectra(noise * 0.5), b)[0] for b in (plain, grouped)
    ]
    torch.testing.assert_close(*found)


def test_magnitudes_of_targets_are_those_of_their_transforms(noise) -> None:
    expected = spectrum(noise, config=CONFIG)[..., :20, :].abs()
    torch.testing.assert_close(magnitude_spectrum(noise, config=CONFIG, bins=20), expected)


@pytest.mark.parametrize("name", [n for n, loss in LOSSES.items() if loss.domain == "spectrum"])
def test_losses_of_spectra_take_magnitudes_for_what_they_are(noise, name) -> None:
    estimate, target = spectrum(noise, config=CONFIG), spectrum(noise.flip(0), config=CONFIG)
    function = LOSSES[name].function
    torch.testing.assert_close(function(estimate.abs(), target.abs()), function(estimate, target))


def test_bins_that_the_network_does_not_see_are_left_out_in_training(low_bins) -> None:
    mix = torch.randn(2, 1, 15 * 16)
    trainee = Trainee(low_bins, all_bins=False)
    trained = trainee.train()(mix)
    assert trained.masks.shape[-2] == trained.mix.shape[-2] == 8
    whole = trainee.eval()(mix)
    assert whole.masks.shape[-2] == 33
    torch.testing.assert_close(trained.masks, whole.masks[..., :8, :])
    assert Trainee(low_bins).train()(mix).masks.shape[-2] == 33


def test_the_loss_of_what_is_left_out_is_that_of_the_lowest_bins(noise) -> None:
    whole = spectra(noise * 0.5)
    low = Masked(whole.masks[..., :8, :], whole.mix[..., :8, :])
    total, _ = Objective({"l1_magnitude": 1.0}, config=CONFIG)(low, batch(noise))
    expected = 0.5 * spectrum(noise, config=CONFIG)[..., :8, :].abs().mean()
    torch.testing.assert_close(total, expected)


def test_waveform_losses_hear_all_bins() -> None:
    assert Objective({"l1_magnitude": 1.0, "sdr": 1.0}, config=CONFIG).hears
    assert not Objective({"l1_magnitude": 1.0}, config=CONFIG).hears
