"""What can be trained is known by name."""

from __future__ import annotations

from pathlib import Path

import unmixcli.models.adapters
from unmixcli.training.model import _trainable_names, trainable


def test_every_adapter_that_can_be_trained_is_named() -> None:
    (folder,) = unmixcli.models.adapters.__path__
    able = {p.stem for p in Path(folder).glob("*.py") if "\ndef untrained(" in p.read_text()}
    assert set(_trainable_names()) == able
    assert all(trainable(name) for name in able)
