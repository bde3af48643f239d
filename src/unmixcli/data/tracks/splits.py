"""Splits that a paper made of several data sets."""

from __future__ import annotations

from dataclasses import replace

from unmixcli.data.tracks.model import Manifest, Track

_THIRDS = ("unlabelled", "validation", "test")


def stoller_splits(manifest: Manifest) -> Manifest:
    """The splits of Stoller, Ewert & Dixon (2018, section 4.2).

    A data set with a test part of its own (DSD100) keeps its training part, and its test part is
    halved into validation and test. All others (iKala, MedleyDB, CCMixter) fall into thirds:
    unlabelled, validation, test. The paper does not list the tracks: here the names are sorted
    and cut in one piece, which keeps the songs of one artist together but at the cuts.
    """
    tracks = sorted(manifest.tracks, key=lambda track: track.name)
    if "test" in manifest.splits:
        own = [track for track in tracks if track.split != "test"]
        test = [track for track in tracks if track.split == "test"]
        return replace(manifest, tracks=(*own, *_cut(test, _THIRDS[1:])))
    return replace(manifest, tracks=_cut(tracks, _THIRDS))


def _cut(tracks: list[Track], names: tuple[str, ...]) -> tuple[Track, ...]:
    return tuple(
        replace(track, split=names[at * len(names) // len(tracks)])
        for at, track in enumerate(tracks)
    )
