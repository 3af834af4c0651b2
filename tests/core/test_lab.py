"""The lab: what is counted is counted right, both ways compute the same, and what is told of times follows from them."""

from __future__ import annotations

import ast
import csv
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from core.compute import demonstrations, lab, trials
from core.compute.limits import Limits
from core.compute.measuring import Rule
from core.compute.timing import stopwatch
from core.compute.trials import Bed, Trial, Way
from core.compute.vectors import ArrayRows, Vectors, scan_rows
from core.compute.workloads import WORKLOADS, Code, Size, Workload, workload_named
from core.errors import UserError
from core.lab import Finding, LabRun, WayFigures
from core.lab_records import KEPT, KEPT_REPEATS, export_csv, export_json, from_record, read_history, record, write_history
from core.types import DeviceInfo

LIMITS = Limits(1e10, 1e11)
ONCE = Rule(rounds=1, seconds=0.0)
TIMED = [(w.name, w.sizes[-1].name) for w in WORKLOADS if w.sizes and not w.needs_gpu]


@pytest.fixture
def bed(device: DeviceInfo) -> Bed:
    """With 400 open vectors of 24 dimensions."""
    source = ArrayRows(np.random.default_rng(0).standard_normal((400, 24), np.float32))
    vectors = Vectors(source, scan_rows(source), device.kind, device.budget_bytes)
    return Bed(device, vectors, "cosine")


def run(workload: Workload, bed: Bed, size: str | None = None, rule: Rule = ONCE) -> LabRun:
    return lab.run(workload, size, bed, rule, LIMITS, lambda _: None)


def fake(ways: dict[str, Callable[[], mx.array]], tolerance: float = 1e-6) -> Workload:
    """A workload of these ways; those named 'compiled…' count as compiled."""

    def way(name: str) -> Way:
        return Way(name, name.startswith("compiled"), lambda _: (ways[name](),))

    trial = Trial(tuple(map(way, ways)), 8.0, 4.0, tolerance)
    return Workload("fake", "Fake", "Shows.", "Teaches.", sizes=(Size("small", lambda _: trial, Code("pass")),))


# The table


def test_names_are_told_apart_and_every_sentence_ends() -> None:
    assert len({w.name for w in WORKLOADS}) == len(WORKLOADS)
    for workload in WORKLOADS:
        assert len({size.name for size in workload.sizes}) == len(workload.sizes)
        assert workload.shows.endswith(".")
        assert workload.lesson.endswith(".")
        assert bool(workload.sizes) != (workload.experiment is not None)


def test_shown_code_is_python_and_marks_what_differs(bed: Bed) -> None:
    for workload in WORKLOADS:
        for size in workload.info(bed).sizes:
            assert size.code
            for compiled in (False, True):
                ast.parse("\n".join(line.text for line in size.code if line.compiled in (None, compiled)))
            marks = {line.compiled for line in size.code}
            assert {True, False} <= marks or workload.experiment is not None or size.name == "loading"


def test_a_cpu_takes_the_smallest_size_unless_told_otherwise(bed: Bed) -> None:
    info = workload_named("gelu").info(bed)
    assert info.default_size == (info.sizes[0].name if bed.on_gpu else workload_named("gelu").sizes[-1].name)


def test_what_cannot_run_says_why(bed: Bed) -> None:
    without_file = replace(bed, vectors=None)
    program = workload_named("program").info(without_file)
    assert program.problem is not None
    assert "Open a file" in program.problem
    little = replace(bed, device=replace(bed.device, budget_bytes=1000), vectors=None)
    sizes = workload_named("gelu").info(little).sizes
    assert all(size.problem and "GB of memory" in size.problem for size in sizes)
    if not bed.on_gpu:
        assert "one device only" in str(workload_named("streams").info(bed).problem)
    with pytest.raises(UserError, match="no workload 'nonsense'; there are gelu"):
        workload_named("nonsense")
    with pytest.raises(UserError, match="GELU has no size 'huge'"):
        run(workload_named("gelu"), bed, "huge")
    with pytest.raises(UserError, match="Open a file"):
        run(workload_named("program"), without_file)


