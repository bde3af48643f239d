"""Notes as MIDI, read back."""

from __future__ import annotations

from pathlib import Path

import mido
import pytest

from unmixcli.pitch.midi import write_midi
from unmixcli.pitch.notes import Note


def notes_in(track: mido.MidiTrack) -> list[tuple[float, float, int]]:
    """Start, end and pitch, in ms as the tempo says."""
    now, open_notes, notes = 0, {}, []
    for message in track:
        now += message.time
        if message.type == "note_on":
            open_notes[message.note] = now
        if message.type == "note_off":
            notes.append((open_notes.pop(message.note), now, message.note))
    assert not open_notes
    return notes


def test_times_and_pitches_read_back(tmp_path: Path) -> None:
    path = tmp_path / "notes.mid"
    notes = [Note(0.2, 0.5, 60), Note(0.5, 1.25, 64)]
    write_midi(path, [notes, [], [Note(3600.0, 3601.0, 45)]])
    file = mido.MidiFile(path)
    assert file.length == pytest.approx(3601.0)
    assert [notes_in(track) for track in file.tracks] == [
        [],
        [(200, 500, 60), (500, 1250, 64)],
        [(3_600_000, 3_601_000, 45)],
    ]


def test_no_notes_are_a_file_too(tmp_path: Path) -> None:
    write_midi(tmp_path / "none.mid", [[]])
    assert len(mido.MidiFile(tmp_path / "none.mid").tracks) == 1
