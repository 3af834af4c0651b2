"""A tuned BLAS for MLX on Linux.

MLX's CPU wheel links the reference BLAS, 15 to 20 times slower than a tuned one. The faiss-cpu wheel carries an OpenBLAS with
the plain symbol names; loaded with RTLD_GLOBAL before mlx is, its symbols come first, for BLAS and LAPACK alike.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from pathlib import Path

# In the order in which each needs the one before.
COMPANIONS = ("libquadmath", "libgfortran", "libgomp")
SYSTEM = "libopenblas.so.0"


def preload() -> str:
    """Put a tuned BLAS in front, where one is needed and found; return in words which BLAS is in use."""
    if sys.platform == "darwin":
        return "Accelerate"
    library = _load_faiss() or _load(SYSTEM)
    return _describe(library) if library is not None else "reference BLAS (slow: install faiss-cpu or libopenblas0)"


def _load_faiss() -> ctypes.CDLL | None:
    spec = importlib.util.find_spec("faiss")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent.parent / "faiss_cpu.libs"
    for companion in COMPANIONS:
        for path in folder.glob(f"{companion}-*"):
            _load(str(path))
    return next((lib for path in folder.glob("libopenblas*") if (lib := _load(str(path))) is not None), None)


def _load(name: str) -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
    except OSError:
        return None


def _describe(library: ctypes.CDLL) -> str:
    try:
        library.openblas_get_config.restype = ctypes.c_char_p
        version = library.openblas_get_config().decode().split()[1]
        return f"OpenBLAS {version}, {library.openblas_get_num_threads()} threads"
    except (AttributeError, IndexError, UnicodeDecodeError):
        return "OpenBLAS"
