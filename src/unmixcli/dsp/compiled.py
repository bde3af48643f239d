"""Loops compiled by Numba; what needs them imports this late, as Numba takes time to load."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


def compiled(signature: str | None = None) -> Callable[[F], F]:
    """Compile a function: for one signature at once, without one when it is first called.

    The interpreter's lock is released, so that any threads may call it side by side. The machine
    code is kept beside the module or in the user's cache folder; where neither can be written, it
    is made anew in every process.
    """
    numba: Any = importlib.import_module("numba")
    given = () if signature is None else (signature,)
    options = {"nogil": True, "error_model": "numpy"}

    def compile_it(function: F) -> F:
        try:
            made = numba.njit(*given, cache=True, **options)(function)
        except RuntimeError:
            made = numba.njit(*given, **options)(function)
        return cast("F", made)

    return compile_it
