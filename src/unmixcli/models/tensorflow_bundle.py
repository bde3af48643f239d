"""Variables out of a TensorFlow checkpoint ("tensor bundle", version 2), without TensorFlow.

A checkpoint is a file `NAME.index` and shards `NAME.data-00000-of-00001`. The index is a table of
LevelDB: blocks of sorted, prefix-compressed keys, found by an index block that the footer names.
Its values are protocol buffers that say where the bytes of each variable lie. Bytes are copied
into arrays; nothing of the files is run.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

_FOOTER_BYTES = 48
_MAGIC = 0xDB4775248B80FB57
# DataType of TensorFlow's types.proto; what networks hold.
_KINDS: dict[int, np.dtype[Any]] = {
    1: np.dtype("<f4"),
    2: np.dtype("<f8"),
    3: np.dtype("<i4"),
    9: np.dtype("<i8"),
}

Array = npt.NDArray[Any]


class _Entry(NamedTuple):
    kind: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int


def read_bundle(index: bytes, data: bytes) -> dict[str, Array]:
    """The variables of a checkpoint of one shard, by name.

    Args:
        index: the content of the index file.
        data: the content of its only shard.

    Raises:
        ValueError: if these are no such files, or they use what no network needs: several shards,
            compressed blocks, strings.
    """
    try:
        entries = {key.decode(): _entry(value) for key, value in _table(index) if key}
    except (IndexError, struct.error) as error:
        raise ValueError("the index of the checkpoint is cut off") from error
    return {name: _array(name, entry, data) for name, entry in entries.items()}


def _array(name: str, entry: _Entry, data: bytes) -> Array:
    if entry.kind not in _KINDS or entry.shard:
        raise ValueError(f"{name}: type {entry.kind} in shard {entry.shard} is not read here")
    kind = _KINDS[entry.kind]
    count = int(np.prod(entry.shape, dtype=np.int64))
    if count * kind.itemsize != entry.size or entry.offset + entry.size > len(data):
        raise ValueError(f"{name}: its values are not where the index says")
    return np.frombuffer(data, kind, count, entry.offset).reshape(entry.shape)


def _table(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a table of LevelDB."""
    footer = content[-_FOOTER_BYTES:]
    if len(footer) < _FOOTER_BYTES or struct.unpack("<Q", footer[-8:])[0] != _MAGIC:
        raise ValueError("this is no index of a TensorFlow checkpoint")
    *_, index_offset, index_size = _varints(footer, 4)
    for _, handle in _block(content, index_offset, index_size):
        offset, size = _varints(handle, 2)
        yield from _block(content, offset, size)


def _block(content: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    if content[offset + size]:
        raise ValueError("the index of the checkpoint is compressed, which is not read here")
    block = content[offset : offset + size]
    # The block ends with the places where keys are whole, and the number of these.
    end = size - 4 - 4 * struct.unpack_from("<I", block, size - 4)[0]
    place, key = 0, b""
    while place < end:
        shared, place = _varint(block, place)
        own, place = _varint(block, place)
        length, place = _varint(block, place)
        key = key[:shared] + block[place : place + own]
        place += own
        yield key, block[place : place + length]
        place += length


def _entry(message: bytes) -> _Entry:
    """A BundleEntryProto: 1 type, 2 shape, 3 shard, 4 offset, 5 size."""
    fields = dict(_fields(message))
    shape = tuple(_dimension(dim) for number, dim in _fields(fields.get(2, b"")) if number == 2)
    kind, shard, offset, size = (_number(fields.get(n, 0)) for n in (1, 3, 4, 5))
    return _Entry(kind, shape, shard, offset, size)


def _dimension(message: int | bytes) -> int:
    return _number(dict(_fields(message)).get(1, 0))


def _number(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise ValueError("the index of the checkpoint holds bytes where a number belongs")
    return value


def _fields(message: int | bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values of the fields of a protocol buffer."""
    if isinstance(message, int):
        raise ValueError("the index of the checkpoint holds a number where a message belongs")
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        number, wire = divmod(tag, 8)
        if wire == 0:
            value, place = _varint(message, place)
            yield number, value
            continue
        if wire == 2:
            length, place = _varint(message, place)
        else:
            length = {1: 8, 5: 4}[wire] if wire in (1, 5) else len(message)
        yield number, message[place : place + length]
        place += length


def _varints(content: bytes, count: int) -> list[int]:
    place, found = 0, []
    for _ in range(count):
        value, place = _varint(content, place)
        found.append(value)
    return found


def _varint(content: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
