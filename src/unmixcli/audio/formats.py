"""What can be written: containers, their sample formats, bitrates and sample rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from unmixcli.errors import UsageError

Container = Literal["wav", "flac", "mp3", "ogg", "opus", "m4a"]
Bits = Literal["16", "24", "32f"]

CONTAINERS: tuple[Container, ...] = get_args(Container)

_BITS: dict[str, tuple[Bits, ...]] = {"wav": ("16", "24", "32f"), "flac": ("16", "24")}

# Total kbit/s that the encoders take, stereo.
_BITRATES = {"mp3": (32, 320), "ogg": (48, 500), "opus": (12, 512), "m4a": (32, 512)}

# High enough that a stem can be summed with others again without audible coding noise.
_DEFAULT_BITRATES = {"mp3": 320, "ogg": 256, "opus": 192, "m4a": 256}

_RATES: dict[str, tuple[int, ...]] = {
    # ISO/IEC 11172-3 and 13818-3, with the MPEG-2.5 rates that every player knows.
    "mp3": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
    # RFC 6716, section 2.
    "opus": (8000, 12000, 16000, 24000, 48000),
    # ISO/IEC 14496-3, table 1.18.
    "m4a": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000),
}


@dataclass(frozen=True)
class OutputFormat:
    """A container with its sample format; build it with ``output_format``.

    ``bits`` is None for a lossy container, ``bitrate_kbps`` (all channels together) for a
    lossless one.
    """

    container: Container
    bits: Bits | None
    bitrate_kbps: int | None

    @property
    def extension(self) -> str:
        """The file extension, without a dot."""
        return self.container

    @property
    def clips(self) -> bool:
        """Whether samples beyond full scale are lost: everywhere but in 32-bit float."""
        return self.bits != "32f"

    def sample_rate_for(self, sample_rate: int) -> int:
        """The rate in Hz at which the container holds audio of ``sample_rate``.

        The rate itself where the container knows it, else the next one above, else its highest.
        """
        rates = _RATES.get(self.container, (sample_rate,))
        return min((rate for rate in rates if rate >= sample_rate), default=rates[-1])


def output_format(
    name: str, *, bits: str | None = None, bitrate_kbps: int | None = None
) -> OutputFormat:
    """Check what a user asked for; ``UsageError`` names what is allowed.

    Lossless containers default to 24 bits, lossy ones to a high bitrate.
    """
    if name not in CONTAINERS:
        raise UsageError(f"Unknown format '{name}'; --format takes {_listed(CONTAINERS)}.")
    if name in _BITS:
        return OutputFormat(name, _checked_bits(name, bits, bitrate_kbps), None)
    return OutputFormat(name, None, _checked_bitrate(name, bits, bitrate_kbps))


def _checked_bits(container: str, bits: str | None, bitrate_kbps: int | None) -> Bits:
    if bitrate_kbps is not None:
        lossy = _listed(tuple(_BITRATES))
        raise UsageError(
            f"{container} is lossless and takes no --bitrate; "
            f"use --bits with it, or --bitrate with {lossy}."
        )
    allowed = _BITS[container]
    chosen = "24" if bits is None else bits
    if chosen not in allowed:
        raise UsageError(f"{container} cannot hold --bits {bits}; it takes {_listed(allowed)}.")
    return chosen


def _checked_bitrate(container: str, bits: str | None, bitrate_kbps: int | None) -> int:
    if bits is not None:
        raise UsageError(
            f"{container} is lossy and takes no --bits; "
            f"use --bitrate with it, or --bits with {_listed(tuple(_BITS))}."
        )
    chosen = _DEFAULT_BITRATES[container] if bitrate_kbps is None else bitrate_kbps
    low, high = _BITRATES[container]
    if not low <= chosen <= high:
        raise UsageError(f"{container} takes a --bitrate of {low} to {high} kbit/s, not {chosen}.")
    return chosen


def _listed(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
