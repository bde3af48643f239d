"""Memory of a step is that of the next one: a process that trains keeps what it has freed."""

from __future__ import annotations

import ctypes
import sys

# Numbers of glibc's malloc.h: memory at the top that may stay free, what is asked for beyond the
# need, and how many blocks may be mapped by themselves, to be given back as soon as they are freed.
_KEPT = {-1: 2**31 - 1, -2: 1 << 28, -4: 0}


def keep_freed_memory() -> bool:
    """Let malloc keep what is freed, for the process as a whole and for good.

    Tensors of a step are tens of megabytes, which glibc maps and gives back one by one; the
    system then clears every page of them anew, in a third of the time of a step on a CPU.

    Returns:
        Whether it was done: False where malloc is not glibc's.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(mallopt(key, value) for key, value in _KEPT.items())
