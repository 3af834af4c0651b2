"""What the batches of an Arrow IPC stream tell of themselves, before any of them is unpacked.

pyarrow unpacks a compressed buffer into as much memory as its first 8 bytes ask for. The messages are flatbuffers:
https://github.com/apache/arrow/blob/main/format/Message.fbs, https://flatbuffers.dev/internals
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

DICTIONARY_BATCH, RECORD_BATCH = 2, 3


@dataclass(frozen=True)
class Batch:
    rows: int
    unpacked_bytes: int  # 0 where nothing is compressed
    is_dictionary: bool


def batches(source: Any) -> Iterator[Batch]:
    """Every batch from where the pyarrow file `source` stands. Raises struct.error or what pyarrow raises if one is damaged."""
    reader = pa.ipc.MessageReader.open_stream(source)
    while True:
        try:
            message = reader.read_next_message()
        except StopIteration:
            return
        header = _Table.root(memoryview(message.metadata))
        kind = header.number(1, "<B")
        if kind not in (DICTIONARY_BATCH, RECORD_BATCH):
            continue
        batch = header.table(2)
        if kind == DICTIONARY_BATCH and batch is not None:
            batch = batch.table(1)
        if batch is None:
            raise struct.error("a batch without content")
        body = memoryview(b"" if message.body is None else message.body)
        unpacked = 0 if batch.table(3) is None else sum(_unpacked(body, start, length) for start, length in batch.pairs(2))
        yield Batch(batch.number(0, "<q"), unpacked, kind == DICTIONARY_BATCH)


def _unpacked(body: memoryview, start: int, length: int) -> int:
    """The size a compressed buffer tells of; -1 stands for one that is left as it was."""
    if length < 8 or start < 0:
        return 0
    size = int(struct.unpack_from("<q", body, start)[0])
    return length if size == -1 else size


@dataclass(frozen=True)
class _Table:
    """A table of a flatbuffer, by the numbers of its fields."""

    data: memoryview
    at: int

    @classmethod
    def root(cls, data: memoryview) -> _Table:
        return cls(data, struct.unpack_from("<I", data)[0])

    def _field(self, number: int) -> int | None:
        """Where a field lies, or None if it has its default."""
        layout = self.at - struct.unpack_from("<i", self.data, self.at)[0]
        entry = 4 + 2 * number
        if entry >= struct.unpack_from("<H", self.data, layout)[0]:
            return None
        offset = struct.unpack_from("<H", self.data, layout + entry)[0]
        return self.at + offset if offset else None

    def number(self, number: int, code: str) -> int:
        place = self._field(number)
        return 0 if place is None else int(struct.unpack_from(code, self.data, place)[0])

    def table(self, number: int) -> _Table | None:
        place = self._field(number)
        return None if place is None else _Table(self.data, place + struct.unpack_from("<I", self.data, place)[0])

    def pairs(self, number: int) -> list[tuple[int, int]]:
        """A vector of structures of two 64-bit numbers."""
        place = self._field(number)
        if place is None:
            return []
        place += struct.unpack_from("<I", self.data, place)[0]
        count = struct.unpack_from("<I", self.data, place)[0]
        return [struct.unpack_from("<qq", self.data, place + 4 + 16 * i) for i in range(count)]
