"""Which sums a model's stems and a track's stems can both form: the targets that can be scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unmixcli.data.tracks.model import Track
from unmixcli.data.tracks.stem_names import coverage, universe


@dataclass(frozen=True)
class Target:
    """Something that both sides have.

    Attributes:
        name: as reports call it.
        estimate: the model's stems whose sum it is.
        reference: the track's stems whose sum it is.
        silent: whether the reference is known to hold nothing.
    """

    name: str
    estimate: tuple[str, ...]
    reference: tuple[str, ...]
    silent: bool = False


@dataclass(frozen=True)
class _Cluster:
    estimate: tuple[str, ...]
    reference: tuple[str, ...]


def references(
    track: Track, model_stems: Sequence[str], *, against_rest: str | None = None
) -> tuple[Target, ...]:
    """The finest targets that a model and a track share, in the order of the model's stems.

    No stem is in two targets, so they can go into one BSS Eval. `Target.reference` of two-stem
    models is the track's accompaniment or the sum of its instruments; a stem `bass_drums` of the
    track meets the sum of the model's two. What only one side can form is left out, and so is
    the sum of everything, which is the mix whatever the model does.

    With `against_rest` (say "vocals") there are two targets, that one and all others in one,
    called "accompaniment" beside vocals, "harmonic" beside drums, else "rest"; none where the
    shared targets do not make up the whole song.
    """
    everything = universe([*model_stems, *track.stems])
    theirs = coverage(model_stems, of=everything)
    ours = coverage(track.stems, of=everything)
    shared = [
        _target(track, cluster)
        for cluster in _clusters(theirs, ours)
        if _union(theirs, cluster.estimate) == _union(ours, cluster.reference) != everything
    ]
    if against_rest is None:
        return tuple(shared)
    return _two_targets(track, shared, name=against_rest, model_stems=model_stems)


def _clusters(
    theirs: Mapping[str, frozenset[str]], ours: Mapping[str, frozenset[str]]
) -> list[_Cluster]:
    """Stems of both sides that hang together because they overlap, directly or by another."""
    clusters: list[_Cluster] = []
    left = list(theirs)
    while left:
        estimate, reference, grown = {left[0]}, set[str](), True
        while grown:
            covered = _union(theirs, tuple(estimate)) | _union(ours, tuple(reference))
            more = {name for name in ours if ours[name] & covered} - reference
            more_theirs = {name for name in left if theirs[name] & covered} - estimate
            reference, estimate = reference | more, estimate | more_theirs
            grown = bool(more or more_theirs)
        clusters.append(
            _Cluster(
                tuple(name for name in theirs if name in estimate),
                tuple(name for name in ours if name in reference),
            )
        )
        left = [name for name in left if name not in estimate]
    return clusters


def _union(cover: Mapping[str, frozenset[str]], names: Sequence[str]) -> frozenset[str]:
    return frozenset[str]().union(*(cover[name] for name in names))


def _target(track: Track, cluster: _Cluster) -> Target:
    if len(cluster.estimate) == 1 or len(cluster.reference) != 1:
        name = "_".join(cluster.estimate)
    else:
        name = cluster.reference[0]
    return Target(name, cluster.estimate, cluster.reference, _is_silent(track, cluster.reference))


def _is_silent(track: Track, reference: Sequence[str]) -> bool:
    return not any(track.stems[name] for name in reference)


def _two_targets(
    track: Track, shared: Sequence[Target], *, name: str, model_stems: Sequence[str]
) -> tuple[Target, ...]:
    chosen = [target for target in shared if target.name == name]
    rest = [target for target in shared if target.name != name]
    estimate = tuple(stem for target in rest for stem in target.estimate)
    reference = tuple(stem for target in rest for stem in target.reference)
    whole = len(estimate) + sum(len(t.estimate) for t in chosen) == len(tuple(model_stems))
    whole &= len(reference) + sum(len(t.reference) for t in chosen) == len(track.stems)
    if not (chosen and rest and whole):
        return ()
    rest_name = {"vocals": "accompaniment", "drums": "harmonic"}.get(name, "rest")
    silent = _is_silent(track, reference)
    return (chosen[0], Target(rest_name, estimate, reference, silent))
