"""The bench's own arithmetic, on a clock that the runners move; and that what it compares is right. No time is asserted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.compute.bench import data, schedule
from core.compute.bench.cases import CASES, CORNERS, Bed, Case, Setting, leading, neighbours
from core.compute.bench.contest import Allowance, Contest, Quality, Run, Work, measure, rows
from core.compute.bench.peers import Peers
from core.compute.limits import Limits, measure_limits
from core.errors import UserError
from core.statistics import MIN_SAMPLES
from core.types import BenchResult, DeviceInfo, Metric

LIMITS = Limits(bandwidth=1e9, rate=1e10)
# Importing FAISS warns of SWIG's types on newer Pythons.
lenient = pytest.mark.filterwarnings("default")


class FakeClock:
    """Stands still but for what the runners take."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def runner(self, seconds: float, answer: object = None) -> Run:
        def run() -> object:
            self.now += seconds
            return answer

        return run


def nothing(*_: object) -> None: ...


def taken(ours: float, theirs: float, share: float, left: float, repeat: int = 15) -> tuple[list[int], list[str], float]:
    """How often each of two runners was timed, who was left out, and how long it took."""
    clock = FakeClock()
    start = clock.now
    found = Contest({"ours": clock.runner(ours)}, {"theirs": clock.runner(theirs)})
    samples, left_out = measure(found, repeat, Allowance(share, start + left, clock=clock), {}, nothing)
    return [len(s.ms) for s in samples.values()], left_out, clock.now - start


@given(st.floats(0.001, 5.0), st.floats(0.001, 5.0), st.floats(0.1, 100.0), st.integers(1, 20))
def test_each_runner_has_half_of_the_share_or_all_its_rounds(ours: float, theirs: float, share: float, repeat: int) -> None:
    counts, left_out, took = taken(ours, theirs, share, 1e9, repeat)
    assert not left_out
    for count, seconds in zip(counts, (ours, theirs), strict=True):
        assert 1 <= count <= repeat
        assert count == repeat or count * seconds >= 0.49 * share
        assert count == 1 or (count - 1) * seconds <= 1.01 * share
    # A first call and perhaps a warm-up before; a run begun at the last moment each.
    assert took <= 2 * share + 3.1 * (ours + theirs)


@given(st.floats(0.01, 5.0), st.floats(0.01, 5.0), st.floats(0.1, 50.0))
def test_nothing_is_begun_that_would_pass_the_end(ours: float, theirs: float, left: float) -> None:
    counts, left_out, took = taken(ours, theirs, 1e6, left, 1000)
    # Of what was never called before nothing is known: the first calls may.
    assert took <= left + ours + theirs + 1e-6
    assert len(counts) + len(left_out) == 2


def test_a_share_is_stretched_where_that_gives_an_interval() -> None:
    assert taken(1.0, 1.0, 6.0, 1e9)[0] == [MIN_SAMPLES, MIN_SAMPLES]
    counts = taken(0.1, 4.0, 6.0, 1e9)[0]
    assert counts[0] == 15
    assert 1 <= counts[1] < MIN_SAMPLES


def test_a_runner_known_to_be_too_slow_is_not_called() -> None:
    clock = FakeClock()
    contestants = Contest({"ours": clock.runner(1.0)}, {"slow": lambda: pytest.fail("was called")})
    samples, left_out = measure(contestants, 3, Allowance(10.0, clock.now + 20.0, clock=clock), {"slow": 15.0}, nothing)
    assert list(samples) == ["ours"]
    assert left_out == ["slow: no time is left"]


def test_a_first_call_that_compiled_does_not_foretell_the_next() -> None:
    clock = FakeClock()
    calls = [8.0, *[0.5] * 30]

    def run() -> None:
        clock.now += calls.pop(0)

    samples, left_out = measure(Contest({"ours": run}), 3, Allowance(4.0, clock.now + 12.0, clock=clock), {"ours": 0.6}, nothing)
    assert not left_out
    assert len(samples["ours"].ms) == 3
    assert samples["ours"].first_ms == pytest.approx(8000)


