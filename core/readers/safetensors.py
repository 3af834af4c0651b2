""".safetensors, mapped: a length, a header in JSON, then the values as they are.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.dataset import Dataset
from core.errors import ArrayChoice, UserError
from core.readers.arrays import check_shape, choose, first_values, value_name
from core.readers.mapped import map_array
from core.readers.options import OpenOptions, Probe, Reader

# The format's own limit of its header.
MAX_HEADER = 100_000_000
# BF16 is read as the bits it is made of. What is not here (8-bit floats, booleans, complex) holds no vectors for us.
DTYPES = {
    "F16": ("<f2", "float16"),
    "BF16": ("<u2", "bfloat16"),
    "F32": ("<f4", "float32"),
    "F64": ("<f8", "float64"),
    **{f"{'U' if kind == 'u' else 'I'}{8 * size}": (f"<{kind}{size}", "") for kind in "iu" for size in (1, 2, 4, 8)},
}


@dataclass(frozen=True)
class Tensor:
    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None  # None for values that are no vectors
    dtype_name: str
    start: int  # from the beginning of the file

    def choice(self, name: str) -> ArrayChoice:
        return ArrayChoice(name, self.shape, self.dtype_name)


def _open(path: Path, options: OpenOptions) -> Dataset:
    tensors = _read_header(path)
    arrays = tuple(tensor.choice(name) for name, tensor in tensors.items())
    name = choose(path, arrays, options.array, lambda name: _preview(path, tensors[name])).name
    tensor, where = tensors[name], f"{path} ({name})"
    if tensor.dtype is None:
        raise UserError(f"{where} holds {tensor.dtype_name} values, which are not read; save it as F32, F16 or BF16.")
    check_shape(tensor.shape, where)
    dtype_name = tensor.dtype_name if tensor.dtype_name == "bfloat16" else value_name(tensor.dtype, options, where)
    array, guard = map_array(path, tensor.shape, tensor.dtype, tensor.start)
    return Dataset(path, array, "safetensors", dtype_name, name, guard=guard, arrays=arrays)


def _read_header(path: Path) -> dict[str, Tensor]:
    """The tensors by name. Every place is checked to lie in the file."""
    with path.open("rb") as file:
        size = path.stat().st_size
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, MAX_HEADER):
            raise _damaged(path, f"its header is said to have {length:,} bytes, the file has {size:,}")
        raw = file.read(length)
    try:
        entries = json.loads(raw)
        entries.pop("__metadata__", None)
        tensors = {name: _tensor(entry, 8 + length, size) for name, entry in entries.items()}
    except UserError:
        raise
    except Exception:  # whatever is in the JSON instead
        raise _damaged(path, "its header is not what the format asks for") from None
    if cut := next((name for name, tensor in tensors.items() if tensor is None), None):
        raise _damaged(path, f"the tensor {cut!r} lies beyond its end, or has another size than its shape")
    if not tensors:
        raise UserError(f"{path} holds no tensors; save the vectors in it again.")
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}


def _tensor(entry: dict[str, Any], base: int, size: int) -> Tensor | None:
    """None if it does not lie in the file. Raises anything for an entry that is none."""
    shape = tuple(int(extent) for extent in entry["shape"])
    start, end = (int(offset) for offset in entry["data_offsets"])
    if not 0 <= start <= end <= size - base or min(shape, default=0) < 0:
        return None
    code, name = DTYPES.get(entry["dtype"], (None, str(entry["dtype"])))
    dtype = None if code is None else np.dtype(code)
    if dtype is not None and math.prod(shape) * dtype.itemsize != end - start:
        return None
    return Tensor(shape, dtype, name or np.dtype(code).name, base + start)


def _preview(path: Path, tensor: Tensor) -> str:
    assert tensor.dtype is not None
    array, _ = map_array(path, tensor.shape, tensor.dtype, tensor.start)
    return first_values(array[0], tensor.dtype_name == "bfloat16")


def _damaged(path: Path, why: str) -> UserError:
    return UserError(f"{path} is a damaged .safetensors file ({why}); copy or save it again.")


def _sniff(probe: Probe) -> bool:
    """A length that fits, then a brace; or the suffix, since a wrong length is worth a word of its own."""
    length = int.from_bytes(probe.head[:8], "little")
    fits = 2 <= length <= min(probe.size - 8, MAX_HEADER)
    return probe.head[8:9] == b"{" and (fits or probe.suffix == ".safetensors")


READER = Reader("safetensors", (".safetensors",), _sniff, _open)
