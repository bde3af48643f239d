"""What data cost a training: steps a second on excerpts, and on one batch over and over.

    python -m benchmarks.training --recipe my.toml --data songs --write

Also how fast excerpts are cut alone, in seconds of music a second, from packs and from the files.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import torch

from benchmarks.report import machine, markdown, parser, publish
from unmixcli.data.tracks import load_stems, read_dataset
from unmixcli.training import events
from unmixcli.training.excerpts import Batch, ExcerptSource
from unmixcli.training.loop import Trainer, new_fabric
from unmixcli.training.recipe import Data, Recipe, Source, read_recipe
from unmixcli.training.run import Place, prepare

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class OneBatch(ExcerptSource):
    """The first batch for every step."""

    def batches(self, steps: object, *, workers: int) -> Iterator[Batch]:  # type: ignore[override]
        """Repeat it."""
        del steps, workers

        def again() -> Iterator[Batch]:
            yield from repeat(self.batch(0))

        return again()


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--recipe", type=Path, required=True)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--steps", type=int, default=30)
    given = options.parse_args()
    recipe = read_recipe(given.recipe, changes=["data.hold_out=0", f"schedule.steps={given.steps}"])
    data = Data(train=(Source(path=given.data.absolute()),), hold_out=0, cache=Path("packs"))
    recipe = recipe.model_copy(update={"data": data})
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), Path(folder), DEVICE)
        started = time.perf_counter()
        source = prepare(recipe, place).source
        packing = time.perf_counter() - started
        bare = recipe.model_copy(update={"augment": ()})
        rows = [
            ["one batch over and over", steps_per_s(recipe, as_one_batch(source), place)],
            ["excerpts", steps_per_s(bare, prepare(bare, place).source, place)],
        ]
        if recipe.augment:
            rows.append(["excerpts, augmented", steps_per_s(recipe, source, place)])
        text = f"{recipe.excerpts.batch} excerpts of {recipe.excerpts.seconds:g} s a step, "
        text += f"{DEVICE.type}. {machine()}\n\n"
        text += markdown(["training on", "steps a second"], rows)
        text += "\n" + cutting(bare, place, given.data, packing)
    publish("training", text, write=given.write, page="training.md")


def as_one_batch(source: ExcerptSource) -> OneBatch:
    """The same tracks, of which one batch is drawn."""
    found = OneBatch.__new__(OneBatch)
    found.__dict__.update(source.__dict__)
    return found


def steps_per_s(recipe: Recipe, source: ExcerptSource, place: Place) -> str:
    """Of the whole loop, after the first steps."""
    times: list[float] = []

    def note(event: events.Event) -> None:
        if isinstance(event, events.Stepped):
            times.append(time.perf_counter())

    fabric = new_fabric(recipe, device=place.device)
    trainer = Trainer(recipe, source, folder=place.folder, fabric=fabric, listener=note)
    trainer.run()
    warm = 5
    return f"{(len(times) - 1 - warm) / (times[-1] - times[warm]):.2f}"


def cutting(recipe: Recipe, place: Place, data: Path, packing: float) -> str:
    """Seconds of music a second: packs cut at random, and files decoded."""
    source = prepare(recipe, place).source
    started, count = time.perf_counter(), 20
    for step in range(count):
        source.batch(step)
    seconds = count * recipe.excerpts.batch * recipe.excerpts.seconds
    packed = seconds / (time.perf_counter() - started)
    track = read_dataset(data).tracks[0]
    started = time.perf_counter()
    stems, rate = load_stems(track)
    length = next(iter(stems.values())).shape[-1] / rate
    decoded = length / (time.perf_counter() - started)
    size = sum(path.stat().st_size for path in (place.base / "packs").rglob("*.npy"))
    rows = [
        ["excerpts from packs", f"{packed:.0f}"],
        ["whole tracks from their files", f"{decoded:.0f}"],
    ]
    table = markdown(["all stems of a song, one process", "seconds of music a second"], rows)
    return f"{table}\nPacking took {packing:.0f} s once; {size / 2**20:.0f} MiB on disk.\n"


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    main()
