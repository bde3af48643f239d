"""The wirings of Jansson's thesis, ch. 5, on small data: pitch and separation over several seeds.

    python -m benchmarks.pitch_wirings --data FOLDER --seeds 3 --max-minutes 600 --write

Each wiring is trained with each seed by the first recipe of `vocal-pitch`, with smaller nets and
for fewer steps, and judged on every fifth song, which none of them is trained on. A training that
time cuts off goes on at the next call; what is finished is not done again. What is not finished is
left out of the table, and the table says how many seeds each row has.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from benchmarks.report import DOCS, machine, markdown, parser, publish
from unmixcli.finished import write_text
from unmixcli.networks.wired import WIRINGS
from unmixcli.training import events
from unmixcli.training.allocator import keep_freed_memory
from unmixcli.training.checkpoint import LAST
from unmixcli.training.recipe import Data, Recipe, Source, read_recipe
from unmixcli.training.run import Place, train

RECIPE = DOCS.parent / "models" / "vocal-pitch" / "first.toml"
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
HELD_OUT = 5
SMALL = (
    "network.parameters.network.filters=[8, 16, 24, 32, 48, 64]",
    "network.parameters.level=0.0",
    "excerpts.absent=0.0",
    # As in the thesis, the loss is that of the last nets.
    "network.parameters.stages=0.0",
    "validation.seconds=30",
    "augment=[{name='gain'}]",
)
# Table 5.1 of the thesis, iKala: OA and RPA.
THESIS = {
    "pitch": (0.721, 0.751),
    "shared-encoder": (0.717, 0.727),
    "cross-stitch": (0.719, 0.736),
    "source-pitch": (0.800, 0.841),
    "pitch-source": (0.716, 0.743),
    "s-p-s-p": (0.817, 0.851),
}
# What the thesis concludes of Table 5.1: the first is more accurate than the second.
CLAIMS = (
    ("s-p-s-p", "source-pitch"),
    ("source-pitch", "pitch"),
    ("pitch", "pitch-source"),
    ("pitch", "shared-encoder"),
    ("pitch", "cross-stitch"),
)
ORACLES = ("oracle-vocals", "oracle-pitch")
MEASURES = ("OA", "RPA", "SI-SDRi")


@dataclass(frozen=True)
class Result:
    """Of one training: accuracies in 0..1 and SI-SDR improvement of the vocals in dB."""

    wiring: str
    seed: int
    scores: dict[str, float]


def main() -> None:
    given = options().parse_args()
    keep_freed_memory()
    end = time.monotonic() + 60 * given.max_minutes
    for seed in range(given.seeds):
        for wiring in given.wirings:
            if time.monotonic() < end:
                one(wiring, seed, given, stop=lambda: time.monotonic() >= end)
    results = [result for result in finished(given.out) if result.seed < given.seeds]
    text = table(results, steps=given.steps) + "\n" + verdict(results)
    publish("pitch_wirings", text, write=given.write, page="reproductions.md")


def options() -> argparse.ArgumentParser:
    made = parser(__doc__)
    made.add_argument("--data", type=Path, required=True, help="songs with vocals as a stem")
    made.add_argument("--seeds", type=int, default=3)
    made.add_argument("--steps", type=int, default=1500)
    made.add_argument("--wirings", nargs="+", choices=WIRINGS, default=tuple(WIRINGS))
    made.add_argument("--max-minutes", type=float, default=600.0)
    made.add_argument("--out", type=Path, default=Path("pitch_wirings"))
    return made


def one(wiring: str, seed: int, given: argparse.Namespace, *, stop: Callable[[], bool]) -> None:
    """Train a wiring with a seed, unless that is done, and keep its scores."""
    folder = given.out.absolute() / f"{wiring}-{seed}"
    path = folder / "result.json"
    if path.is_file():
        return
    scored: list[events.Validated] = []

    def listen(event: events.Event) -> None:
        if isinstance(event, events.Validated):
            scored.append(event)

    resume = (folder / LAST).is_file()
    place = Place(folder, given.out.absolute(), DEVICE)
    outcome = train(recipe(wiring, seed, given), place, resume=resume, listener=listen, stop=stop)
    if outcome.finished and scored:
        result = Result(wiring, seed, measured(scored[-1], wiring))
        write_text(path, json.dumps(asdict(result)))


def recipe(wiring: str, seed: int, given: argparse.Namespace) -> Recipe:
    """The recipe of one training; its only validation is at its end."""
    changes = (*SMALL, f"name=wiring-{wiring}", f"seed={seed}", f"schedule.steps={given.steps}")
    changes += (f"network.parameters.wiring={wiring}", f"validation.every={given.steps}")
    read = read_recipe(RECIPE, changes=changes)
    data = Data(
        train=(Source(path=given.data.absolute()),),
        hold_out=HELD_OUT,
        cache=given.out.absolute() / "packs",
        pitch=read.data.pitch,
    )
    return read.model_copy(update={"data": data})


def measured(event: events.Validated, wiring: str) -> dict[str, float]:
    """The scores of what the wiring gives."""
    found = dict(event.pitch)
    if any(node.gives == "vocals" for node in WIRINGS[wiring]) and "vocals" in event.targets:
        found["SI-SDRi"] = event.targets["vocals"]
    return found


def finished(folder: Path) -> list[Result]:
    """What is there, of this call and of earlier ones."""
    texts = (path.read_text(encoding="utf-8") for path in sorted(folder.glob("*/result.json")))
    return [Result(**json.loads(text)) for text in texts]


def table(results: Sequence[Result], *, steps: int) -> str:
    """Mean and standard deviation over the seeds of each wiring, beside the thesis."""
    headings = ["wiring", "seeds", *MEASURES, "thesis: OA", "thesis: RPA"]
    rows = []
    for wiring in WIRINGS:
        own = [r for r in results if r.wiring == wiring]
        thesis = [f"{value:.3f}" for value in THESIS.get(wiring, ())] or ["", ""]
        cells = [spread([r.scores[m] for r in own if m in r.scores], m) for m in MEASURES]
        name = f"*{wiring}*" if wiring in ORACLES else wiring
        rows.append([name, str(len(own)), *cells, *thesis])
    told = f"{steps} steps a training, every {HELD_OUT}th song held out. {machine()}\n\n"
    return told + markdown(headings, rows)


def verdict(results: Sequence[Result]) -> str:
    """What the thesis says of overall accuracy, and whether it is so here."""
    lines = [f"- {told(results, *claim)}" for claim in CLAIMS]
    return "\n".join(line for line in lines if line != "- ") + "\n"


def told(results: Sequence[Result], better: str, worse: str) -> str:
    """A claim with its figures: the difference of two wirings, seed by seed; "" if not measured."""
    first, second = (
        {r.seed: r.scores["OA"] for r in results if r.wiring == wiring}
        for wiring in (better, worse)
    )
    gains = [first[seed] - second[seed] for seed in sorted(first.keys() & second.keys())]
    if not gains:
        return ""
    thesis = THESIS[better][0] - THESIS[worse][0]
    agrees = (
        "as in the thesis"
        if all(gain * thesis > 0 for gain in gains)
        else (
            "not settled by these seeds"
            if any(gain * thesis > 0 for gain in gains)
            else "unlike the thesis"
        )
    )
    each = ", ".join(f"{gain:+.3f}" for gain in gains)
    return f"{better} over {worse}: {each} in OA, {agrees} ({thesis:+.3f})."


def spread(values: Sequence[float], measure: str) -> str:
    """Mean and standard deviation; an empty cell for what is not given."""
    if not values:
        return ""
    digits = 2 if measure == "SI-SDRi" else 3
    deviation = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{deviation}"


if __name__ == "__main__":
    main()
