"""Which device computes, how much memory it may take, and whether compiling can work on it."""

from __future__ import annotations

import os
import subprocess
import sys

import mlx.core as mx
import psutil

from core.compute import BLAS
from core.errors import UserError
from core.types import DeviceInfo, DeviceKind

# Of the memory that is free on a CPU, or that the GPU's driver recommends, the share that vectors may take.
MEMORY_SHARE = 0.6


def select(wanted: str | None = None, memory_bytes: int | None = None) -> DeviceInfo:
    """Make `wanted` ('metal', 'cuda', 'cpu', 'gpu'), or the best device there is, the default of this thread.

    Vectors and the work on them may take `memory_bytes`, or else a share of what there is; MLX gives back what it keeps for later
    use before it goes beyond. Raises UserError if this machine or this build of MLX has no such device.
    """
    gpu: DeviceKind | None = "metal" if mx.metal.is_available() else "cuda" if mx.cuda.is_available() else None
    if wanted is None:
        wanted = gpu or "cpu"
    if wanted == "gpu" and gpu is not None:
        wanted = gpu
    if wanted not in ("cpu", gpu):
        have = f"cpu and {gpu}" if gpu else "cpu only"
        raise UserError(f"There is no device {wanted!r} here: this machine's MLX has {have}; choose one with --device.")
    kind: DeviceKind = "cpu" if wanted == "cpu" or gpu is None else gpu
    device = mx.Device(mx.cpu if kind == "cpu" else mx.gpu)
    mx.set_default_device(device)
    details = mx.device_info(device)
    budget = memory_bytes or _budget(kind, details)
    mx.set_memory_limit(budget)
    return DeviceInfo(
        kind=kind,
        name=_name(kind, details),
        budget_bytes=budget,
        blas=BLAS if kind == "cpu" else "MLX's own products",
        compile_problem=compile_problem(kind),
    )


def compile_problem(kind: DeviceKind) -> str | None:
    """Why compiling cannot work, in a sentence, or None. Without a compiler MLX would run uncompiled and not tell."""
    # MLX only asks whether the variable exists: even MLX_DISABLE_COMPILE=0 switches compiling off.
    if "MLX_DISABLE_COMPILE" in os.environ:
        return "The environment variable MLX_DISABLE_COMPILE is set; unset it and start again to compile."
    if kind == "cpu" and sys.platform == "linux" and not _compiler_works():
        return "MLX compiles for the CPU with g++, which is missing or broken here; install it and start again."
    return None


def _compiler_works() -> bool:
    """Ask g++ for its version, as MLX does before it decides whether to compile."""
    try:
        return subprocess.run(["g++", "--version"], capture_output=True, timeout=10, check=False).returncode == 0  # noqa: S607
    except (OSError, subprocess.TimeoutExpired):
        return False


def _name(kind: DeviceKind, details: dict[str, str | int]) -> str:
    name = str(details.get("device_name", kind))
    return f"{name}, {os.cpu_count()} cores" if kind == "cpu" else name


def _budget(kind: DeviceKind, details: dict[str, str | int]) -> int:
    if kind == "metal":
        return int(MEMORY_SHARE * int(details["max_recommended_working_set_size"]))
    if kind == "cuda":
        total = details.get("total_memory") or details.get("memory_size") or psutil.virtual_memory().available
        return int(MEMORY_SHARE * int(total))
    return int(MEMORY_SHARE * psutil.virtual_memory().available)
