"""The command and its subcommands; whatever is heavy is imported inside them."""

from __future__ import annotations

import io
import os
import signal
import sys
import traceback
from types import FrameType
from typing import Annotated

import typer

from unmixcli.cli.data import data_app
from unmixcli.cli.doctor import doctor
from unmixcli.cli.eval import eval_app
from unmixcli.cli.hpss import hpss
from unmixcli.cli.models import models_app
from unmixcli.cli.pitch import pitch
from unmixcli.cli.separate import separate
from unmixcli.cli.train import train
from unmixcli.errors import UnmixError, UsageError, debugging
from unmixcli.version import __version__

INTERRUPTED = 130

# Typer brings its own copy of Click in some versions and uses the package in others; the base of
# its errors is the same class by either way.
_UsageProblem: type[Exception] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)

app = typer.Typer(
    name="unmix",
    help="Separate songs into stems.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(separate)
app.command()(hpss)
app.command()(pitch)
app.add_typer(models_app)
app.command()(doctor)
app.command()(train)
app.add_typer(eval_app)
app.add_typer(data_app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"unmix {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="UNMIX_DEBUG", help="Show tracebacks of errors.")
    ] = False,
) -> None:
    """Separate songs into stems."""
    del version
    if debug:
        os.environ["UNMIX_DEBUG"] = "1"


def main() -> None:
    """Run the command and exit: 0 well, 1 failed, 2 wrong usage, 130 interrupted."""
    # Read when torch is loaded, later. By default its threads spin while they wait for each other,
    # which makes a separation take five times as long where another program uses the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)
    # `nohup` has it ignored already.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _terminate)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Names of files need not be valid in the terminal's encoding.
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run())


def run() -> int:
    """Run the command and return its exit code."""
    try:
        code = int(app(standalone_mode=False) or 0)
    except UnmixError as error:
        _show(error)
        return error.exit_code
    except _UsageProblem as error:
        _show(error, error.format_message())  # type: ignore[attr-defined]
        return UsageError.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        # The reader went away; Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        _show(error, f"{error.filename or 'output'}: {error.strerror or error}")
        return UnmixError.exit_code
    if code == INTERRUPTED:
        print("unmix: interrupted; what is finished stays", file=sys.stderr)
    return code


def _show(error: Exception, message: str | None = None) -> None:
    if debugging():
        traceback.print_exception(error)
    text = str(error) if message is None else message
    if text.startswith("No such option: -") and not text.startswith("No such option: --"):
        text += "; a file name that begins with a dash goes behind --"
    if text:
        print(f"unmix: error: {text}", file=sys.stderr)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Interrupt once; more of it would only hurt what cleans up."""
    del number, frame
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _terminate(number: int, frame: FrameType | None) -> None:
    """Leave as on Ctrl-C, so that no partial file stays."""
    del frame
    raise SystemExit(128 + number)
