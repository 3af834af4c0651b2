"""The embedding projector's files: values of float32 in .bytes, and the configuration that tells their shape.

The configuration can be opened itself. Format: https://projector.tensorflow.org, `projector_config.json`.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from core.dataset import Dataset
from core.errors import ArrayChoice, UserError
from core.readers.arrays import check_shape, choose, first_values
from core.readers.mapped import map_array
from core.readers.options import OpenOptions, Probe, Reader
from core.readers.sidecar import read_sidecar
from core.table import Column, Table

VALUES = np.dtype("<f4")
# A configuration is short; one that is not is something else.
MAX_CONFIG = 1 << 22
PNG = b"\x89PNG\r\n\x1a\n"
NAMES = re.compile("tensors?|vectors?", re.IGNORECASE)


def metadata_beside(path: Path) -> Path:
    """Where the metadata of a projector's pair lies: metadata.tsv beside tensors.tsv, a_metadata.tsv beside a.tsv."""
    stem, count = NAMES.subn("metadata", path.stem, 1)
    return path.with_name(f"{stem if count else f'{path.stem}_metadata'}.tsv")


@dataclass(frozen=True)
class Embedding:
    """What a configuration tells of one tensor."""

    name: str
    shape: tuple[int, ...]
    tensors: str
    metadata: str
    sprite: str
    bookmarks: str
    sprite_size: tuple[int, int] | None = None  # pixels of one of the pictures in the sprite, width and height

    @classmethod
    def parse(cls, entry: dict[str, Any]) -> Embedding:
        """Raises anything for what is no entry. Keys are spelt in two ways."""
        found = {key.replace("_", "").lower(): value for key, value in entry.items()}
        sprite = {key.replace("_", "").lower(): value for key, value in (found.get("sprite") or {}).items()}
        image, single = sprite.get("imagepath"), tuple(int(extent) for extent in sprite.get("singleimagedim") or ())
        shape = tuple(int(extent) for extent in found.get("tensorshape") or ())
        tensors, metadata, image, bookmarks = (
            str(value or "") for value in (found.get("tensorpath"), found.get("metadatapath"), image, found.get("bookmarkspath"))
        )
        size = (single[0], single[1]) if len(single) == 2 and min(single) > 0 else None
        return cls(str(found.get("tensorname") or tensors), shape, tensors, metadata, image, bookmarks, size)


def _open(path: Path, options: OpenOptions) -> Dataset:
    if path.suffix.lower() == ".bytes":
        return _open_tensor(path, path, _config_of(path), (), None)
    entries = read_config(path)
    arrays = tuple(ArrayChoice(entry.name, entry.shape, "float32") for entry in entries)
    by_name = {entry.name: entry for entry in entries}
    name = choose(path, arrays, options.array, lambda name: _preview(path, by_name[name])).name
    entry = by_name[name]
    tensors = _beside(path, entry.tensors, "tensor")
    if tensors.suffix.lower() != ".bytes":
        raise UserError(f"{path} tells of tensors in {entry.tensors}; open that file itself.")
    return _open_tensor(path, tensors, (path, entry), arrays if len(arrays) > 1 else (), name)


def _open_tensor(
    path: Path, tensors: Path, found: tuple[Path, Embedding], arrays: tuple[ArrayChoice, ...], name: str | None
) -> Dataset:
    config, entry = found
    check_shape(entry.shape, f"{tensors} (by {config.name})")
    array, guard = map_array(tensors, entry.shape, VALUES, 0)
    if guard.size != array.nbytes:
        raise UserError(
            f"{tensors} has {guard.size:,} bytes, {config.name} tells of {entry.shape[0]:,} x {entry.shape[1]:,} values "
            f"({array.nbytes:,} bytes); one of them is of another data set."
        )
    metadata, notes = _metadata(config, entry, entry.shape[0])
    return Dataset(path, array, "projector", "float32", name, True, guard, arrays, metadata, notes=notes)


def _metadata(config: Path, entry: Embedding, rows: int) -> tuple[Callable[[], Table] | None, tuple[str, ...]]:
    """The reader of the rows' metadata, if it is there, and what becomes of the rest."""
    notes = [f"The bookmarks {entry.bookmarks} are not used."] if entry.bookmarks else []
    pictures = _pictures(config, entry, rows)
    if entry.sprite and pictures is None:
        notes.append(f"The sprite {entry.sprite} is no picture beside it, or its pictures' size is not told; it is not shown.")
    labels = config.parent / entry.metadata if entry.metadata else None
    if labels is not None and not os.path.isfile(labels):
        notes.append(f"The metadata {entry.metadata} is no file beside it.")
        labels = None
    if labels is None and pictures is None:
        return None, tuple(notes)

    def read() -> Table:
        table = Table(str(config), rows, ()) if labels is None else read_sidecar(labels, rows).table
        if pictures is None:
            return table
        # Paths in a table are told from where it lies.
        sheet = os.path.relpath(config.parent / entry.sprite, Path(table.source).parent)
        return replace(table, columns=(*table.columns, Column("sprite", "image", pictures(sheet))))

    return read, tuple(notes)


def _pictures(config: Path, entry: Embedding, rows: int) -> Callable[[str], Any] | None:
    """Makes, of the sprite's name, those of the rows' parts of it, line by line; None where there is no such picture."""
    sheet = config.parent / entry.sprite
    if not entry.sprite or entry.sprite_size is None or not os.path.isfile(sheet):
        return None
    width, height = entry.sprite_size
    with sheet.open("rb") as file:
        head = file.read(24)
    # A PNG begins with its width; of others a square is assumed, as the projector's documentation asks for.
    in_line = int.from_bytes(head[16:20], "big") // width if head.startswith(PNG) else math.ceil(math.sqrt(rows))
    if in_line < 1:
        return None

    def make(name: str) -> Any:
        places = (divmod(row, in_line) for row in range(rows))
        return pa.chunked_array([[f"{name}#xywh={x * width},{y * height},{width},{height}" for y, x in places]])

    return make


def _config_of(tensors: Path) -> tuple[Path, Embedding]:
    """The configuration beside a .bytes file that tells of it."""
    for config in sorted(tensors.parent.glob("*config*.json")):
        for entry in read_config(config):
            if Path(entry.tensors).name == tensors.name:
                return config, entry
    raise UserError(f"{tensors} does not tell its shape, and no projector_config.json beside it does; put that there.")


def read_config(path: Path) -> list[Embedding]:
    try:
        if path.stat().st_size > MAX_CONFIG:
            raise ValueError
        entries = [Embedding.parse(entry) for entry in json.loads(path.read_bytes())["embeddings"]]
    except Exception:  # whatever else is in it
        raise UserError(f"{path} is no projector configuration with a list of embeddings; save it again.") from None
    if not entries:
        raise UserError(f"{path} tells of no embeddings; save it again.")
    return entries


def _beside(config: Path, name: str, what: str) -> Path:
    """A file the configuration names. Nothing is fetched from the network."""
    path = config.parent / name
    if not os.path.isfile(path):
        raise UserError(f"{config} names the {what} {name!r}, which is no file beside it; put it there.")
    return path


def _preview(config: Path, entry: Embedding) -> str:
    array, _ = map_array(_beside(config, entry.tensors, "tensor"), entry.shape, VALUES, 0)
    return first_values(array[0])


def _sniff(probe: Probe) -> bool:
    config = probe.head.lstrip()[:1] == b"{" and b'"embeddings"' in probe.head and probe.suffix in (".json", ".pbtxt", ".txt", "")
    return config or probe.suffix == ".bytes"


READER = Reader("projector .bytes", (".bytes", ".json"), _sniff, _open)
