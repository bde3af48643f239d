"""Logs of a training: `log.csv`, and TensorBoard's where that is installed."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from unmixcli.training.events import Event, Stepped, Validated

LOG = "log.csv"
_COLUMNS = ("step", "what", "value")
LOG_HEADER = ",".join(_COLUMNS)


class Logs:
    """A listener that writes every `every`-th step and every validation.

    Lines behind the step at which a training goes on are dropped: they will be written anew.

    Args:
        folder: where `log.csv` and `tensorboard/` are; it must exist.
        step: the last one that counts.
        every: steps between lines.
    """

    def __init__(self, folder: Path, *, step: int = 0, every: int = 10) -> None:
        self._every = every
        path = folder / LOG
        rows = list(_rows_until(path, step)) if step else []
        self._file = path.open("w", newline="", encoding="utf-8")
        self._csv = csv.writer(self._file)
        self._csv.writerows([_COLUMNS, *rows])
        self._board: Any = None
        with suppress(ImportError):
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def __enter__(self) -> Logs:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()

    def __call__(self, event: Event) -> None:
        """Write down what is measured."""
        if isinstance(event, Stepped) and event.step % self._every == 0:
            values = {"loss": event.loss, **{f"loss/{k}": v for k, v in event.parts.items()}}
            values |= {"rate": event.rate, "gradient": event.gradient}
            self._write(event.step, values | {"steps_per_s": event.steps_per_s})
        if isinstance(event, Validated):
            values = {f"SI-SDRi/{name}": value for name, value in event.targets.items()}
            values |= {f"pitch/{name}": value for name, value in event.pitch.items()}
            self._write(event.step, {"score" if event.pitch else "SI-SDRi": event.score, **values})

    def _write(self, step: int, values: dict[str, float]) -> None:
        self._csv.writerows([step, name, f"{value:.6g}"] for name, value in values.items())
        self._file.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)


def _rows_until(path: Path, step: int) -> Iterator[list[str]]:
    if not path.is_file():
        return
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.reader(file):
            if len(row) == len(_COLUMNS) and row[0].isdecimal() and int(row[0]) <= step:
                yield row
