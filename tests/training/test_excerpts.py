from __future__ import annotations

import numpy as np
import pytest
import torch

from unmixcli.errors import InputError
from unmixcli.training.excerpts import Drawing, ExcerptSource, validation_batches
from unmixcli.training.pack import PackedTrack

STEMS = ("vocals", "drums", "bass")


def track(name: str, *targets: tuple[str, ...], samples: int = 1000, value: float = 0.0, **more):
    """Row r of the track holds `value + r` everywhere."""
    rows = np.arange(len(targets) + more.pop("rest", 0), dtype=np.float16) + np.float16(value)
    audio = np.broadcast_to(rows[:, None, None], (len(rows), 2, samples))
    return PackedTrack(name, targets, audio, np.ones((len(rows), 10), np.float32), **more)


def source(tracks, *, remix: float, samples: int = 64, batch: int = 16, seed: int = 0, **more):
    absent = more.pop("absent", 0.0)
    drawing = Drawing(samples, batch=batch, remix=remix, active=0.5, seed=seed, absent=absent)
    return ExcerptSource(tracks, stems=STEMS, drawing=drawing, **more)


SOLOS = tuple((stem,) for stem in STEMS)


def test_shapes_and_that_the_mix_is_the_sum_of_the_targets() -> None:
    batch = source([track("a", *SOLOS), track("b", *SOLOS, value=8)], remix=0.5).batch(3)
    assert batch.mix.shape == (16, 2, 64)
    assert batch.targets.shape == (16, 3, 2, 64)
    assert torch.equal(batch.targets.sum(dim=1), batch.mix)
    assert batch.known.all()
    assert torch.equal(batch.groups, torch.eye(3).expand(16, 3, 3))
    assert batch.is_plain


def test_an_excerpt_of_one_song_has_its_stems_alone() -> None:
    tracks = [track("a", *SOLOS), track("b", *SOLOS, value=8)]
    for excerpt in source(tracks, remix=0).batch(0).targets[:, :, 0, 0].tolist():
        assert excerpt in ([0, 1, 2], [8, 9, 10])


def test_a_remix_draws_each_stem_from_any_track() -> None:
    tracks = [track("a", *SOLOS), track("b", *SOLOS, value=8)]
    found = {
        tuple(e) for e in source(tracks, remix=1, batch=64).batch(0).targets[:, :, 0, 0].tolist()
    }
    assert found == {(v, d, b) for v in (0, 8) for d in (1, 9) for b in (2, 10)}


def test_the_rest_of_a_mix_is_in_the_mix_and_is_no_target() -> None:
    batch = source([track("a", ("vocals",), rest=1, value=1)], remix=0).batch(0)
    assert batch.known.tolist() == [[True, False, False]] * 16
    assert (batch.targets[:, 0] == 1).all()
    assert not batch.targets[:, 1:].any()
    assert (batch.mix == 3).all()


def test_a_group_is_one_target_of_several_stems() -> None:
    batch = source([track("a", ("vocals",), ("drums", "bass"))], remix=0.5).batch(0)
    assert batch.known[0].tolist() == [True, True, False]
    assert batch.groups[0].tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]
    assert not batch.is_plain


def test_grouped_tracks_are_never_remixed() -> None:
    tracks = [track("a", *SOLOS), track("b", ("vocals",), ("drums", "bass"), value=8)]
    drums = source(tracks, remix=1, batch=64).batch(0).targets[:, 1, 0, 0]
    assert (drums == 1).all()


def test_solos_are_drawn_for_remixes_only() -> None:
    tracks = [track("a", *SOLOS), track("solo", ("vocals",), value=8)]
    assert not (source(tracks, remix=0).batch(0).targets == 8).any()
    assert (source(tracks, remix=1).batch(0).targets == 8).any()


