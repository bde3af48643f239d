from __future__ import annotations

import pytest
import torch

from evaluation.runs_for_tests import RATE, noise
from unmixcli.data.tracks import Target
from unmixcli.evaluation import bounds
from unmixcli.evaluation.bounds import oracle_estimates
from unmixcli.evaluation.material import Material
from unmixcli.metrics import oracles


def material_of(*, rest: bool = False) -> Material:
    stems = torch.stack([torch.from_numpy(noise(at, channels=2)) for at in range(3)])
    references = stems[:2] if rest else stems
    return Material(
        targets=tuple(Target(str(at), (str(at),), (str(at),)) for at in range(len(references))),
        references=references,
        silent=(False,) * len(references),
        alone=(False,) * len(references),
        mix=stems.sum(dim=0),
        sample_rate=RATE,
        complete=not rest,
    )


@pytest.mark.parametrize("name", sorted(oracles.ORACLES))
@pytest.mark.parametrize("piece", [13 * 512, 46 * 512])
def test_pieces_are_the_whole(name: str, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "_PIECE_SAMPLES", piece)
    material = material_of()
    wanted = oracles.evaluate(name, material.references, material.mix)
    torch.testing.assert_close(oracle_estimates(name, material), wanted, atol=1e-6, rtol=0)


def test_the_context_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "_PIECE_SAMPLES", 13 * 512)
    monkeypatch.setattr(bounds, "_CONTEXT_SAMPLES", 0)
    material = material_of()
    wanted = oracles.evaluate("irm1", material.references, material.mix)
    assert (oracle_estimates("irm1", material) - wanted).abs().max() > 1e-3


def test_what_no_target_holds_is_told_from_them() -> None:
    with_rest, whole = material_of(rest=True), material_of()
    wanted = oracles.evaluate("irm1", whole.references, whole.mix)[:2]
    found = oracle_estimates("irm1", with_rest)
    assert found.shape[0] == 2
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)