def test_a_peer_that_raises_is_left_out_by_name_and_ours_is_not_spared() -> None:
    def fail() -> None:
        raise NotImplementedError("no such thing\non this device")

    clock = FakeClock()
    allowance = Allowance(10.0, clock.now + 20.0, clock=clock)
    samples, left_out = measure(Contest({"ours": clock.runner(1.0)}, {"theirs": fail}), 2, allowance, {}, nothing)
    assert list(samples) == ["ours"]
    assert left_out == ["theirs: failed with NotImplementedError: no such thing"]
    with pytest.raises(NotImplementedError):
        measure(Contest({"ours": fail}), 2, allowance, {}, nothing)


def test_rows_tell_ratios_to_the_first_and_shares_of_the_limit() -> None:
    clock = FakeClock()
    judged = Contest({"ours": clock.runner(0.5, 1.0)}, {"theirs": clock.runner(2.0, 0.25)}, lambda answer: Quality(recall=answer))
    samples, _ = measure(judged, 6, Allowance(100.0, clock.now + 100.0, clock=clock), {}, nothing)
    ours, theirs = rows("case", "about", samples, "ours", 0.1)
    assert ours.median_ms == pytest.approx(500)
    assert ours.share_of_limit == pytest.approx(0.2)
    assert ours.times_reference is None
    assert ours.count == 6
    assert theirs.times_reference is not None
    assert theirs.times_reference.value == pytest.approx(4.0)
    assert theirs.share_of_limit == pytest.approx(0.05)
    assert (ours.recall, theirs.recall, ours.error, ours.proven) == (1.0, 0.25, None, None)


def test_the_limit_is_whichever_takes_longer() -> None:
    assert Work(nbytes=2e9, flops=1e10).seconds(LIMITS) == 2.0
    assert Work(nbytes=2e9, flops=5e10).seconds(LIMITS) == 5.0


def test_building_much_tells_how_long_building_takes_and_little_tells_no_more_than_less(
    monkeypatch: pytest.MonkeyPatch, device: DeviceInfo
) -> None:
    clock = FakeClock()
    plan = schedule.Schedule(device, 100.0, clock)

    def build(seconds: float, d: int) -> float:
        setting = Setting("spectrum", 1000, d)
        monkeypatch.setattr(schedule, "Bed", lambda *_: clock.runner(seconds, SimpleNamespace(setting=setting))())
        plan.bed(setting)
        return plan._build_s * setting.nbytes

    assert build(60.0, 8) < 1.0  # kernels were compiled
    assert build(1e-6, 9) == pytest.approx(1e-6)
    monkeypatch.setattr(schedule, "MANY_BYTES", 1000)
    assert build(60.0, 10) == pytest.approx(60.0)


# What answers are compared with.


def test_data_are_the_same_every_time_and_normal(monkeypatch: pytest.MonkeyPatch) -> None:
    x = data.normal(4000, 20)
    np.testing.assert_array_equal(x, data.normal(4000, 20))
    assert abs(x.mean()) < 0.02
    assert abs(x.std() - 1) < 0.02
    monkeypatch.setattr(data, "STRIP_VALUES", 1000)  # strips never repeat one another
    cut = data.normal(200, 20)
    assert len(np.unique(cut, axis=0)) == 200
    np.testing.assert_array_equal(data.normal(100, 20), cut[:100])


def test_decaying_vectors_have_mean_zero_and_a_leading_pair() -> None:
    x = data.decaying(3000, 96)
    assert np.abs(x.mean(axis=0)).max() < 1e-6
    s = np.linalg.svd(x.astype(np.float64), compute_uv=False)
    assert s[0] > s[1] > 1.02 * s[2]


@pytest.mark.parametrize("metric", ["l2", "inner_product", "l1"])
def test_the_truth_is_what_plain_numpy_says(monkeypatch: pytest.MonkeyPatch, metric: Metric) -> None:
    monkeypatch.setattr(data, "STRIP_VALUES", 500)
    x, queries = data.normal(300, 7), data.normal(3, 7, 1)
    apart = x[None].astype(np.float64) - queries[:, None]
    order = {"l2": (apart**2).sum(-1), "l1": np.abs(apart).sum(-1), "inner_product": -queries.astype(np.float64) @ x.T}[metric]
    np.testing.assert_array_equal(data.true_neighbours(x, queries, 9, metric), order.argsort(axis=1)[:, :9])


