"""Where files of weights are on the net, and whether it may be used."""

from __future__ import annotations

import os

from unmixcli.errors import UsageError
from unmixcli.models.card import HubSource, WebSource, WeightFile

MIRRORS = "UNMIX_MIRROR"
HUB = "https://huggingface.co"


def is_offline() -> bool:
    """Whether connections are forbidden by `UNMIX_OFFLINE` or `HF_HUB_OFFLINE`."""
    forbidden = (os.environ.get(name, "") for name in ("UNMIX_OFFLINE", "HF_HUB_OFFLINE"))
    return any(value.lower() not in {"", "0", "false", "no"} for value in forbidden)


def address_of(file: WeightFile) -> str:
    """The address from which a browser, too, would get the file; "" if it is not on the net.

    `UNMIX_MIRROR` and, for the Hugging Face Hub, `HF_ENDPOINT` have been applied.

    Raises:
        UsageError: for an `UNMIX_MIRROR` that cannot be read.
    """
    if isinstance(file.source, WebSource):
        return mirrored(file.source.url)
    if isinstance(file.source, HubSource):
        endpoint = os.environ.get("HF_ENDPOINT") or HUB
        repo, revision, path = file.source.repo, file.source.revision, file.source.path
        return f"{endpoint.rstrip('/')}/{repo}/resolve/{revision}/{path}"
    return ""


def mirrored(url: str) -> str:
    """An address with its beginning replaced by the first rule of `UNMIX_MIRROR` that fits.

    Rules are `BEGINNING=REPLACEMENT`, several are separated by spaces.

    Raises:
        UsageError: for a rule of another form.
    """
    for rule in os.environ.get(MIRRORS, "").split():
        beginning, _, replacement = rule.partition("=")
        if not (beginning and replacement):
            raise UsageError(
                f"{MIRRORS}: {rule!r} must look like https://zenodo.org=https://mirror.example"
            )
        if url.startswith(beginning):
            return replacement + url[len(beginning) :]
    return url
