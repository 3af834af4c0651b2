"""Stands in for a GPU: puts a custom kernel together as MLX does and runs it on the CPU by kernel_shim.cpp."""

from __future__ import annotations

import ctypes
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from numpy.typing import NDArray

from core.compute import kernels
from core.types import DeviceKind

SHIM = Path(__file__).with_name("kernel_shim.cpp")
KINDS: tuple[DeviceKind, ...] = ("metal", "cuda")
# float, and what C++ calls the others; CUDA's name for float16 differs.
TYPES = {mx.float32: "float", mx.uint32: "uint32_t", mx.int32: "int32_t"}
NUMPY: dict[mx.Dtype, type[np.generic]] = {mx.float32: np.float32, mx.float16: np.float16, mx.uint32: np.uint32}
HALF = {"metal": "half", "cuda": "__half"}

needs_shim = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("g++") is None, reason="running GPU kernels on the CPU needs Linux and g++"
)
on_gpu = pytest.mark.skipif(not any(map(kernels.available, KINDS)), reason="no GPU that runs custom kernels")

Change = tuple[str, str]


class Fault(Exception):
    """What a GPU would let pass: an index out of bounds, a result written twice or never, threads out of step."""


class Backend:
    """Stands in for mx.fast.metal_kernel or mx.fast.cuda_kernel."""

    def __init__(self, kind: DeviceKind, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        self.change: Change | None = None  # text to find in a kernel's source, and what to put there

    def build(self, *, name: str, input_names: list[str], output_names: list[str], source: str) -> Callable[..., Any]:
        assert re.fullmatch("[a-z0-9_]+", name)
        if self.change is not None:
            source = source.replace(*self.change)

        def call(
            *,
            inputs: list[mx.array],
            template: list[tuple[str, int]],
            grid: tuple[int, int, int],
            threadgroup: tuple[int, int, int],
            output_shapes: list[tuple[int, ...]],
            output_dtypes: list[mx.Dtype],
        ) -> list[mx.array]:
            assert [size % by for size, by in zip(grid, threadgroup, strict=True)] == [0, 0, 0]
            assert (threadgroup[1:], threadgroup[0] <= 1024) == ((1, 1), True)
            assert max(grid) < 2**31
            names = [(n, self._type(x.dtype)) for n, x in zip(input_names, inputs, strict=True)]
            made = [(n, self._type(dtype)) for n, dtype in zip(output_names, output_dtypes, strict=True)]
            library = self._compile(_program(self.kind, names, made, source, template))
            groups = (grid[0] // threadgroup[0], *grid[1:])
            arrays = [np.ascontiguousarray(x) for x in inputs]  # as MLX does with its ensure_row_contiguous
            one, other = (
                _run(library, arrays, groups, threadgroup[0], output_shapes, output_dtypes, reverse) for reverse in (False, True)
            )
            for x, y in zip(one, other, strict=True):
                np.testing.assert_array_equal(x, y)  # whichever thread comes first
            return [mx.array(x) for x in one]

        return call

    def _type(self, dtype: mx.Dtype) -> str:
        return HALF[self.kind] if dtype == mx.float16 else TYPES[dtype]

    def _compile(self, program: str) -> ctypes.CDLL:
        library = self.folder / f"{sha256(program.encode()).hexdigest()[:20]}.so"
        if not library.exists():
            flags = ["-std=c++17", "-O0", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas"]
            # Fortified, longjmp takes a switch to another stack for an overflow.
            flags.append("-U_FORTIFY_SOURCE")
            command = ["g++", "-x", "c++", *flags, "-I", str(SHIM.parent), "-o", str(library), "-"]
            made = subprocess.run(command, input=program, capture_output=True, text=True, check=False)
            assert made.returncode == 0, made.stderr
        return ctypes.CDLL(str(library))


@contextmanager
def running_on(kind: DeviceKind, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    """A device of that kind, as far as the kernels can tell; compiled kernels are kept in `folder`."""
    made = Backend(kind, folder)
    monkeypatch.setattr(kernels, "require", lambda: kind)
    monkeypatch.setattr(mx.fast, f"{kind}_kernel", made.build)
    kernels._kernel.cache_clear()
    yield made
    kernels._kernel.cache_clear()


@contextmanager
def running_on_gpu() -> Iterator[None]:
    before = mx.default_device()
    mx.set_default_device(mx.Device(mx.gpu))
    yield
    mx.set_default_device(before)


def _program(
    kind: DeviceKind,
    inputs: list[tuple[str, str]],
    outputs: list[tuple[str, str]],
    source: str,
    constants: list[tuple[str, int]],
) -> str:
    shaped = [name for name, _ in inputs if f"{name}_shape" in source]
    arrays = "".join(f"static shim::Input<{type_}> {name};\n" for name, type_ in inputs)
    arrays += "".join(f"static shim::Output<{type_}> {name};\n" for name, type_ in outputs)
    arrays += "".join(f"static const int* {name}_shape;\n" for name in shaped)
    values = "".join(f"constexpr int {name} = {value};\n" for name, value in constants)
    taken = "".join(f"  {name} = {{(const {type_}*)inputs[{i}], sizes[{i}]}};\n" for i, (name, type_) in enumerate(inputs))
    taken += "".join(f"  {name}_shape = shapes[{i}];\n" for i, (name, _) in enumerate(inputs) if name in shaped)
    taken += "".join(
        f"  {name} = {{({type_}*)outputs[{i}], written[{i}], sizes[{len(inputs) + i}]}};\n"
        for i, (name, type_) in enumerate(outputs)
    )
    checks = "".join(f"  {name}.check();\n" for name, _ in outputs)
    return f"""#define {kind.upper()}
#include "{SHIM.name}"
{arrays}
static void custom_kernel() {{
{values}{source}
}}
extern "C" const char* run(
    const void* const* inputs, [[maybe_unused]] const int* const* shapes, void* const* outputs, unsigned char* const* written,
    const size_t* sizes, const int* groups, int threads, bool reverse) {{
{taken}  const char* fault = shim::run(custom_kernel, groups, threads, reverse);
{checks}  return fault;
}}
"""


def _run(
    library: ctypes.CDLL,
    inputs: list[NDArray[Any]],
    groups: tuple[int, ...],
    threads: int,
    shapes: list[tuple[int, ...]],
    dtypes: list[mx.Dtype],
    reverse: bool,
) -> list[NDArray[Any]]:
    """One kernel's results. Raises Fault for what the shim found wrong."""
    # Every bit set: NaN, or the largest number.
    out: list[NDArray[Any]] = [
        np.frombuffer(b"\xff" * (math.prod(shape) * dtype.size), NUMPY[dtype]).reshape(shape).copy()
        for shape, dtype in zip(shapes, dtypes, strict=True)
    ]
    written = [np.zeros(shape, np.uint8) for shape in shapes]
    sizes = [x.size for x in (*inputs, *out)]
    dims = [(ctypes.c_int * x.ndim)(*x.shape) for x in inputs]
    library.run.restype = ctypes.c_char_p
    fault = library.run(
        _pointers([x.ctypes.data for x in inputs]),
        _pointers([ctypes.addressof(x) for x in dims]),
        _pointers([x.ctypes.data for x in out]),
        _pointers([x.ctypes.data for x in written]),
        (ctypes.c_size_t * len(sizes))(*sizes),
        (ctypes.c_int * 3)(*groups),
        ctypes.c_int(threads),
        ctypes.c_bool(reverse),
    )
    if fault:
        raise Fault(fault.decode())
    return out


def _pointers(addresses: list[int]) -> Any:
    return (ctypes.c_void_p * len(addresses))(*addresses)