def test_recall_counts_the_true_ids_of_the_checked_queries() -> None:
    true = np.array([[1, 2, 3, 4], [5, 6, 7, 8]])
    assert data.recall(np.array([[4, 3, 2, 1], [8, 7, 6, 5], [0, 0, 0, 0]]), true) == 1.0
    assert data.recall(np.array([[1, 2, 9, 9], [5, 6, 7, 8]]), true) == 0.75


@given(st.floats(0.0, np.pi / 2))
def test_the_error_of_a_subspace_is_the_sine_of_its_angle(angle: float) -> None:
    true = np.eye(5)[:, :2]
    turned = true.copy()
    turned[:, 0] = [np.cos(angle), 0, np.sin(angle), 0, 0]
    mixed = turned @ np.array([[3.0, 1.0], [-2.0, 0.5]])  # any basis of the same span
    assert data.subspace_error(mixed, true) == pytest.approx(np.sin(angle), abs=1e-12)


def test_subspace_and_product_come_from_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "STRIP_VALUES", 1000)
    x, v = data.decaying(400, 30), data.normal(30, 3, 4)
    vt = np.linalg.svd(x.astype(np.float64))[2]
    assert data.subspace_error(vt[:2].T, data.leading_subspace(x, 2)) < 1e-10
    z = x.T.astype(np.float64) @ (x.astype(np.float64) @ v)
    assert data.relative_error(data.z_step(x, v), z) < 1e-14
    assert data.relative_error(1.5 * z, z) == pytest.approx(0.5)


# Peers.


@lenient
@pytest.mark.parametrize("metric", ["l2", "inner_product", "l1"])
def test_every_peer_that_is_installed_finds_the_true_neighbours(metric: Metric) -> None:
    x, queries = data.normal(2000, 24), data.normal(5, 24, 1)
    searches = Peers("cpu").searches(x, metric, half=False)
    true = data.true_neighbours(x, queries, 7, metric)
    for name, search in searches.items():
        for count in (1, 5):
            assert data.recall(search(queries[:count], 7), true[:count]) == 1.0, name


@lenient
def test_every_peer_that_is_installed_finds_the_leading_subspace() -> None:
    x = data.decaying(1500, 40)
    for name, run in Peers("cpu").subspaces(x, 2).items():
        found = run()
        assert found.shape == (40, 2), name
        assert data.subspace_error(found, data.leading_subspace(x, 2)) < 0.05, name


def test_a_missing_peer_is_told_once_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "usearch.index", raising=False)
    monkeypatch.setitem(sys.modules, "usearch", None)
    peers = Peers("cpu")
    for _ in range(2):
        assert peers.module("usearch", "usearch.index") is None
    assert len(peers.missing) == 1
    assert peers.missing[0].startswith("usearch: ")
    assert Peers("cuda").module("usearch", "usearch.index") is None  # not looked for there


def test_on_a_mac_one_process_loads_one_openmp_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torch", "faiss", "sklearn"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "platform", "darwin")
    fake = ModuleType("faiss")
    monkeypatch.setitem(sys.modules, "faiss", fake)
    peers = Peers("metal")
    assert peers.module("faiss-cpu", "faiss") is fake
    assert peers.module("scikit-learn", "sklearn.neighbors") is None
    assert peers.missing[0].startswith("scikit-learn: beside faiss-cpu ")


# Cases, time and memory.


def test_names_are_unique_and_settings_stand_together() -> None:
    assert len({case.name for case in (*CASES, *CORNERS)}) == len(CASES) + len(CORNERS)
    for cases in (CASES, CORNERS):
        settings = [case.setting for case in cases]
        runs = [s for i, s in enumerate(settings) if i == 0 or s != settings[i - 1]]
        assert len(runs) == len(set(runs))


def test_names_choose_by_their_beginning_and_corners_only_when_named() -> None:
    assert schedule.chosen(()) == list(CASES)
    assert schedule.chosen(("corners",)) == list(CORNERS)
    assert {case.name for case in schedule.chosen(("svd-1m", "knn-100kx768-1"))} == {"svd-1mx768", "knn-100kx768-1"}
    with pytest.raises(UserError, match="No case is called nonsense; there are iteration"):
        schedule.chosen(("knn", "nonsense"))


def small(case: Case, **changes: Any) -> Case:
    return Case(**{**case.__dict__, **changes})


