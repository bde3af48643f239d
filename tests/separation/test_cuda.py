"""On a GPU: the CPU's result within rounding, the same bytes each time, half precision close."""

from __future__ import annotations

import pytest
import torch

from models_for_tests import ContextMasks, engine, noise, separate, settings
from unmixcli.networks.unet import UNet, UNetConfig
from unmixcli.separation.spectral import SpectralOptions

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.mark.parametrize("sample_rate", [44100, 48000])
@pytest.mark.parametrize("wiener", [0, 1])
def test_gpu_equals_cpu(sample_rate: int, wiener: int) -> None:
    model = ContextMasks(settings(), [1.0, 1.0])
    options = SpectralOptions(wiener_iterations=wiener)
    mix = noise(2, 3 * 44100 + 17)
    expected = separate(engine(model, sample_rate=sample_rate, options=options), mix)
    subject = engine(model.cuda(), sample_rate=sample_rate, options=options)
    for block in (1009, mix.shape[-1]):
        actual = separate(subject, mix, block)
        torch.testing.assert_close(actual, expected, atol=1e-4, rtol=0)


def test_same_bytes_each_time() -> None:
    subject = engine(ContextMasks(settings(), [1.0, 1.0]).cuda())
    mix = noise(2, 200_000)
    assert torch.equal(separate(subject, mix), separate(subject, mix))


def test_half_precision_is_close() -> None:
    torch.manual_seed(0)
    net = UNet(UNetConfig(filters=(8, 16, 32))).cuda().eval()
    x = torch.rand(1, 1, 64, 64, device="cuda")
    with torch.no_grad(), torch.autocast("cuda", dtype=torch.bfloat16):
        half = net(x)
    with torch.no_grad():
        full = net(x)
    torch.testing.assert_close(half.float(), full, atol=0.05, rtol=0)
