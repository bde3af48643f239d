from __future__ import annotations

import pytest

from unmixcli.audio.formats import CONTAINERS, OutputFormat, output_format
from unmixcli.errors import UsageError


@pytest.mark.parametrize("name", CONTAINERS)
def test_defaults_are_valid_and_named_by_extension(name: str) -> None:
    chosen = output_format(name)
    assert chosen.extension == name
    assert (chosen.bits is None) == (chosen.bitrate_kbps is not None)
    assert (chosen.bits == "24") == (name in ("wav", "flac"))


def test_only_float_does_not_clip() -> None:
    clipping = [output_format(name).clips for name in CONTAINERS]
    assert all(clipping)
    assert not output_format("wav", bits="32f").clips
    assert output_format("wav", bits="16") == OutputFormat("wav", "16", None)


@pytest.mark.parametrize(
    ("name", "bits", "bitrate", "named"),
    [
        ("aac", None, None, "wav, flac, mp3, ogg, opus or m4a"),
        ("flac", "32f", None, "16 or 24"),
        ("wav", "20", None, "16, 24 or 32f"),
        ("wav", "", None, "16, 24 or 32f"),
        ("wav", None, 320, "--bits"),
        ("mp3", "16", None, "--bitrate"),
        ("mp3", None, 321, "32 to 320"),
        ("opus", None, 0, "12 to 512"),
    ],
)
def test_what_is_not_allowed_names_what_is(
    name: str, bits: str | None, bitrate: int | None, named: str
) -> None:
    with pytest.raises(UsageError, match=named):
        output_format(name, bits=bits, bitrate_kbps=bitrate)


@pytest.mark.parametrize(
    ("name", "rate", "held"),
    [
        ("wav", 192000, 192000),
        ("flac", 37800, 37800),
        ("ogg", 96000, 96000),
        ("mp3", 44100, 44100),
        ("mp3", 192000, 48000),
        ("mp3", 37800, 44100),
        ("opus", 44100, 48000),
        ("opus", 22050, 24000),
        ("opus", 96000, 48000),
        ("m4a", 192000, 96000),
        ("m4a", 44100, 44100),
    ],
)
def test_rate_is_the_same_or_the_next_above(name: str, rate: int, held: int) -> None:
    assert output_format(name).sample_rate_for(rate) == held
