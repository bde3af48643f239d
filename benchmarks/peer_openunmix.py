"""Time one Separator on random weights: `... peer_openunmix PROGRAM-ITERATIONS FOLDER TASK`.

The program is openunmix or unmix; iterations are those of the Wiener filter. Prints the JSON of
`benchmarks.task.Run`. The folder is not used.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from benchmarks import child
from benchmarks.child import Program, report
from benchmarks.task import Task
from unmixcli.models.adapters.openunmix import OpenUnmixMasks
from unmixcli.models.catalogue import find_model
from unmixcli.models.load import spectral_settings
from unmixcli.networks.openunmix import OpenUnmix

SIZES: dict[str, Any] = {"nb_bins": 2049, "nb_channels": 2, "hidden_size": 512, "max_bin": 1487}
STEMS = ("vocals", "drums", "bass", "other")


def theirs(task: Task, *, iterations: int) -> Program:
    """The package's Separator."""
    # It needs torchaudio for files only.
    sys.modules.setdefault("torchaudio", ModuleType("torchaudio"))
    from openunmix import model

    targets = {}
    for number, stem in enumerate(STEMS):
        torch.manual_seed(number)
        targets[stem] = model.OpenUnmix(**SIZES)
    separator = model.Separator(targets, niter=iterations)
    separator.freeze()
    separator.to(task.device)

    def separate(mix: Tensor) -> Tensor:
        stems: Tensor = separator(mix[None].to(task.device))[0]
        return stems

    return child.theirs(separate, task=task)


def networks() -> dict[str, OpenUnmix]:
    """One a stem, of random weights."""
    made = {}
    for number, stem in enumerate(STEMS):
        torch.manual_seed(number)
        made[stem] = OpenUnmix(**SIZES).eval().requires_grad_(False)
    return made


def ours(task: Task, *, iterations: int) -> Program:
    """The engine, as `unmix separate --model umxhq` runs it, but for its residual stem."""
    model = find_model("umxhq")
    masks = OpenUnmixMasks(spectral_settings(model.card), networks())
    return child.ours(model, masks, task=task, wiener_iterations=iterations, every=True)


def main() -> None:
    """Do the task."""
    program, iterations = sys.argv[1].split("-")
    make = theirs if program == "openunmix" else ours
    report(lambda task: make(task, iterations=int(iterations)), Task.from_json(sys.argv[3]))


if __name__ == "__main__":
    main()
