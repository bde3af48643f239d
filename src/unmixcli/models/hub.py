"""Models are brought into the cache: several files at a time, each verified before it has its name.

A file from the Hugging Face Hub stays in the Hub's cache, and ours holds a link to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event

from unmixcli.errors import ModelError, ResourceError, UsageError
from unmixcli.models.addresses import address_of, is_offline
from unmixcli.models.alone import alone_on
from unmixcli.models.card import Card, HubSource, WebSource, WeightFile
from unmixcli.models.download import TIMEOUT_S, TransferError, check_space, download
from unmixcli.models.hub_cache import hub_file, hub_folder
from unmixcli.models.records import record_path, recorded
from unmixcli.models.weights import cached_path, is_intact, remember
from unmixcli.pool import run_all

Progress = Callable[[str, int, int | None], None]
"""Told `model/file`, bytes that are here, and bytes in all where that is known; from any thread."""

ATTEMPTS = 2
JOBS = 4


class PullError(ModelError):
    """Some models could not be brought; the others are here.

    Attributes:
        failures: what happened, by the models' names.
    """

    def __init__(self, failures: dict[str, str]) -> None:
        super().__init__("; ".join(failures.values()))
        self.failures = failures


@dataclass(frozen=True)
class _Wanted:
    """A file that is on its way into the cache."""

    card: Card
    file: WeightFile
    path: Path

    @property
    def part(self) -> Path:
        return self.path.with_name(self.path.name + ".part")

    @property
    def missing_bytes(self) -> int:
        """What is still to come, as far as the card tells."""
        have = self.part.stat().st_size if self.part.is_file() else 0
        return max(0, (self.file.size or 0) - have)

    @property
    def arrived(self) -> bool:
        """Whether what came is right, by the card and by what came the first time."""
        return is_intact(self.part, self.file, place=self.path)


@dataclass(frozen=True)
class _Errand:
    """How files are brought."""

    progress: Progress
    stop: Event
    timeout_s: float


def is_downloadable(card: Card) -> bool:
    """Whether any of its files is on the net."""
    return any(isinstance(file.source, WebSource | HubSource) for file in card.files)


def pull(
    cards: Sequence[Card],
    *,
    progress: Progress = lambda *_: None,
    timeout_s: float = TIMEOUT_S,
) -> list[Path]:
    """Bring every file of these models that can be downloaded into the cache, verified.

    Where a card does not state the whole sha256, that of the first file that comes is recorded.

    Args:
        cards: the models; of those that come with a package there is nothing to bring.
        progress: told how far each file is.
        timeout_s: how long a server may say nothing.

    Returns:
        The files, in the order of the cards.

    Raises:
        UsageError: if connections are forbidden.
        PullError: for files that cannot be had, or are not what the card says, once the others
            are here.
        ResourceError: if the disk is full or the cache cannot be written.
    """
    files = [
        _Wanted(card, file, cached_path(card, file))
        for card in cards
        for file in card.files
        if isinstance(file.source, WebSource | HubSource)
    ]
    missing = []
    for wanted in files:
        if is_intact(wanted.path, wanted.file):
            remember(wanted.path, wanted.file)
        else:
            missing.append(wanted)
    _check_space(missing)
    errand, failures = _Errand(progress, Event(), timeout_s), dict[str, str]()
    run_all(partial(_fetch, errand, failures), missing, jobs=JOBS, stop=errand.stop.set)
    if failures:
        raise PullError(failures)
    return [wanted.path for wanted in files]


def _check_space(missing: Sequence[_Wanted]) -> None:
    if not missing:
        return
    folder = missing[0].path.parent
    try:
        for wanted in missing:
            wanted.path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    # Files of the Hub go to its own cache, which may be on another disk.
    of_hub = [wanted for wanted in missing if isinstance(wanted.file.source, HubSource)]
    of_web = [wanted for wanted in missing if not isinstance(wanted.file.source, HubSource)]
    for place, variable, group in (
        (folder, "UNMIX_CACHE", of_web),
        (hub_folder() if of_hub else folder, "HF_HOME", of_hub),
    ):
        names = ", ".join(dict.fromkeys(wanted.card.name for wanted in group))
        needed = sum(wanted.missing_bytes for wanted in group)
        check_space(place, needed, what=names, variable=variable)


def _fetch(errand: _Errand, failures: dict[str, str], wanted: _Wanted) -> None:
    try:
        with alone_on(wanted.part, stop=errand.stop):
            # Another process may have brought it meanwhile.
            if not is_intact(wanted.path, wanted.file):
                _bring(wanted, errand)
                wanted.part.replace(wanted.path)
            remember(wanted.path, wanted.file)
    except ModelError as error:
        before = failures.get(wanted.card.name)
        failures[wanted.card.name] = f"{before}; {error}" if before else str(error)
    except OSError as error:
        raise _unwritable(wanted.path, error) from error


def _bring(wanted: _Wanted, errand: _Errand) -> None:
    """Make the part what the card says; one more attempt if it is not."""
    file = wanted.file
    if is_offline() and not isinstance(file.source, HubSource):
        raise _forbidden(wanted)
    reason = ""
    for attempt in range(ATTEMPTS):
        try:
            _transfer(wanted, errand, anew=attempt > 0)
        except TransferError as error:
            reason = str(error)
        else:
            reason = "it is not what the card says"
            if recorded(wanted.path):
                reason += f", or not what {record_path(wanted.path)} says of the first that came"
        # A server that announces more than there is breaks off with the whole file sent.
        if wanted.arrived:
            return
        if reason.startswith("it is not"):
            # Wrong bytes cannot be resumed.
            wanted.part.unlink(missing_ok=True)
    if is_offline():
        raise _forbidden(wanted)
    raise ModelError(
        f"{wanted.card.name}: {file.name} cannot be downloaded from {address_of(file)} ({reason}); "
        f"try again later, or put it by hand at {wanted.path}"
    )


def _transfer(wanted: _Wanted, errand: _Errand, *, anew: bool) -> None:
    file = wanted.file

    def watch(have: int, total: int | None) -> None:
        errand.progress(f"{wanted.card.name}/{file.name}", have, total)

    if isinstance(file.source, HubSource):
        local = hub_file(
            file.source, offline=is_offline(), anew=anew, watch=watch, stop=errand.stop
        )
        wanted.part.unlink(missing_ok=True)
        wanted.part.symlink_to(local)
        return
    download(
        address_of(file),
        wanted.part,
        size=file.size,
        watch=watch,
        stop=errand.stop,
        timeout_s=errand.timeout_s,
    )


def _forbidden(wanted: _Wanted) -> UsageError:
    return UsageError(
        f"{wanted.card.name}: {wanted.file.name} is not here, and connections are forbidden by "
        f"--offline, UNMIX_OFFLINE or HF_HUB_OFFLINE; put it by hand at {wanted.path}, "
        f"from {address_of(wanted.file)}"
    )


def _unwritable(path: Path, error: OSError) -> ResourceError:
    return ResourceError(f"{path}: cannot be written: {error.strerror or error}")
