"""Our computations beside their peers', interleaved in one process: `kinscope bench`.

`cases` says what is measured and builds it, `data` makes vectors and the float64 truth about them, `peers` finds the libraries
we are measured against, `contest` takes the times, `schedule` shares out time and memory.
"""

from core.compute.bench.schedule import run_cases

__all__ = ["run_cases"]
