"""Training where there is a GPU."""

from __future__ import annotations

import pytest
import torch

from unmixcli.training import events
from unmixcli.training.run import Place, prepare, train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def test_packs_live_on_the_gpu_and_are_cut_there(tmp_path, recipe) -> None:
    on_gpu, on_cpu = (
        prepare(recipe(), Place(tmp_path / "out", tmp_path, torch.device(kind))).source.batch(3)
        for kind in ("cuda", "cpu")
    )
    assert on_gpu.mix.device.type == "cuda"
    torch.testing.assert_close(on_gpu.mix.cpu(), on_cpu.mix)


@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_it_learns_there(tmp_path, recipe, precision) -> None:
    place = Place(tmp_path / "out", tmp_path, torch.device("cuda"))
    losses: list[float] = []

    def note(event: events.Event) -> None:
        if isinstance(event, events.Stepped):
            losses.append(event.loss)

    changes = ("schedule.steps=150", f"optimiser.precision='{precision}'")
    train(recipe(*changes), place, listener=note)
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])
