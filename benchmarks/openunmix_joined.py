"""The networks of all stems of an Open-Unmix as one, against one after another: one chunk of each.

Their linear layers become one: the first a matrix for all stems, as all see the same mix and its
scaling can be folded in, the others groups of a convolution. The recurrent layers, which torch.func
cannot batch (`vmap` has no rule for an LSTM), run one after another; as one LSTM whose matrices are
block-diagonal; or by own steps over the frames, whose products are batched over stems.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.peer_openunmix import SIZES, networks
from benchmarks.report import machine, markdown, parser, publish
from unmixcli.networks.openunmix import OpenUnmix

Recurrent = Callable[[Tensor], Tensor]
FRAMES = 1024
WAYS = ("one after another", "linear layers joined", "all layers joined", "steps batched")


def folded(linear: nn.Linear, norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """The weight and offset of a layer and its batch norm."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = norm.weight * (norm.running_var + norm.eps).rsqrt()
    return linear.weight * gain[:, None], norm.bias - norm.running_mean * gain


class Joined:
    """Masks of all stems in one pass.

    Args:
        nets: of equal sizes, in evaluation.
        recurrent: makes of them what maps `(frames, batch, stems, features)` to the same.
    """

    def __init__(
        self, nets: Sequence[OpenUnmix], *, recurrent: Callable[[Sequence[OpenUnmix]], Recurrent]
    ) -> None:
        self._stems = len(nets)
        self._seen = nets[0].input_mean.numel()
        self._recurrent = recurrent(nets)
        layers = [_layers(net) for net in nets]
        self._layers = [
            (torch.cat([w for w, _ in each]), torch.cat([b for _, b in each]))
            for each in zip(*layers, strict=True)
        ]

    def __call__(self, magnitudes: Tensor) -> Tensor:
        """Return `(batch, stems, channels, bins, frames)`."""
        batch, channels, bins, frames = magnitudes.shape
        first, second, third = self._layers
        seen = magnitudes[:, :, : self._seen].reshape(batch, -1, frames)
        encoded = _per_frame(seen, first, groups=1).tanh_().unflatten(1, (self._stems, -1))
        recalled = self._recurrent(encoded.permute(3, 0, 1, 2)).permute(1, 2, 3, 0)
        joined = torch.cat([encoded, recalled], dim=2).flatten(1, 2)
        decoded = _per_frame(joined, second, groups=self._stems).relu_()
        masks = _per_frame(decoded, third, groups=self._stems).relu_()
        return masks.view(batch, self._stems, channels, bins, frames)


def _layers(net: OpenUnmix) -> list[tuple[Tensor, Tensor]]:
    """The three linear layers of one stem, its scaling folded in."""
    (first, below), second, (third, above) = (
        folded(net.fc1, net.bn1), folded(net.fc2, net.bn2), folded(net.fc3, net.bn3)
    )  # fmt: skip
    channels = first.shape[1] // net.input_mean.numel()
    scale = net.input_scale.repeat(channels)
    mean = net.input_mean.repeat(channels) * scale
    up, offset = net.output_scale.repeat(channels), net.output_mean.repeat(channels)
    return [
        (first * scale, below + first @ mean),
        second,
        (third * up[:, None], above * up + offset),
    ]


def _per_frame(values: Tensor, layer: tuple[Tensor, Tensor], *, groups: int) -> Tensor:
    weight, offset = layer
    kernel = weight[:, :, None, None]
    return F.conv2d(values.unsqueeze(-1), kernel, offset, groups=groups).squeeze(-1)


def after_another(nets: Sequence[OpenUnmix]) -> Recurrent:
    """Each stem's own LSTM."""
    return lambda x: torch.stack(
        [net.lstm(part)[0] for net, part in zip(nets, x.unbind(2), strict=True)], dim=2
    )


def block_diagonal(nets: Sequence[OpenUnmix]) -> Recurrent:
    """One LSTM for all stems, bidirectional as theirs, with zeros between them."""
    own = nets[0].lstm
    stems, hidden = len(nets), own.hidden_size
    big = nn.LSTM(
        stems * own.input_size, stems * hidden, num_layers=own.num_layers, bidirectional=True
    )
    big.eval().requires_grad_(False)
    for name, target in big.named_parameters():
        target.zero_()
        for stem, net in enumerate(nets):
            source: Tensor = getattr(net.lstm, name)
            if "bias" in name:
                target.view(4, stems, hidden)[:, stem] = source.view(4, hidden)
                continue
            # Features of a layer's input: each direction has all stems.
            sides = 1 if "_hh_" in name or "_l0" in name else 2
            blocks = target.view(4, stems, hidden, sides, stems, -1)
            blocks[:, stem, :, :, stem] = source.view(4, hidden, sides, -1)

    def run(x: Tensor) -> Tensor:
        given: Tensor = big(x.flatten(2))[0]
        return given.unflatten(2, (2, stems, hidden)).transpose(2, 3).flatten(3)

    return run


