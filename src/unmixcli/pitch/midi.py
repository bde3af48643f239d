"""Notes as a standard MIDI file: a track for each voice, a tick a millisecond."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unmixcli.errors import ResourceError
from unmixcli.pitch.notes import Note

# 500 ticks a beat at 120 beats a minute.
_TICKS_PER_BEAT = 500
_TICKS_PER_S = 1000

# Loudness is not measured.
_VELOCITY = 80


def check_midi() -> None:
    """See that MIDI can be written.

    Raises:
        ResourceError: without mido.
    """
    try:
        import mido  # noqa: F401
    except ModuleNotFoundError as error:
        raise ResourceError(
            "--midi: needs mido, which is not installed; get it by: pip install 'unmixcli[pitch]'"
        ) from error


def write_midi(path: Path, voices: Sequence[Sequence[Note]]) -> None:
    """Write notes; voices without any get no track.

    Args:
        path: is replaced.
        voices: notes of each, in the order in which they begin, none before another ends.
    """
    import mido

    file = mido.MidiFile(type=1, ticks_per_beat=_TICKS_PER_BEAT)
    file.add_track().append(mido.MetaMessage("set_tempo", tempo=500_000))
    for number, notes in enumerate(filter(None, voices), start=1):
        track = file.add_track(name=f"voice {number}")
        now = 0
        for note in notes:
            for kind, time_s in (("note_on", note.start_s), ("note_off", note.end_s)):
                tick = round(time_s * _TICKS_PER_S)
                track.append(
                    mido.Message(kind, note=note.pitch, velocity=_VELOCITY, time=tick - now)
                )
                now = tick
    file.save(str(path))
