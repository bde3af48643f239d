"""`unmix pitch`."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from unmixcli.cli import options
from unmixcli.cli.loading import loading


class Stem(str, Enum):
    """Stems that have one pitch at a time."""

    vocals = "vocals"
    bass = "bass"


def pitch(
    inputs: options.Inputs,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="A pitch model's name or folder, or a tracker of one voice: pyin, swiftf0. If "
            "none is given vocal-pitch, or as long as it is not here a tracker on the vocals.",
        ),
    ] = None,
    stem: Annotated[
        Stem | None,
        typer.Option(help="Separate this stem first and find its pitch; the input's if none."),
    ] = None,
    separator: Annotated[
        str | None,
        typer.Option(help="The model that separates the stem; the best installed one if none."),
    ] = None,
    polyphonic: Annotated[
        bool,
        typer.Option("--polyphonic", help="Several voices, written to TRACK.multif0.txt too."),
    ] = False,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Confidence from which a frame is voiced: a model's own if none is given, "
            "as 0.4, of swiftf0 0.5, of pyin its own decision."
        ),
    ] = None,
    viterbi: Annotated[
        bool, typer.Option("--viterbi", help="Decode a model's salience by its likeliest path.")
    ] = False,
    step_ms: Annotated[float, typer.Option(help="Between frames, in milliseconds.")] = 10.0,
    fmin: Annotated[float | None, typer.Option(help="Lowest pitch, in Hz.")] = None,
    fmax: Annotated[float | None, typer.Option(help="Highest pitch, in Hz.")] = None,
    stems: Annotated[
        bool, typer.Option("--stems", help="Write the separated stem as well, as 32-bit WAV.")
    ] = False,
    midi: Annotated[bool, typer.Option("--midi", help="Write notes as well.")] = False,
    plot: Annotated[
        bool, typer.Option("--plot", help="Draw the pitch over the salience, as PNG.")
    ] = False,
    salience: Annotated[
        bool, typer.Option("--salience", help="Write a model's salience as .npz.")
    ] = False,
    out: Annotated[
        str, typer.Option("--out", "-o", help="Folder to write into; - sends the CSV to stdout.")
    ] = "pitch",
    name: Annotated[
        str,
        typer.Option(
            help="Names of files, of {dir}, {track}, {stem}, {model}, {source_ext}; "
            "{stem} is f0.csv and the like."
        ),
    ] = "{track}.{stem}",
    device: options.Place = options.Device.auto,
    start: options.Start = 0.0,
    duration: Annotated[float | None, typer.Option(help="Take so many seconds.", min=0.0)] = None,
    downmix: options.Downmix = False,
    recursive: options.Recursive = False,
    jobs: options.Jobs = 1,
    skip_existing: options.SkipExisting = False,
    overwrite: options.Overwrite = False,
    dry_run: options.DryRun = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Tell how much is voiced, and from where to where."),
    ] = False,
    offline: options.Offline = False,
) -> int:
    """Find the pitch of the voice in a song: TRACK.f0.csv with time,frequency,confidence.

    Times are centres of frames, frequency is 0 where nobody sings.

    [bold]unmix pitch song.mp3 --midi[/bold]
    """
    given = dict(locals())
    with loading():
        from unmixcli.cli.pitch_run import Arguments, run

    return run(Arguments(**given))
