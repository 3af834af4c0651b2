"""word2vec's binary format: rows and dimensions in a line of text, then each word, a space and its values in float32.

Words differ in length, so that the values cannot be mapped. Format: `wv.save_word2vec_format(binary=True)` of gensim, and
https://code.google.com/archive/p/word2vec, whose own program ends each row with a newline.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np

from core.dataset import Dataset
from core.errors import UserError
from core.readers.arrays import check_shape
from core.readers.options import OpenOptions, Probe, Reader
from core.readers.room import check_room
from core.readers.words import HEADER, Words, is_row

READ_BYTES = 1 << 20
# No word is longer; without a limit a damaged file would be searched to its end for a space.
MAX_WORD = 1 << 16


def _open(path: Path, options: OpenOptions) -> Dataset:
    size = path.stat().st_size
    with path.open("rb") as file:
        first = file.readline(100)
        header = HEADER.fullmatch(first)
        if header is None:
            raise UserError(f"{path} does not begin with the numbers of rows and dimensions; save it again.")
        rows, dims = int(header[1]), int(header[2])
        check_shape((rows, dims), str(path))
        needed = rows * dims * 4
        if len(first) + needed + rows > size:
            raise UserError(
                f"{path} is cut short: {rows:,} rows of {dims:,} dimensions take more than its {size:,} bytes; copy it again."
            )
        check_room(str(path), needed, "is word2vec's binary format, which cannot be mapped,")
        vectors = np.empty((rows, dims), np.float32)
        words = Words()
        stream = _Stream(file)
        for row in range(rows):
            word = stream.word()
            values = None if word is None else stream.take(dims * 4)
            if word is None or values is None:
                raise UserError(
                    f"{path} is damaged or cut short: row {row:,} of {rows:,} has no word or too few values; copy it again."
                )
            words.add(word.lstrip(b"\n"))
            vectors[row] = np.frombuffer(values, "<f4")
            if row % 1024 == 0:
                options.told(row, rows)
    return Dataset(path, vectors, "word2vec binary", "float32", mapped=False, metadata=words.reader(path))


class _Stream:
    """A file in which a word is looked for byte by byte, read in larger pieces."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._held = b""
        self._at = 0

    def word(self) -> bytes | None:
        """What comes before the next space, which is passed over."""
        while (end := self._held.find(b" ", self._at, self._at + MAX_WORD)) < 0:
            if len(self._held) - self._at >= MAX_WORD or not self._more():
                return None
        word = self._held[self._at : end]
        self._at = end + 1
        return word

    def take(self, count: int) -> bytes | None:
        while len(self._held) - self._at < count:
            if not self._more():
                return None
        self._at += count
        return self._held[self._at - count : self._at]

    def _more(self) -> bool:
        more = self._file.read(READ_BYTES)
        self._held = self._held[self._at :] + more
        self._at = 0
        return bool(more)


def _sniff(probe: Probe) -> bool:
    """A line of two numbers, and what follows is not a word and numbers in text."""
    first, end, rest = probe.head.partition(b"\n")
    header = HEADER.fullmatch(first + end)
    return header is not None and b" " in rest and not is_row(rest, int(header[2]))


READER = Reader("word2vec binary", (".bin",), _sniff, _open)
