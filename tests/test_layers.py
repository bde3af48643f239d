"""Imports point one way, and the command starts without what is heavy."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import unmixcli

ROOT = Path(unmixcli.__file__).parent
# Each package may import those on its line and the leaves, and nothing else of the project.
ALLOWED = {
    "errors": set(),
    "finished": set(),
    "pool": set(),
    "version": set(),
    "audio": set(),
    "metrics": {"dsp"},
    "dsp": set(),
    "networks": {"dsp"},
    "models": {"networks", "dsp"},
    "separation": {"models", "networks", "dsp"},
    "hpss": {"separation", "models", "dsp"},
    "pitch": {"separation", "models", "networks", "dsp"},
    "data": {"separation"},
    "evaluation": {"separation", "pitch", "models", "data"},
    "batch": {"separation", "models"},
    "training": {"data", "separation", "pitch", "models", "dsp"},
    "cli": {
        "batch",
        "evaluation",
        "training",
        "data",
        "hpss",
        "pitch",
        "separation",
        "models",
    },
    "api": {"batch", "pitch", "separation", "models"},
}
LEAVES = {"audio", "metrics", "errors", "finished", "pool", "version"}
# What is below the command neither prints nor knows its libraries.
NOT_BELOW_CLI = {"typer", "click", "rich"}


def modules() -> list[Path]:
    return [path for path in sorted(ROOT.rglob("*.py")) if path != ROOT / "__init__.py"]


def package(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are absolute"
            names.add(node.module or "")
    return names


def test_every_package_is_known() -> None:
    assert {package(path) for path in modules()} <= set(ALLOWED)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_import_points_up(path: Path) -> None:
    own = package(path)
    inside = {name.split(".")[1] for name in imported(path) if name.startswith("unmixcli.")}
    leaves = LEAVES if own not in LEAVES else {"errors"}
    assert inside - {own} - leaves <= ALLOWED[own]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_command_prints(path: Path) -> None:
    if package(path) == "cli":
        assert "torch" not in imported(path) or path.stem.endswith("_run")
        return
    assert not {name.split(".")[0] for name in imported(path)} & NOT_BELOW_CLI
    calls = [n.func for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
    assert not [c for c in calls if isinstance(c, ast.Name) and c.id == "print"]


def test_networks_touch_no_file() -> None:
    for path in (ROOT / "networks").glob("*.py"):
        assert not {name.split(".")[0] for name in imported(path)} & {"pathlib", "os", "io"}


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["separate", "--help"],
        ["eval", "--help"],
        ["data", "render", "--help"],
        ["hpss", "--help"],
        ["pitch", "--help"],
        ["--version"],
    ],
)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['unmix', *{words!r}]\n"
        "from unmixcli.cli.app import run\n"
        "assert run() == 0\n"
        "heavy = {'torch', 'numpy', 'soundfile', 'av', 'librosa'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, unmixcli; assert not {'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("given", "expected"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_wait_without_spinning_unless_asked_to(given: str | None, expected: str) -> None:
    """The variable is read when torch is loaded, so it must stand before that."""
    code = (
        "import os, sys\n"
        "from unmixcli.cli import app\n"
        "app.run = lambda: print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)\n"
        "app.main()"
    )
    environment = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    if given:
        environment["OMP_WAIT_POLICY"] = given
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [expected, "False"]
