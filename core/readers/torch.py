""".pt and .pth, by torch if it is installed: a tensor, or one of a dictionary of tensors. Nothing else is ever unpickled."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.dataset import Dataset, FileGuard
from core.errors import ArrayChoice, UserError
from core.readers.arrays import check_vectors, choose, first_values, one_line, value_name
from core.readers.extras import library
from core.readers.options import OpenOptions, Probe, Reader
from core.readers.room import check_room

log = logging.getLogger(__name__)

# What files begin with that torch wrote before it wrote zip archives: a pickled number.
LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
DEPTH = 3


def _open(path: Path, options: OpenOptions) -> Dataset:
    torch = library("torch", path, "pip install torch")
    mapped = not _is_legacy(path)  # what was written before zip archives is unpickled whole
    if not mapped:
        check_room(str(path), path.stat().st_size)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # whatever a pickle may hold instead of tensors; torch's own words advise to unpickle it
        log.info("torch does not read %s: %s", path, one_line(error))
        raise UserError(
            f"{path} is damaged or holds more than tensors, which is never unpickled; save the tensors alone."
        ) from None
    tensors = _tensors(torch, content)
    if not tensors:
        raise UserError(f"{path} holds no tensors; save the vectors as one.")
    arrays = tuple(ArrayChoice(name, tuple(t.shape), str(t.dtype).removeprefix("torch.")) for name, t in tensors.items())
    name = choose(path, arrays, options.array, lambda name: first_values(_values(torch, tensors[name][:1])[0][0])).name
    where = f"{path} ({name})" if name else str(path)
    if tensors[name].is_sparse:
        raise UserError(f"{where} is a sparse tensor; save it dense.")
    array, is_bfloat16 = _values(torch, tensors[name])
    check_vectors(array.dtype, array.shape, where)
    dtype_name = "bfloat16" if is_bfloat16 else value_name(array.dtype, options, where)
    with path.open("rb") as file:
        guard = FileGuard.watch(path, file.fileno(), None)
    return Dataset(path, array, "torch", dtype_name, name or None, mapped, guard, arrays if len(arrays) > 1 else ())


def _tensors(torch: Any, content: Any, prefix: str = "", depth: int = 0) -> dict[str, Any]:
    """Tensors by name, of dictionaries and lists within each other as well; one that stands alone has no name."""
    if isinstance(content, torch.Tensor):
        return {prefix: content}
    if depth == DEPTH or not isinstance(content, dict | list | tuple):
        return {}
    items = content.items() if isinstance(content, dict) else enumerate(content)
    found: dict[str, Any] = {}
    for key, value in items:
        found |= _tensors(torch, value, f"{prefix}.{key}" if prefix else str(key), depth + 1)
    return found


def _values(torch: Any, tensor: Any) -> tuple[NDArray[Any], bool]:
    """The tensor as an array, of the bits where it is bfloat16, which NumPy does not have."""
    tensor = tensor.detach()
    if str(tensor.dtype) == "torch.bfloat16":
        return tensor.view(torch.int16).numpy().view(np.uint16), True
    return tensor.numpy(), False


def _is_legacy(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) != b"PK"


def _sniff(probe: Probe) -> bool:
    """Zip archives whose first member is a pickle called data.pkl; a pickle that begins with torch's number."""
    zipped = probe.head[:4] == b"PK\x03\x04" and b"/data.pkl" in probe.head[30:400]
    return zipped or probe.head.startswith(LEGACY) or (probe.suffix in (".pt", ".pth") and probe.head[:2] == b"PK")


READER = Reader("torch", (".pt", ".pth"), _sniff, _open)
