"""Time one program on random weights of htdemucs: `... peer_demucs demucs|unmix FOLDER TASK`.

Prints the JSON of `benchmarks.task.Run`. The folder is not used.
"""

from __future__ import annotations

import sys
from fractions import Fraction

import torch
from demucs.apply import apply_model
from demucs.htdemucs import HTDemucs

from benchmarks import child
from benchmarks.child import Program, report
from benchmarks.task import Task
from unmixcli.models.adapters.demucs import assemble
from unmixcli.models.catalogue import find_model
from unmixcli.models.load import waveform_settings

CHUNK_S = Fraction(39, 5)


def network() -> HTDemucs:
    """The sizes of the published htdemucs."""
    torch.manual_seed(0)
    sources = ["drums", "bass", "other", "vocals"]
    made: HTDemucs = HTDemucs(sources, bottom_channels=512, segment=CHUNK_S)
    return made.eval().requires_grad_(False)


def theirs(task: Task) -> Program:
    """The package's own way through a track."""
    model = network()
    return child.theirs(
        lambda mix: apply_model(model, mix[None], shifts=0, device=task.device)[0], task=task
    )


def ours(task: Task) -> Program:
    """The engine, as `unmix separate --model htdemucs` runs it."""
    model = find_model("htdemucs")
    stems = assemble({"all": network()}, waveform_settings(model.card), weights={})
    return child.ours(model, stems, task=task)


if __name__ == "__main__":
    builder = {"demucs": theirs, "unmix": ours}[sys.argv[1]]
    report(builder, Task.from_json(sys.argv[3]))
