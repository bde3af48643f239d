"""What `unmix train` does; imported when it runs, as torch comes with it."""

from __future__ import annotations

import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from unmixcli.cli.separate import Device
from unmixcli.cli.train_display import check_lines, open_display
from unmixcli.errors import ResourceError
from unmixcli.models.toml import toml_text
from unmixcli.separation.device import resolve_device
from unmixcli.training.allocator import keep_freed_memory
from unmixcli.training.model import card_of
from unmixcli.training.recipe import Recipe, Source, builtin_recipes, read_recipe

INTERRUPTED = 130


@dataclass(frozen=True)
class Arguments:
    """The command line; see `cli.train`."""

    recipe: Path
    data: list[Path] | None
    out: Path | None
    resume: bool
    check: bool
    device: Device
    devices: int
    max_minutes: float | None
    change: list[str] | None


def run(arguments: Arguments) -> int:
    """Train, or check; 0 when there is nothing left to do or time was up, 130 on Ctrl-C."""
    try:
        from unmixcli.training.run import Place, check, follows, train
    except ImportError as error:
        raise ResourceError(
            f"training needs {error.name}; install it by: pip install 'unmixcli[train]'"
        ) from error
    path, base = _recipe_place(arguments.recipe)
    recipe = _recipe(arguments, path)
    folder = arguments.out or Path("training") / recipe.name
    device = resolve_device(arguments.device.value, card=card_of(recipe))
    text = _recipe_text(arguments, path, recipe)
    place = Place(folder, base, device, recipe_text=text, devices=arguments.devices)
    if device.type == "cpu":
        keep_freed_memory()
    if follows():
        with _asked_to_stop(None, quiet=True) as asked:
            train(recipe, place, resume=arguments.resume, stop=asked)
        return 0
    if arguments.check:
        with open_display(recipe) as display:
            measured = check(recipe, place, listener=display)
        for line in check_lines(recipe, measured, device=device.type):
            print(line)
        return 0
    with open_display(recipe) as display, _asked_to_stop(arguments.max_minutes) as asked:
        outcome = train(recipe, place, resume=arguments.resume, listener=display, stop=asked)
    print(f"model: {folder / 'model'}")
    if not outcome.finished:
        print(f"go on by: {_command(arguments, folder)}")
    return INTERRUPTED if asked.interrupted else 0


def _recipe_place(given: Path) -> tuple[Path, Path]:
    """A recipe's file and what its paths are relative to: its folder, or here if it is ours."""
    ours = builtin_recipes()
    if given.exists() or str(given) not in ours:
        return given, given.absolute().parent
    return ours[str(given)], Path.cwd()


def _recipe(arguments: Arguments, path: Path) -> Recipe:
    recipe = read_recipe(path, changes=arguments.change or ())
    if not arguments.data:
        return recipe
    sources = tuple(Source(path=path.absolute()) for path in arguments.data)
    data = recipe.data.model_copy(update={"train": sources})
    return recipe.model_copy(update={"data": data})


def _recipe_text(arguments: Arguments, path: Path, recipe: Recipe) -> str:
    """What is kept beside the model: the file as it is, or what the command line made of it."""
    if not (arguments.change or arguments.data):
        return path.read_text(encoding="utf-8")
    words = [f"--set {change}" for change in arguments.change or ()]
    words += [f"--data {folder}" for folder in arguments.data or ()]
    content = recipe.model_dump(mode="json", exclude_defaults=True)
    return f"# {path.name} with {' '.join(words)}\n" + toml_text(content)


def _command(arguments: Arguments, folder: Path) -> str:
    words = ["unmix", "train", str(arguments.recipe), "--resume", "--out", str(folder)]
    if arguments.device is not Device.auto:
        words += ["--device", arguments.device.value]
    if arguments.devices > 1:
        words += ["--devices", str(arguments.devices)]
    words += [word for path in arguments.data or () for word in ("--data", str(path))]
    words += [word for change in arguments.change or () for word in ("--set", change)]
    return shlex.join(words)


class _Asked:
    """Whether to save and stop: the time is up, or Ctrl-C was pressed once."""

    def __init__(self, minutes: float | None, *, quiet: bool) -> None:
        self.interrupted = False
        self._trains = False
        self._quiet = quiet
        self._end = None if minutes is None else time.monotonic() + 60 * minutes

    def __call__(self) -> bool:
        self._trains = True
        return self.interrupted or (self._end is not None and time.monotonic() >= self._end)

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """Ask; a second time, or before there is a step to save, leave at once."""
        del number, frame
        if self.interrupted or not self._trains:
            raise KeyboardInterrupt
        self.interrupted = True
        if self._quiet:
            return
        print("stopping after this step; again to leave at once", file=sys.stderr, flush=True)


@contextmanager
def _asked_to_stop(minutes: float | None, *, quiet: bool = False) -> Iterator[_Asked]:
    asked = _Asked(minutes, quiet=quiet)
    before: Callable[..., object] | int | None = signal.signal(signal.SIGINT, asked.interrupt)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