def test_batches_depend_on_seed_and_step_alone() -> None:
    def tracks():
        random = np.random.default_rng(0)
        audio = random.standard_normal((3, 2, 1000)).astype(np.float16)
        return [PackedTrack("a", SOLOS, audio, np.ones((3, 10), np.float32))]

    first, second = source(tracks(), remix=0.5), source(tracks(), remix=0.5)
    for _ in first.batches(range(2), workers=2):
        pass
    assert torch.equal(first.batch(5).mix, second.batch(5).mix)
    assert not torch.equal(first.batch(5).mix, first.batch(6).mix)
    other = source(tracks(), remix=0.5, seed=1)
    assert not torch.equal(first.batch(5).mix, other.batch(5).mix)


@pytest.mark.parametrize("workers", [1, 3])
def test_prepared_ahead_they_come_in_order(workers: int) -> None:
    of = source([track("a", *SOLOS), track("b", *SOLOS, value=8)], remix=0.5)
    ahead = list(of.batches(range(4, 14), workers=workers))
    assert len(ahead) == 10
    assert all(torch.equal(batch.mix, of.batch(4 + i).mix) for i, batch in enumerate(ahead))


def test_weights_say_how_often_a_track_is_drawn() -> None:
    tracks = [track("a", *SOLOS), track("b", *SOLOS, value=8, weight=3.0)]
    drawn = source(tracks, remix=0, batch=400).batch(0).targets[:, 0, 0, 0] == 8
    assert 0.68 < drawn.float().mean() < 0.82


def test_active_draws_look_where_a_stem_sounds() -> None:
    audio = np.zeros((1, 1, 10_000), np.float16)
    audio[:, :, 7000:7100] = 1
    levels = np.zeros((1, 100), np.float32)
    levels[:, 70] = 1
    tracks = [PackedTrack("a", (("vocals",),), audio, levels)]
    drawing = Drawing(500, batch=32, remix=0, active=1.0, seed=0)
    batch = ExcerptSource(tracks, stems=("vocals",), drawing=drawing).batch(0)
    assert (batch.mix.abs().sum(dim=(1, 2)) > 0).all()


def test_short_tracks_are_followed_by_silence() -> None:
    batch = source([track("a", *SOLOS, samples=40, value=1)], remix=0).batch(0)
    assert (batch.mix[..., :40] == 6).all()
    assert not batch.mix[..., 40:].any()


def test_augmentation_comes_before_the_sum() -> None:
    of = source([track("a", *SOLOS)], remix=0, augment=lambda rows, random: rows * 2)
    batch = of.batch(0)
    assert (batch.targets[:, 2] == 4).all()
    assert (batch.mix == 6).all()


@pytest.mark.parametrize("remix", [0, 1])
def test_absent_stems_are_in_no_mix(remix: float) -> None:
    tracks = [track("a", *SOLOS, value=1)]
    batch = source(tracks, remix=remix, batch=64, absent=0.75).batch(0)
    found = [tuple(e) for e in batch.targets[:, :, 0, 0].tolist()]
    assert set(found) == {(1, 2, 3), (0, 2, 3), (1, 0, 3), (1, 2, 0)}
    assert found.count((1, 2, 3)) < 32
    assert torch.equal(batch.mix, batch.targets.sum(dim=1))
    assert batch.known.all()


def test_a_remix_of_stems_that_no_track_has_is_refused() -> None:
    with pytest.raises(InputError, match="no track has bass by itself"):
        source([track("a", ("vocals",), ("drums",))], remix=1)


def test_validation_takes_the_loudest_piece() -> None:
    audio = np.zeros((1, 1, 1000), np.float16)
    audio[..., 600:700] = 1
    levels = np.sqrt(np.square(np.float32(audio)).reshape(1, 100, 10).mean(axis=-1))
    tracks = [PackedTrack("a", (("vocals",),), audio, levels)]
    ((name, batch),) = validation_batches(tracks, stems=("vocals",), samples=100)
    assert name == "a"
    assert batch.mix.sum() == 100