def test_without_a_compiler_counted_workloads_are_refused_and_timed_ones_run_one_way(bed: Bed) -> None:
    broken = replace(bed, device=replace(bed.device, compile_problem="No compiler here; install it."))
    assert workload_named("retracing").info(broken).problem == "No compiler here; install it."
    found = run(workload_named("training"), broken)
    assert [way.name for way in found.ways] == ["uncompiled"]


# Timed workloads


@pytest.mark.parametrize(("name", "size"), TIMED)
def test_both_ways_agree_and_a_compiled_one_is_traced_once(name: str, size: str, bed: Bed) -> None:
    found = run(workload_named(name), bed, size)
    assert found.problem is None
    assert found.finished
    assert all(len(way.ms) == 1 and way.ms[0] > 0 for way in found.ways)
    base, *others = found.ways
    assert not base.compiled
    assert base.traces == 0
    if others:
        assert found.error is not None
        assert found.error <= found.tolerance
    if name not in ("gradients", "search", "program"):  # the program's own functions may have been traced before
        assert [way.traces for way in others] == [1] * len(others)


def test_inside_grad_a_compiled_function_is_traced_at_every_call(bed: Bed) -> None:
    found = {way.name: way for way in run(workload_named("gradients"), bed).ways}
    assert found["compile(grad(f))"].traces == 1
    assert found["grad(compile(f))"].traces > 1


def test_the_open_file_serves_where_a_size_asks_for_it(bed: Bed) -> None:
    for name in ("svd", "z-step", "search"):
        for size in workload_named(name).sizes:
            if size.of_file:
                found = run(workload_named(name), bed, size.name)
                assert found.problem is None


def test_stages_of_the_projection_are_told(bed: Bed) -> None:
    found = run(workload_named("program"), bed, "projection")
    assert [name for name, _ in found.ways[0].stages] == ["fit", "map rows"]


@pytest.mark.parametrize("make", [trials.linear_training, trials.dropout_training])
def test_the_loss_falls_the_same_way_compiled_or_not(make: Callable[..., Trial], bed: Bed) -> None:
    losses = {}
    for way in make(bed, 64, 10).ways:
        steps = []
        for _ in range(6):
            with stopwatch("eager") as watch:
                (made,) = way.run(watch)
            steps.append(np.array(made))
        losses[way.name] = np.concatenate(steps)
    np.testing.assert_allclose(losses["compiled"][: trials.STEPS], losses["uncompiled"][: trials.STEPS], rtol=1e-5)
    for values in losses.values():
        assert values[-trials.STEPS :].mean() < 0.9 * values[: trials.STEPS].mean()


def test_without_the_state_of_random_numbers_every_step_drops_the_same() -> None:
    def draw() -> mx.array:
        return mx.random.uniform(shape=(4,))

    frozen, captured = mx.compile(draw), mx.compile(draw, inputs=mx.random.state, outputs=mx.random.state)
    assert np.array_equal(np.array(frozen()), np.array(frozen()))
    assert not np.array_equal(np.array(captured()), np.array(captured()))


def test_ways_that_disagree_make_the_run_void(bed: Bed) -> None:
    off = fake({"uncompiled": lambda: mx.ones(3), "compiled": lambda: mx.ones(3) * 1.01})
    found = run(off, bed, rule=Rule(rounds=50))
    assert found.problem is not None
    assert "disagree by 1.0e-02" in found.verdict
    assert len(found.ways[0].ms) == 0  # nothing was measured after that
    nan = fake({"uncompiled": lambda: mx.ones(3), "compiled": lambda: mx.array([1.0, float("nan"), 1.0])})
    assert run(nan, bed).problem is not None


