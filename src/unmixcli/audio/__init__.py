"""Files to blocks of samples and back: read, write, resample, tags, formats."""

from unmixcli.audio.blocks import Block, Reblock
from unmixcli.audio.formats import CONTAINERS, OutputFormat, output_format
from unmixcli.audio.read import (
    AUDIO_EXTENSIONS,
    AudioInfo,
    AudioReader,
    count_audio_streams,
    open_audio,
    probe,
    read_audio,
    spool_stdin,
)
from unmixcli.audio.resample import Resampler, resample, resampled_length
from unmixcli.audio.tags import Picture, Tags, read_tags, write_tags
from unmixcli.audio.write import StemReport, TrackReport, TrackWriter, write_audio

__all__ = [
    "AUDIO_EXTENSIONS",
    "CONTAINERS",
    "AudioInfo",
    "AudioReader",
    "Block",
    "OutputFormat",
    "Picture",
    "Reblock",
    "Resampler",
    "StemReport",
    "Tags",
    "TrackReport",
    "TrackWriter",
    "count_audio_streams",
    "open_audio",
    "output_format",
    "probe",
    "read_audio",
    "read_tags",
    "resample",
    "resampled_length",
    "spool_stdin",
    "write_audio",
    "write_tags",
]
