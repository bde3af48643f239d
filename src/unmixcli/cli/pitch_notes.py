"""What is said of a batch's pitch when it has ended."""

from __future__ import annotations

from collections.abc import Sequence

from unmixcli.batch.events import Noticed, Summary
from unmixcli.batch.manifest import read_manifest
from unmixcli.batch.plan import TrackPlan
from unmixcli.cli.display import Display


def tell_unvoiced(
    display: Display, plans: Sequence[TrackPlan], summary: Summary, *, name: str
) -> None:
    """Say in which tracks no frame is voiced, be they done now or before.

    Args:
        display: is told, once.
        plans: of the batch.
        summary: of the batch.
        name: of the CSV among the outputs of a plan.
    """
    labels = [plan.track.label for plan in plans if _is_unvoiced(plan, summary, name)]
    if labels:
        words = f"no pitch was found, every frame is unvoiced: {', '.join(labels)}"
        display(Noticed(words))


def _is_unvoiced(plan: TrackPlan, summary: Summary, name: str) -> bool:
    manifest = read_manifest(plan.manifest)
    if manifest is None or name not in manifest.outputs:
        return False
    # What failed otherwise than its manifest says has one of an earlier run.
    failure = summary.failures.get(plan.track.label, manifest.warning)
    return failure == manifest.warning and manifest.outputs[name].silent
