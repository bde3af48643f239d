"""The Open-Unmix adapter: published files load strictly, the engine equals the Separator."""

from __future__ import annotations

import hashlib
import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from unmixcli.errors import ModelError
from unmixcli.models.catalogue import Model, find_model
from unmixcli.models.load import load_model
from unmixcli.separation.engine import Engine
from unmixcli.separation.spectral import SpectralOptions, SpectralSeparator
from unmixcli.separation.stems import Request, plan_outputs

STEMS = ("vocals", "drums", "bass", "other")
HIDDEN = 16
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def theirs() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "torchaudio", ModuleType("torchaudio"))
        return importlib.import_module("openunmix.model")


@pytest.fixture(scope="module")
def targets(theirs: ModuleType) -> dict[str, torch.nn.Module]:
    made = {}
    for number, stem in enumerate(STEMS):
        torch.manual_seed(number)
        net = theirs.OpenUnmix(nb_bins=2049, nb_channels=2, hidden_size=HIDDEN, max_bin=1487)
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.running_mean.uniform_(-0.1, 0.1)
                module.running_var.uniform_(0.5, 2.0)
        made[stem] = net.eval()
    return made


def published(
    folder: Path, targets: dict[str, torch.nn.Module], *, extra: tuple[str, ...] = ()
) -> Model:
    """A folder in the layout of the published models, legacy keys included."""
    folder.mkdir()
    card = find_model("umxhq").folder / "model.toml"
    text = card.read_text().replace("hidden_size = 512", f"hidden_size = {HIDDEN}")
    head = text.split("\n[[files]]", 1)[0]
    for stem, net in targets.items():
        legacy = ("sample_rate", "stft.window", "transform.0.window", *extra)
        path = folder / f"{stem}.pth"
        torch.save({**net.state_dict(), **{key: torch.zeros(1) for key in legacy}}, path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        head += f'\n[[files]]\nrole = "{stem}"\nname = "{stem}.pth"\nsha256 = "{digest}"\n'
    (folder / "model.toml").write_text(head)
    return find_model(str(folder))


@pytest.mark.parametrize("iterations", [0, 1])
def test_engine_equals_the_separator(
    theirs: ModuleType, targets: dict[str, torch.nn.Module], tmp_path: Path, iterations: int
) -> None:
    model = published(tmp_path / "model", targets)
    network = load_model(model, device=CPU)
    # Shorter than a chunk, longer than a window of the Wiener filter.
    mix = torch.rand((2, 10 * 44100 + 7), generator=torch.Generator().manual_seed(1)) - 0.5
    separator = theirs.Separator(targets, niter=iterations)
    separator.freeze()
    with torch.no_grad():
        expected = separator(mix[None])[0]
    ours = SpectralSeparator(
        network, stems=STEMS, options=SpectralOptions(wiener_iterations=iterations)
    )
    actual = torch.cat((ours.push(mix), ours.finish()), dim=-1)
    torch.testing.assert_close(actual, expected, atol=1e-3 * float(expected.abs().max()), rtol=0)


def test_only_the_networks_asked_for_run(
    targets: dict[str, torch.nn.Module], tmp_path: Path
) -> None:
    model = published(tmp_path / "model", targets)
    network = load_model(model, device=CPU)
    ran: list[str] = []
    for stem, net in network.networks.items():
        net.lstm.register_forward_hook(lambda *_, stem=stem: ran.append(stem))
    plan = plan_outputs(model.stem_set, Request(karaoke=True), model="test")
    separator = SpectralSeparator(
        network, stems=plan.computed, options=SpectralOptions(wiener_iterations=0)
    )
    engine = Engine(separator, plan=plan, sample_rate=44100, channels=2)
    list(engine.stream([torch.rand(2, 44100)]))
    assert set(ran) == {"vocals"}


def test_other_foreign_keys_fail(targets: dict[str, torch.nn.Module], tmp_path: Path) -> None:
    model = published(tmp_path / "model", targets, extra=("stft.other",))
    with pytest.raises(ModelError, match="the weights do not fit the card"):
        load_model(model, device=CPU)


def test_other_sizes_fail(targets: dict[str, torch.nn.Module], tmp_path: Path) -> None:
    model = published(tmp_path / "model", targets)
    card = model.folder / "model.toml"
    card.write_text(card.read_text().replace(f"hidden_size = {HIDDEN}", "hidden_size = 8"))
    with pytest.raises(ModelError, match="the weights do not fit the card"):
        load_model(find_model(str(model.folder)), device=CPU)


def test_arbitrary_pickles_fail(targets: dict[str, torch.nn.Module], tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (print, ("this must never run",))

    model = published(tmp_path / "model", targets)
    path = model.folder / "vocals.pth"
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    torch.save({"fc1.weight": Evil()}, path)
    card = model.folder / "model.toml"
    after = hashlib.sha256(path.read_bytes()).hexdigest()
    card.write_text(card.read_text().replace(before, after))
    with pytest.raises(ModelError, match="holds more than tensors"):
        load_model(find_model(str(model.folder)), device=CPU)
