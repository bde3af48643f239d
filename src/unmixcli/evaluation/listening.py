"""Stems of a run as MP3 files beside its page, for the ears.

They lie beside the page as whole songs, not inside it as previews, so that a click on a dip of a
score plays that very second, and the page stays small.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from unmixcli.audio.formats import output_format
from unmixcli.audio.write import TrackWriter
from unmixcli.data.tracks import MIX
from unmixcli.evaluation.files import audio_folder, safe_name
from unmixcli.evaluation.material import Material

_BITRATE_KBPS = 128


def audio_files(folder: Path, track: str, targets: Sequence[str]) -> dict[str, Path]:
    """Files by what they hold: the mix, `TARGET` as estimated, `TARGET reference`."""
    names = [MIX, *(word for name in targets for word in (name, f"{name} reference"))]
    return {name: audio_folder(folder, track) / f"{safe_name(name)}.mp3" for name in names}


def write_audio_files(folder: Path, track: str, material: Material, estimates: Tensor) -> None:
    """Write mix, estimates and references, with one gain for all where one would clip.

    Raises `ResourceError` for a full disk or a folder that cannot be written to.
    """
    for leftover in audio_folder(folder, track).glob(".*.part"):
        # Of a run that was killed.
        leftover.unlink(missing_ok=True)
    names = [target.name for target in material.targets]
    paths = audio_files(folder, track, names)
    samples = {MIX: material.mix.numpy()}
    for row, name in enumerate(names):
        samples[name] = estimates[row].numpy()
        samples[f"{name} reference"] = material.references[row].numpy()
    with TrackWriter(
        paths,
        sample_rate=material.sample_rate,
        channels=material.mix.shape[0],
        format=output_format("mp3", bitrate_kbps=_BITRATE_KBPS),
        title=track,
    ) as writer:
        writer.write(samples)
