"""Run every measurement that needs no data, and write its table into the docs."""

from __future__ import annotations

import subprocess
import sys

NAMES = (
    "peers", "wiener", "median", "phase", "startup", "memory", "bss_eval",
)  # fmt: skip

if __name__ == "__main__":
    for name in NAMES:
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}", "--write"], check=True)
