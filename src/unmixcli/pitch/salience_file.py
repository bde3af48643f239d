"""Salience as NumPy's .npz, written while it comes: memory does not depend on length."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np
import numpy.typing as npt


class SalienceWriter:
    """Collects salience in a file without a name, then writes the .npz; a context.

    It holds `salience` `(bins, frames)` float32, `times` `(frames,)` in s and `frequencies`
    `(bins,)` in Hz.

    Args:
        path: is replaced when `finish` is called.
        frequencies: of the bins.
        frame_s: seconds between frames, the first of which is at 0.
    """

    def __init__(
        self, path: Path, *, frequencies: npt.NDArray[np.float64], frame_s: Fraction
    ) -> None:
        self._path = path
        self._frequencies = frequencies
        self._frame_s = frame_s
        self._frames = 0
        # Beside the result, where there is room for it.
        self._spool = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 - closed by exit

    def __enter__(self) -> SalienceWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._spool.close()

    def write(self, salience: npt.NDArray[np.float32]) -> None:
        """Append `(bins, frames)`."""
        self._frames += salience.shape[1]
        self._spool.write(np.ascontiguousarray(salience.T, dtype="<f4").data)

    def finish(self) -> None:
        """Write the file."""
        times = np.arange(self._frames) * float(self._frame_s)
        self._spool.seek(0)
        with zipfile.ZipFile(self._path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            with archive.open("salience.npy", "w", force_zip64=True) as member:
                self._copy(member)
            for name, values in (("times", times), ("frequencies", self._frequencies)):
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, values)

    def _copy(self, member: IO[bytes]) -> None:
        # Frame by frame is how Fortran's order lays out bins by frames.
        shape = (len(self._frequencies), self._frames)
        header = {"descr": "<f4", "fortran_order": True, "shape": shape}
        np.lib.format.write_array_header_2_0(member, header)
        shutil.copyfileobj(self._spool, member, 1 << 20)