def batched_steps(nets: Sequence[OpenUnmix]) -> Recurrent:
    """All stems and both directions in the products of each step."""
    names = [f"l{layer}" for layer in range(nets[0].lstm.num_layers)]

    def both(name: str) -> Tensor:
        sides = [(getattr(n.lstm, name), getattr(n.lstm, f"{name}_reverse")) for n in nets]
        return torch.stack([torch.stack(pair) for pair in sides])

    layers = [
        (
            both(f"weight_ih_{name}"),
            both(f"weight_hh_{name}").flatten(0, 1).transpose(1, 2).contiguous(),
            both(f"bias_ih_{name}") + both(f"bias_hh_{name}"),
        )
        for name in names
    ]

    def run(x: Tensor) -> Tensor:
        for layer in layers:
            x = _layer_by_steps(x, layer)
        return x

    return run


def _layer_by_steps(x: Tensor, layer: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """One layer, `(frames, batch, stems, features)` to the same."""
    inward, onward, bias = layer
    gates = torch.einsum("tbsh,sdgh->tsdbg", x, inward) + bias[:, :, None]
    gates = torch.stack([gates[:, :, 0], gates[:, :, 1].flip(0)], dim=2).flatten(1, 2)
    hidden = gates.new_zeros(gates.shape[1], gates.shape[2], onward.shape[1])
    cell, outputs = hidden, []
    for step in gates:
        entry, forget, new, exit_ = torch.baddbmm(step, hidden, onward).chunk(4, dim=-1)
        cell = forget.sigmoid() * cell + entry.sigmoid() * new.tanh()
        hidden = exit_.sigmoid() * cell.tanh()
        outputs.append(hidden)
    found = torch.stack(outputs).unflatten(1, (-1, 2))
    sides = torch.stack([found[:, :, 0], found[:, :, 1].flip(0)], dim=2)
    return sides.permute(0, 3, 1, 2, 4).flatten(3)


def one_by_one(nets: Sequence[OpenUnmix], magnitudes: Tensor) -> Tensor:
    """The masks as the adapter makes them."""
    shape = (magnitudes.shape[0], len(nets), *magnitudes.shape[1:])
    masks = torch.empty(shape)
    for index, net in enumerate(nets):
        masks[:, index] = net.mask(magnitudes)
    return masks


def ways(nets: Sequence[OpenUnmix]) -> Mapping[str, Callable[[Tensor], Tensor]]:
    """By the names in the table."""
    made = (
        partial(one_by_one, nets),
        Joined(nets, recurrent=after_another),
        Joined(nets, recurrent=block_diagonal),
        Joined(nets, recurrent=batched_steps),
    )
    return dict(zip(WAYS, made, strict=True))


def seconds_of(run: Callable[[Tensor], Tensor], mix: Tensor) -> float:
    """Of one call."""
    started = time.perf_counter()
    run(mix)
    return time.perf_counter() - started


@torch.no_grad()
def rows(*, frames: int, threads: Sequence[int], repeats: int) -> list[list[str]]:
    """One a way: seconds for each number of threads, and the difference of the masks."""
    generator = torch.Generator().manual_seed(0)
    mix = torch.rand((1, 2, SIZES["nb_bins"], frames), generator=generator)
    known = ways(list(networks().values()))
    expected = known[WAYS[0]](mix)
    found: dict[str, list[str]] = {name: [] for name in known}
    before = torch.get_num_threads()
    for count in threads:
        torch.set_num_threads(count)
        runs: dict[str, list[float]] = {name: [] for name in known}
        for _ in range(repeats):
            for name, run in known.items():
                runs[name].append(seconds_of(run, mix))
        for name, times in runs.items():
            found[name].append(f"{min(times):.2f} s")
    torch.set_num_threads(before)
    differences = {name: float((run(mix) - expected).abs().max()) for name, run in known.items()}
    return [[name, *times, f"{differences[name]:.0e}"] for name, times in found.items()]


def main() -> None:
    """Measure, on one thread and on as many as there are."""
    options = parser(__doc__)
    options.add_argument("--frames", type=int, default=FRAMES)
    options.add_argument("--repeats", type=int, default=2)
    given = options.parse_args()
    publish("openunmix_joined", text(given.frames, given.repeats), write=given.write)


def text(frames: int, repeats: int) -> str:
    """The table and what it is of."""
    threads = sorted({1, torch.get_num_threads()})
    headings = ["masks of four stems", *(_threads(n) for n in threads), "largest difference"]
    intro = f"One chunk of {frames} frames, on the CPU. {machine()}\n\n"
    return intro + markdown(headings, rows(frames=frames, threads=threads, repeats=repeats))


def _threads(count: int) -> str:
    return f"{count} thread" if count == 1 else f"{count} threads"


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    main()
