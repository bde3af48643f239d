"""Render the demo song, separate it with the installed command, say where the stems are."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from render_song import write

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Run the demo and return the command's exit code."""
    song, stems = HERE / "song.wav", HERE / "stems"
    write(song)
    command = [str(Path(sys.executable).with_name("unmix")), "separate", str(song)]
    command += ["--karaoke", "--out", str(stems), "--overwrite"]
    print("$ unmix separate demo/song.wav --karaoke --out demo/stems --overwrite", flush=True)
    started = time.perf_counter()
    code = subprocess.run(command, check=False).returncode
    elapsed = time.perf_counter() - started
    if not code:
        print(f"The stems are in {stems / 'song'}; it took {elapsed:.1f} s.")
    return code


if __name__ == "__main__":
    sys.exit(main())
