"""Wired U-Nets: shapes, what depends on what, and where the maps put a tone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unmixcli.dsp.salience import SalienceAxis
from unmixcli.networks.unet import UNetConfig
from unmixcli.networks.wired import WIRINGS, Node, WiredConfig, WiredUNets, _mapped, wiring

SMALL = UNetConfig(filters=(3, 4), kernel=4, dropout=0.0)
FRAMES = 8
INPUTS = ("mix", "true_vocals", "true_salience")

# For each wiring: what the mask and what the salience depend on. An oracle's mask is of the mix.
MATTERS = {
    "pitch": (None, {"mix"}),
    "source": ({"mix"}, None),
    "oracle-vocals": (None, {"true_vocals"}),
    "oracle-pitch": ({"mix", "true_salience"}, None),
    "shared-encoder": ({"mix"}, {"mix"}),
    "cross-stitch": ({"mix"}, {"mix"}),
    "source-pitch": ({"mix"}, {"mix"}),
    "pitch-source": ({"mix"}, {"mix"}),
    "separate": ({"mix"}, {"mix"}),
    "s-p-s-p": ({"mix"}, {"mix"}),
}
# Nets that learn from the loss of the salience alone.
LEARN_FROM_SALIENCE = {
    "pitch": {"pitch"},
    "oracle-vocals": {"pitch"},
    "shared-encoder": {"source encoder", "pitch"},
    "cross-stitch": {"source encoder", "pitch"},
    "source-pitch": {"source", "pitch"},
    "pitch-source": {"pitch"},
    "separate": {"pitch"},
    "s-p-s-p": {"source_1", "pitch_1", "source_2", "pitch_2"},
}


def network(name: str, **changes: object) -> WiredUNets:
    torch.manual_seed(0)
    config = WiredConfig(nodes=WIRINGS[name], bins=64, n_fft=128, unet=SMALL, **changes)  # type: ignore[arg-type]
    return WiredUNets(config).eval()


def inputs() -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(1)
    sizes = {"mix": 64, "true_vocals": 64, "true_salience": 360}
    return {
        name: torch.rand(2, bins, FRAMES, generator=random).requires_grad_()
        for name, bins in sizes.items()
    }


def results(net: WiredUNets, given: dict[str, Tensor]) -> tuple[Tensor | None, Tensor | None]:
    found = net(given["mix"], **{name: given[name] for name in INPUTS[1:]})
    vocals, salience = net.config.last("vocals"), net.config.last("salience")
    return (
        None if vocals is None else found.masks[vocals],
        None if salience is None else found.logits[salience],
    )


def test_these_are_all() -> None:
    assert WIRINGS.keys() == MATTERS.keys()


@pytest.mark.parametrize("name", WIRINGS)
def test_shapes(name: str) -> None:
    mask, logits = results(network(name), inputs())
    wanted = MATTERS[name]
    assert (mask is not None, logits is not None) == (wanted[0] is not None, wanted[1] is not None)
    if mask is not None:
        assert mask.shape == (2, 64, FRAMES)
        assert ((mask >= 0) & (mask <= 1)).all()
    if logits is not None:
        assert logits.shape == (2, 360, FRAMES)


@pytest.mark.parametrize("name", WIRINGS)
def test_what_matters(name: str) -> None:
    for which, matters in enumerate(MATTERS[name]):
        given = inputs()
        result = results(network(name), given)[which]
        if matters is None:
            continue
        assert result is not None
        result.square().sum().backward()
        found = {key for key, value in given.items() if value.grad is not None and value.grad.any()}
        # What "separate" reads without a gradient matters nevertheless: see below.
        assert found == (set() if (name, which) == ("separate", 1) else matters)


@pytest.mark.parametrize("name", LEARN_FROM_SALIENCE)
def test_who_learns_from_the_salience(name: str) -> None:
    net = network(name)
    logits = results(net, inputs())[1]
    assert logits is not None
    logits.square().sum().backward()
    learned = set()
    for node in net.config.nodes:
        halves = {
            half: any(
                p.grad is not None and bool(p.grad.any()) for p in nets[node.name].parameters()
            )
            for half, nets in (("encoder", net.encoders), ("decoder", net.decoders))
            if node.name in nets
        }
        if all(halves.values()):
            learned.add(node.name)
        else:
            learned |= {f"{node.name} {half}" for half, found in halves.items() if found}
    assert learned == LEARN_FROM_SALIENCE[name]


def test_separately_trained_pitch_hears_the_estimated_voice_all_the_same() -> None:
    net = network("separate")
    given = inputs()
    _, before = results(net, given)
    with torch.no_grad():
        for weight in net.decoders["source"].parameters():
            weight += 0.5
    _, after = results(net, given)
    assert before is not None
    assert after is not None
    assert not torch.allclose(before, after)


def test_oracle_vocals_ignore_the_mix() -> None:
    net = network("oracle-vocals")
    given = inputs()
    _, before = results(net, given)
    _, after = results(net, {**given, "mix": torch.rand(2, 64, FRAMES)})
    assert torch.equal(before, after)  # type: ignore[arg-type]


def test_a_truth_that_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match="reads true_vocals"):
        network("oracle-vocals")(torch.rand(1, 64, FRAMES))


def test_partials_of_a_tone_stand_in_one_place() -> None:
    """Channel h of bin b is the magnitude at h times the frequency of b."""
    harmonics = (1.0, 2.0, 3.0)
    config = WiredConfig(nodes=WIRINGS["pitch"], unet=SMALL, harmonics=harmonics)
    net = WiredUNets(config)
    f0_hz, spacing = 40 * 22050 / 1024, 22050 / 1024
    mix = torch.zeros(1, 512, 4)
    for harmonic in harmonics:
        mix[:, round(harmonic * f0_hz / spacing)] = 1.0
    seen = net._read(config.nodes[0], mix, "mix")
    assert seen.shape == (1, 3, 360, 4)
    place = float(config.axis.bin_of(f0_hz))
    # Each channel has a peak for each partial; in one bin alone they all have one.
    assert abs(int(seen[0, :, :, 0].prod(dim=0).argmax()) - place) <= 1


def test_salience_comes_to_the_partials_bin() -> None:
    config = WiredConfig(nodes=WIRINGS["pitch-source"], unet=SMALL)
    net = WiredUNets(config)
    salience = torch.zeros(1, 360, 4)
    salience[:, round(float(config.axis.bin_of(40 * 22050 / 1024)))] = 1.0
    there = net._read(config.nodes[1], salience, "pitch")
    assert there.shape == (1, 1, 512, 4)
    assert there[0, 0, :, 0].argmax() == 40


def test_features_keep_their_mean_level_on_the_other_axis() -> None:
    """Rows of the fine map sum to 1, so a constant stays one, but below the axis and above it."""
    config = WiredConfig(nodes=WIRINGS["cross-stitch"], unet=SMALL, axis=SalienceAxis(bins=360))
    net = WiredUNets(config)
    ones = torch.ones(1, 2, 128, 4)
    there = torch.as_tensor(net.log_map)
    mapped = _mapped(ones, there)
    assert mapped.shape == (1, 2, 90, 4)
    torch.testing.assert_close(mapped, torch.ones_like(mapped))


def test_bins_that_the_levels_do_not_divide_are_filled_up() -> None:
    config = WiredConfig(unet=UNetConfig(filters=(2,) * 6, kernel=4))
    assert config.padded == 384
    assert WiredUNets(config)(torch.rand(1, 512, 64)).logits["pitch_2"].shape == (1, 360, 64)


def test_a_quiet_mix_is_compressed_for_the_nets_alone() -> None:
    plain, compressed = network("source"), network("source", compression=0.5)
    mix = torch.rand(1, 64, FRAMES) + 0.1
    torch.testing.assert_close(compressed(mix.square()).masks["source"], plain(mix).masks["source"])


def test_salience_starts_low() -> None:
    """A few of 360 bins hold a pitch."""
    logits = network("s-p-s-p")(torch.rand(1, 64, FRAMES)).logits
    assert all(value.mean().item() < -3 for value in logits.values())


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ((), "nodes with names"),
        ((Node("a", "vocals", ("b",)),), "a: b is not there yet"),
        ((Node("a", "vocals", encoder="b"),), "the encoder of b is not there yet"),
        ((Node("a", "vocals"),), "something to read or an encoder"),
        ((Node("mix", "vocals", ("mix",)),), "names of their own"),
        ((Node("a", "vocals", ("mix",), joins="c"),), "c is not there yet"),
    ],
)
def test_wirings_that_cannot_be(nodes: tuple[Node, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        WiredConfig(nodes=nodes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bins": 510}, "multiple of 64"),
        ({"compression": 0.0}, "compression"),
        ({"unet": UNetConfig(skips=False)}, "have skips"),
    ],
)
def test_settings_that_cannot_be(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        WiredConfig(**changes)  # type: ignore[arg-type]


def test_an_unknown_wiring_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="one of pitch, source"):
        wiring("s-p-s")
