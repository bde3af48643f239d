"""The errors that users see: one sentence that says what, where, what is allowed, what to type.

Each kind carries the exit code of the command that it ends. Anything else that escapes is a bug.
"""

from __future__ import annotations

import os


class UnmixError(Exception):
    """Base of every error whose message is meant for the user."""

    exit_code = 1


class UsageError(UnmixError):
    """Wrong usage: an unknown name, options that contradict each other."""

    exit_code = 2


class InputError(UnmixError):
    """Audio that cannot be read or separated; in a batch the other files go on."""


class TruncatedError(InputError):
    """Audio that ends before its header says so; what could be decoded has been delivered."""


class ModelError(UnmixError):
    """Weights or a card that are missing, damaged or not what they claim to be."""


class ResourceError(UnmixError):
    """The machine lacks something: a device, memory, disk space, a writable folder."""


def debugging() -> bool:
    """Whether tracebacks are wanted: `UNMIX_DEBUG`, which `--debug` sets."""
    return os.environ.get("UNMIX_DEBUG", "").lower() not in {"", "0", "false", "no"}
