"""The lab's counted workloads: small experiments with mx.compile, each run as its source says, its traces counted."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from typing import Any

import mlx.core as mx

from core.compute.compilation import compiled, observe
from core.compute.timing import fence
from core.lab import Finding

Function = Callable[..., Any]


def chain(x: mx.array, y: mx.array | float = 1.0) -> mx.array:
    return mx.tanh(x * y) + mx.exp(-x)


# Retracing: each is called in turn with one compiled `chain`.


def first_call(f: Function, x: mx.array) -> Any:
    return f(x)


def same_shape(f: Function, x: mx.array) -> Any:
    return f(x + 1)


def another_shape(f: Function, x: mx.array) -> Any:
    return f(mx.ones((8, 96)))


def another_rank(f: Function, x: mx.array) -> Any:
    return f(mx.ones((4, 16, 64)))


def another_dtype(f: Function, x: mx.array) -> Any:
    return f(x.astype(mx.float16))


def another_argument(f: Function, x: mx.array) -> Any:
    return f(x, x)


def another_constant(f: Function, x: mx.array) -> Any:
    return f(x, 2.0)


def constant_in_an_array(f: Function, x: mx.array) -> Any:
    return [f(x, mx.array(c)) for c in (1.0, 2.0, 3.0)]


def first_shape_again(f: Function, x: mx.array) -> Any:
    return f(x)


def new_closures(f: Function, x: mx.array) -> Any:
    return [compiled(lambda x: chain(x))(x) for _ in range(3)]


RETRACING: tuple[tuple[str, Function, bool], ...] = (
    ("The first call traces, and generates code.", first_call, False),
    ("The same shape again runs what is kept.", same_shape, False),
    ("Another shape traces again.", another_shape, False),
    ("Another rank traces again.", another_rank, False),
    ("Another data type traces again.", another_dtype, False),
    ("Another number of arguments traces again.", another_argument, False),
    ("A Python number is baked in: another one traces again.", another_constant, True),
    ("The same number in an array is an input: one trace for all values.", constant_in_an_array, False),
    ("The first shape is still kept.", first_shape_again, False),
    ("A new closure a call: each is a new function, traced anew.", new_closures, True),
)


def two_wrappers() -> Any:
    calls = []

    def f(x: mx.array) -> mx.array:
        calls.append(x)
        return x + 1

    one, other = mx.compile(f), mx.compile(f)
    one(mx.array(1.0))
    other(mx.array(1.0))
    return len(calls)


def wrappers_thrown_away() -> Any:
    calls = []

    def f(x: mx.array) -> mx.array:
        calls.append(x)
        return x + 1

    mx.compile(f)(mx.array(1.0))
    mx.compile(f)(mx.array(1.0))
    return len(calls)


def retracing() -> Iterator[Finding]:
    """What traces again, counted, with what the call cost."""
    x = mx.random.normal((64, 64))
    fence(x)
    f = compiled(chain)
    for about, trigger, surprise in RETRACING:
        yield _counted(about, trigger, partial(trigger, f, x), surprise)
    yield _outcome("Two wrappers of one function share what is kept: its body ran once.", two_wrappers)
    yield _outcome("A wrapper that is thrown away takes that with it: the body ran twice.", wrappers_thrown_away, True)


# Shapeless


SHAPES = (16, 33, 64, 129, 250)


def per_shape() -> list[mx.array]:
    f = compiled(chain)
    return [f(mx.ones((n, 64))) for n in SHAPES]


def shapeless() -> list[mx.array]:
    f = compiled(chain, shapeless=True)
    return [f(mx.ones((n, 64))) for n in SHAPES]


def shapeless_other_rank() -> list[mx.array]:
    f = compiled(chain, shapeless=True)
    return [f(mx.ones((4, 4))), f(mx.ones((4, 4, 4)))]


def mean_by_captured_shape() -> Any:
    f = compiled(lambda x: x.sum() / x.shape[0], shapeless=True)
    f(mx.ones(4))
    return f(mx.ones(8))


def mean_by_mlx() -> Any:
    f = compiled(lambda x: x.mean(), shapeless=True)
    f(mx.ones(4))
    return f(mx.ones(8))


def reshape_by_captured_shape() -> Any:
    f = compiled(lambda x: x.reshape(x.shape[0] * x.shape[1], -1), shapeless=True)
    f(mx.ones((2, 3, 4)))
    return f(mx.ones((5, 3, 4)))


def flatten() -> Any:
    f = compiled(lambda x: x.flatten(0, 1), shapeless=True)
    f(mx.ones((2, 3, 4)))
    return f(mx.ones((5, 3, 4)))


def without_shapes() -> Iterator[Finding]:
    """One function over many shapes, and the trap of a captured shape."""
    yield _counted("Five shapes, compiled by shape: a trace each.", per_shape, per_shape)
    yield _counted("Five shapes, shapeless: one trace.", shapeless, shapeless)
    yield _counted("Another rank traces again, shapeless or not.", shapeless_other_rank, shapeless_other_rank)
    yield _outcome("A captured x.shape[0] is silently wrong: the mean of eight ones.", mean_by_captured_shape, True)
    yield _outcome("MLX's own mean knows the shape it is given.", mean_by_mlx)
    yield _outcome("A reshape from captured extents fails, or is wrong.", reshape_by_captured_shape, True)
    yield _outcome("flatten needs no extents: (15, 4).", flatten)


# Purity and captured state


def disabled() -> Any:
    calls = []

    def f(x: mx.array) -> mx.array:
        calls.append(x)
        return x + 1

    f = mx.compile(f)
    f(mx.array(1.0))
    f(mx.array(1.0))
    kept = len(calls)
    mx.disable_compile()
    f(mx.array(1.0))
    return kept, len(calls)


def append_to_a_list() -> Any:
    state: list[mx.array] = []

    def f(x: mx.array) -> mx.array:
        state.append(2 * x)
        return x + 1

    mx.eval(mx.compile(f)(mx.array(1.0)))
    return state[0].item()


def return_the_state() -> Any:
    def f(x: mx.array) -> tuple[mx.array, mx.array]:
        return x + 1, 2 * x

    _, state = mx.compile(f)(mx.array(1.0))
    return state.item()


def print_inside() -> Any:
    def f(x: mx.array) -> mx.array:
        y = 2 * x
        str(y)  # what print does first
        return y

    return mx.compile(f)(mx.array(1.0)).item()


def read_a_global() -> Any:
    offset = [mx.array(1.0)]
    f = mx.compile(lambda x: x + offset[0])
    first = f(mx.array(1.0)).item()
    offset[0] = mx.array(5.0)
    return first, f(mx.array(1.0)).item()


def captured_input() -> Any:
    offset = [mx.array(1.0)]
    f = mx.compile(lambda x: x + offset[0], inputs=offset)
    first = f(mx.array(1.0)).item()
    offset[0] = mx.array(5.0)
    return first, f(mx.array(1.0)).item()


def counter_by_outputs() -> Any:
    state = [mx.array(0.0)]

    def f(x: mx.array) -> mx.array:
        state[0] = state[0] + x
        return x

    run = mx.compile(f, inputs=state, outputs=state)
    for _ in range(3):
        run(mx.array(1.0))
    return state[0].item()


def counter_by_outputs_alone() -> Any:
    state = [mx.array(0.0)]

    def f(x: mx.array) -> mx.array:
        state[0] = state[0] + x
        return x

    run = mx.compile(f, outputs=state)
    for _ in range(3):
        run(mx.array(1.0))
    return state[0].item()


def random_numbers() -> Any:
    f = mx.compile(lambda x: x + mx.random.uniform())
    return round(f(mx.array(0.0)).item(), 4), round(f(mx.array(0.0)).item(), 4)


def random_numbers_captured() -> Any:
    state = mx.random.state
    f = mx.compile(lambda x: x + mx.random.uniform(), inputs=state, outputs=state)
    return round(f(mx.array(0.0)).item(), 4), round(f(mx.array(0.0)).item(), 4)


PURITY: tuple[tuple[str, Function, bool], ...] = (
    ("A list that a compiled function appends to holds a placeholder, without a value.", append_to_a_list, True),
    ("State that is returned has its value: 2.", return_the_state, False),
    ("To print inside evaluates a placeholder, which fails.", print_inside, True),
    ("A global array is frozen at its first value: 2, and not 6 after it changed.", read_a_global, True),
    ("Named in inputs= it is read at every call: 2, then 6.", captured_input, False),
    ("A counter in inputs= and outputs= counts to 3.", counter_by_outputs, False),
    ("In outputs= alone it begins at its first value every time: 1.", counter_by_outputs_alone, True),
    ("Random numbers repeat: their state is frozen too.", random_numbers, True),
    ("With mx.random.state captured they do not.", random_numbers_captured, False),
    ("Two calls run the body once; with compiling disabled it runs at every call: 1, then 2.", disabled, False),
)


def purity() -> Iterator[Finding]:
    """What a compiled function may not do, and how to do it instead."""
    for about, experiment, surprise in PURITY:
        yield _outcome(about, experiment, surprise)


def _counted(about: str, shown: Function, run: Function, surprise: bool = False) -> Finding:
    """Run an experiment that is about how often it traces."""
    with observe() as seen, _compiling_on():
        start = perf_counter()
        made = run()
        fence(*(made if isinstance(made, list) else [made]))
        ms = (perf_counter() - start) * 1e3
    traces = "no trace" if not seen.traces else f"{seen.traces} trace{'s' if seen.traces > 1 else ''}"
    return Finding(about, source_of(shown), traces, seen.traces, ms, surprise)


def _outcome(about: str, experiment: Function, surprise: bool = False) -> Finding:
    """Run an experiment that is about what comes of it; what MLX raises is an outcome too."""
    try:
        with _compiling_on():
            made = experiment()
        if isinstance(made, mx.array):
            mx.eval(made)
            made = made.item() if made.ndim == 0 else f"shape {made.shape}"
        outcome = str(made)
    except (RuntimeError, ValueError) as error:
        outcome = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return Finding(about, source_of(experiment), outcome, surprise=surprise)


@contextmanager
def _compiling_on() -> Iterator[None]:
    """An experiment that disables compiling and fails must not leave it so."""
    try:
        yield
    finally:
        mx.enable_compile()


def source_of(function: Function) -> str:
    """The lines of a function as they stand in the file; `compiled` is mx.compile that counts."""
    return re.sub(r"\bcompiled\(", "mx.compile(", textwrap.dedent(inspect.getsource(function)).rstrip())
