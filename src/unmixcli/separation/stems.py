"""Stems are arithmetic: what is asked for, as weighted sums of the mix and the model's stems.

A model's stems sum to the mix because one of them, the residual, is never taken from the network:
it is the mix minus the others. Every output is then a weighted sum of the mix and of the stems
that are not the residual, and only stems with a weight have to be computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from unmixcli.errors import UsageError
from unmixcli.models.stems import StemSet, Weights


@dataclass(frozen=True)
class Request:
    """What the user wants of a track; all empty means the complete set.

    Attributes:
        stems: names, written as they are.
        without: each gives `no_NAME`, everything but it.
        mixes: name to the stems that it sums.
        karaoke: the vocals and the backing track.
    """

    stems: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    mixes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    karaoke: bool = False

    @property
    def names_used(self) -> tuple[str, ...]:
        """Every stem name that the request speaks of."""
        mixed = (part for _, parts in self.mixes for part in parts)
        karaoke = ("vocals",) if self.karaoke else ()
        return tuple(dict.fromkeys((*self.stems, *self.without, *mixed, *karaoke)))


@dataclass(frozen=True)
class OutputPlan:
    """Outputs as sums.

    Attributes:
        outputs: names of what is written.
        computed: stems that the model must give.
        weights: a row an output; its first entry weighs the mix, the others `computed`.
    """

    outputs: tuple[str, ...]
    computed: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...]


def parse_mix(text: str) -> tuple[str, tuple[str, ...]]:
    """Read `name=stem+stem`.

    Raises:
        UsageError: if it has another form.
    """
    name, equals, parts = text.partition("=")
    stems = tuple(part.strip() for part in parts.split("+"))
    if not equals or not name.strip() or not all(stems):
        raise UsageError(f"--mix {text!r} must look like --mix karaoke=drums+bass+other")
    return name.strip(), stems


def plan_outputs(stem_set: StemSet, request: Request, *, model: str) -> OutputPlan:
    """Turn a request into sums over the stems of one model.

    Raises:
        UsageError: for a stem that the model has not, or two outputs of one name.
    """
    wanted = _wanted(stem_set, request, model=model)
    rows = [_eliminate_residual(stem_set, weights) for weights in wanted.values()]
    computed = tuple(name for name in stem_set.names if any(row.get(name) for _, row in rows))
    weights = tuple((mix, *(row.get(name, 0.0) for name in computed)) for mix, row in rows)
    return OutputPlan(tuple(wanted), computed, weights)


def _wanted(stem_set: StemSet, request: Request, *, model: str) -> dict[str, Weights]:
    def weights(name: str) -> Weights:
        found = stem_set.weights(name)
        if found is None:
            raise UsageError(f"{model} has no stem {name!r}; it has {', '.join(stem_set.names)}")
        return found

    outputs: list[tuple[str, Weights]] = [(name, weights(name)) for name in request.stems]
    if request.karaoke:
        outputs += [(name, weights(name)) for name in ("vocals", "karaoke")]
    for name in request.without:
        left_out = weights(name)
        rest = {stem: 1.0 - left_out.get(stem, 0.0) for stem in stem_set.names}
        outputs.append((f"no_{name}", rest))
    outputs += [(name, _sum(map(weights, parts))) for name, parts in request.mixes]
    if not outputs:
        outputs = [(name, weights(name)) for name in stem_set.names]
    return _distinct(outputs)


def _distinct(outputs: Sequence[tuple[str, Weights]]) -> dict[str, Weights]:
    distinct: dict[str, Weights] = {}
    for name, weights in outputs:
        if distinct.get(name, weights) != weights:
            raise UsageError(f"two different outputs are called {name!r}; give one another name")
        distinct[name] = weights
    return distinct


def _sum(parts: Iterable[Weights]) -> Weights:
    total: dict[str, float] = {}
    for part in parts:
        for stem, weight in part.items():
            total[stem] = total.get(stem, 0.0) + weight
    return total


def _eliminate_residual(stem_set: StemSet, weights: Weights) -> tuple[float, dict[str, float]]:
    """Rewrite a sum of stems as `mix * m + sum of the stems that are not the residual`."""
    if stem_set.residual is None:
        return 0.0, dict(weights)
    mix = weights.get(stem_set.residual, 0.0)
    others = (stem for stem in stem_set.names if stem != stem_set.residual)
    return mix, {stem: weights.get(stem, 0.0) - mix for stem in others}
