"""Copies to and from the device, as the engine sees them."""

from __future__ import annotations

import torch

from unmixcli.separation.transfer import Downloads, upload


class Event:
    """A CUDA event that notes when it was waited for."""

    def __init__(self, log: list[str], name: str) -> None:
        self.log, self.name = log, name

    def synchronize(self) -> None:
        self.log.append(self.name)


def test_on_the_cpu_tensors_pass_at_once() -> None:
    block = torch.rand(2, 5)
    assert upload(block, torch.device("cpu")) is block
    downloads = Downloads()
    assert [tensor is block for tensor in downloads.push(block)] == [True]
    assert list(downloads.finish()) == []


def test_what_is_on_its_way_is_waited_for_once() -> None:
    downloads, log = Downloads(), []
    host = torch.rand(2, 5)
    downloads._waiting = (host, Event(log, "copied"))
    assert [tensor is host for tensor in downloads.finish()] == [True]
    assert log == ["copied"]
    assert list(downloads.finish()) == []