def test_urgent_work_is_let_through_before_every_call(bed: Bed) -> None:
    happened: list[str] = []

    def call(name: str) -> mx.array:
        happened.append(name)
        return mx.ones(2)

    given_way = replace(bed, poll=lambda: happened.append("poll"))
    run(fake({name: partial(call, name) for name in ("uncompiled", "compiled")}), given_way, rule=Rule(rounds=5, seconds=60.0))
    calls = [i for i, what in enumerate(happened) if what != "poll"]
    assert len(calls) >= 2 * (1 + 5)
    # At most one call lies between two looks at what waits, but for a call that only warms up again after other work.
    assert all(happened[i - 1] == "poll" or happened[i - 2] == "poll" for i in calls)


def test_peak_memory_is_that_of_the_call_itself(bed: Bed) -> None:
    held = mx.ones((1 << 20,))
    mx.eval(held)
    found = run(fake({"uncompiled": lambda: mx.ones((1 << 18,)) + 1.0}), bed)
    assert 1 << 20 <= found.ways[0].peak_bytes < held.nbytes
    assert found.ways[0].active_bytes >= held.nbytes


# Counted workloads


def findings(name: str, bed: Bed) -> dict[str, Finding]:
    return {finding.code.split("(")[0].removeprefix("def "): finding for finding in run(workload_named(name), bed).findings}


def test_traces_are_counted_for_each_trigger(bed: Bed) -> None:
    found = findings("retracing", bed)
    assert (found.pop("two_wrappers").outcome, found.pop("wrappers_thrown_away").outcome) == ("1", "2")
    traces = {name: finding.traces for name, finding in found.items()}
    assert traces == {
        "first_call": 1,
        "same_shape": 0,
        "another_shape": 1,
        "another_rank": 1,
        "another_dtype": 1,
        "another_argument": 1,
        "another_constant": 1,
        "constant_in_an_array": 1,
        "first_shape_again": 0,
        "new_closures": 3,
    }


def test_shapeless_traces_once_and_bakes_captured_shapes_in(bed: Bed) -> None:
    found = findings("shapeless", bed)
    assert found["per_shape"].traces == len(demonstrations.SHAPES)
    assert found["shapeless"].traces == 1
    assert found["shapeless_other_rank"].traces == 2
    assert found["mean_by_captured_shape"].outcome == "2.0"
    assert found["mean_by_mlx"].outcome == "1.0"
    assert found["reshape_by_captured_shape"].outcome != "shape (15, 4)"
    assert found["flatten"].outcome == "shape (15, 4)"


def test_impure_functions_do_what_the_lab_says(bed: Bed) -> None:
    outcomes = {name: finding.outcome for name, finding in findings("purity", bed).items()}
    assert "without a primitive" in outcomes["append_to_a_list"]
    assert outcomes["return_the_state"] == "2.0"
    assert "not allowed" in outcomes["print_inside"]
    assert outcomes["read_a_global"] == "(2.0, 2.0)"
    assert outcomes["captured_input"] == "(2.0, 6.0)"
    assert outcomes["counter_by_outputs"] == "3.0"
    assert outcomes["counter_by_outputs_alone"] == "1.0"
    assert len(set(ast.literal_eval(outcomes["random_numbers"]))) == 1
    assert len(set(ast.literal_eval(outcomes["random_numbers_captured"]))) == 2
    assert outcomes["disabled"] == "(1, 2)"


def test_compiling_works_again_after_it_was_disabled(bed: Bed) -> None:
    findings("purity", bed)
    calls = []

    def body(x: mx.array) -> mx.array:
        calls.append(1)
        return x + 1

    f = mx.compile(body)
    f(mx.array(1.0))
    f(mx.array(1.0))
    assert len(calls) == 1


# What may be said


def measured(eager: list[float], compiled: list[float], **known: Any) -> LabRun:
    ways = (
        WayFigures("uncompiled", False, tuple(eager)),
        WayFigures("compiled", True, tuple(compiled), first_ms=100.0, traces=1),
    )
    return LabRun("gelu", "small", ways, least_bytes=1e9, flops=1e9, bandwidth_gb_s=100.0, product_gflop_s=1000.0, **known)