def run(
    monkeypatch: pytest.MonkeyPatch, device: DeviceInfo, cases: tuple[Case, ...], seconds: float = 60.0, **settings: object
) -> BenchResult:
    monkeypatch.setattr(schedule, "CASES", cases)
    monkeypatch.setattr(schedule, "measure_limits", lambda kind: LIMITS)
    monkeypatch.setattr(Peers, "searches", lambda self, x, metric, half: {})
    monkeypatch.setattr(Peers, "subspaces", lambda self, x, k: {})
    for name, value in settings.items():
        monkeypatch.setattr(schedule, name, value)
    return schedule.run_cases(device, (), 2, seconds, nothing, nothing)


def test_cases_of_one_setting_share_its_vectors(monkeypatch: pytest.MonkeyPatch, device: DeviceInfo) -> None:
    made = []
    original: Callable[[int, int, int], Any] = data.normal

    def counted(n: int, d: int, seed: int = 0) -> Any:
        made.extend([(n, d)] if seed == 0 else [])
        return original(n, d, seed)

    monkeypatch.setattr(data, "normal", counted)
    cases = (neighbours(2000, 8, 1), neighbours(2000, 8, 3), neighbours(3000, 8, 1), leading(2000, 12))
    result = run(monkeypatch, device, cases)
    assert made == [(2000, 8), (3000, 8)]
    assert not result.skipped
    ours = [2, 2, 2, 3]  # of the last the map's way too
    assert [row.case for row in result.rows] == [case.name for case, n in zip(cases, ours, strict=True) for _ in range(n)]
    for row in result.rows:
        assert row.count == 2
        if row.case.startswith("knn"):
            assert (row.recall, row.proven, row.error) == (1.0, 1.0, None)
        else:
            assert row.recall is None
            assert row.error is not None
            assert row.error < 1e-3


def test_what_does_not_fit_is_left_out_with_the_reason(monkeypatch: pytest.MonkeyPatch, device: DeviceInfo) -> None:
    fits = neighbours(2000, 8, 1)
    huge = small(fits, name="knn-huge", setting=Setting("search", 10**9, 10**4))
    endless = small(fits, name="knn-endless", work=Work(flops=1e18))
    odd = small(fits, name="knn-odd", unsuitable=lambda _device: "not on this device")
    result = run(monkeypatch, device, (fits, huge, endless, odd))
    assert {row.case for row in result.rows} == {fits.name}
    left_out = dict(text.split(": ", 1) for text in result.skipped)
    assert left_out["knn-odd"] == "not on this device"
    assert "GB" in left_out["knn-huge"]
    assert "are left" in left_out["knn-endless"]


def test_without_time_every_case_is_left_out(monkeypatch: pytest.MonkeyPatch, device: DeviceInfo) -> None:
    cases = (neighbours(2000, 8, 1), leading(2000, 12))
    result = run(monkeypatch, device, cases, seconds=1e-9)
    assert not result.rows
    assert len(result.skipped) == 2


def test_the_pace_of_one_case_foretells_the_next(monkeypatch: pytest.MonkeyPatch, device: DeviceInfo) -> None:
    clock = FakeClock()
    plan = schedule.Schedule(device, 100.0, clock)
    first, second = neighbours(2000, 8, 1), small(neighbours(2000, 8, 1), name="knn-next", work=Work(flops=5.5e10))
    samples, _ = measure(Contest({"ours": clock.runner(0.4)}), 2, Allowance(10.0, 1e9, clock=clock), {}, nothing)
    assert plan.too_long(second, LIMITS) is not None  # at the pace assumed, 2.5 times the limit of 5.5 s
    plan.learn(first, samples, Limits(bandwidth=1e9, rate=first.work.flops / 0.4))  # it ran at the limit
    assert plan.too_long(second, LIMITS) is None
    assert plan.expected(second, ["ours", "new"], LIMITS) == {"ours": pytest.approx(5.5), "new": 5.5 * schedule.PACE}
    clock.now += 95.0
    assert plan.too_long(second, LIMITS) is not None


def test_limits_of_this_machine_are_sane() -> None:
    found = measure_limits("cpu")
    assert 1e8 < found.bandwidth < 1e14
    assert 1e8 < found.rate < 1e16


def test_a_bed_of_spectrum_builds_no_index(device: DeviceInfo) -> None:
    bed = Bed(Setting("spectrum", 500, 8), device, Peers(device.kind))
    assert not bed._searches
    assert bed.vectors.rows == 500