def test_figures_follow_from_the_times() -> None:
    found = measured([20.0] * 20, [10.0] * 20, finished=True)
    eager, compiled = found.ways
    ratio = found.ratio(compiled)
    assert ratio is not None
    assert (ratio.value, ratio.shown) == (2.0, True)
    assert found.ratio(eager) is None
    # 80 ms more for the first call than an uncompiled one, 10 saved at each.
    assert found.pays_off_after(compiled) == 9
    assert found.gb_s(compiled) == pytest.approx(100.0)
    assert found.gflop_s(compiled) == pytest.approx(100.0)
    assert found.share_of_limit(compiled) == pytest.approx(1.0)
    assert "2.00 times as fast (95 % interval" in found.verdict


def test_what_does_not_pay_off_says_so() -> None:
    slower = measured([10.0] * 20, [20.0] * 20)
    assert slower.pays_off_after(slower.ways[1]) is None
    same = measured([10.0 + i % 3 for i in range(30)], [10.0 + i % 3 for i in range(30)])
    assert same.pays_off_after(same.ways[1]) is None
    assert "no difference shown" in same.verdict


def test_a_busy_machine_tells_nothing() -> None:
    loaded = measured([20.0] * 20, [10.0] * 20, finished=True, others_busy=0.6)
    assert "60%" in loaded.verdict
    generator = np.random.default_rng(1)
    wild = [float(t) for t in np.exp(generator.normal(3, 1.5, 12))]
    assert "spread too widely" in measured(wild, wild[::-1], finished=True).verdict
    assert measured([1.0] * 3, [1.0] * 3).verdict == "Too few repeats yet to tell."


# Records


def test_a_run_survives_being_written_down(bed: Bed) -> None:
    for name in ("training", "retracing"):
        found = run(workload_named(name), bed)
        assert from_record(json.loads(json.dumps(record(found)))) == found


def test_the_history_keeps_the_newest_and_passes_over_what_is_no_run(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "lab.jsonl"
    assert read_history(path) == []
    runs = [measured([1.0] * 20, [2.0] * 20, started=str(i)) for i in range(KEPT + 5)]
    write_history(path, runs)
    kept = read_history(path)
    assert [one.started for one in kept] == [one.started for one in runs[5:]]
    text = path.read_text()
    later = json.dumps(record(runs[0]) | {"version": 99})
    path.write_text("\n".join(["{", "[]", "{}", "\x00", later]) + "\n" + text)
    assert read_history(path) == kept
    long = measured([1.0] * (KEPT_REPEATS + 7), [2.0] * 20)
    write_history(path, [long])
    assert len(read_history(path)[0].ways[0].ms) == KEPT_REPEATS


def test_a_history_that_cannot_be_kept_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be made"):
        write_history(tmp_path / "file" / "lab.jsonl", [])
    with pytest.raises(UserError, match="cannot be read"):
        read_history(tmp_path)


def test_exports_hold_every_way_and_every_repeat(tmp_path: Path) -> None:
    runs = [measured([20.0] * 20, [10.0] * 20, finished=True), measured([1.0], [1.0])]
    export_csv(tmp_path / "runs.csv", runs)
    with (tmp_path / "runs.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["way"] for line in lines] == ["uncompiled", "compiled"] * 2
    assert float(lines[1]["times_as_fast"]) == 2.0
    assert lines[3]["times_as_fast"] == ""
    export_json(tmp_path / "runs.json", runs)
    document = json.loads((tmp_path / "runs.json").read_text())
    assert document[0]["ways"][1]["ms"] == [10.0] * 20
    assert document[0]["verdict"] == runs[0].verdict
    export_csv(tmp_path / "none.csv", [])
    assert (tmp_path / "none.csv").read_text().strip() == ""
