"""Medians and their ratio: the interval holds the truth about as often as it says."""

from __future__ import annotations

import numpy as np
import pytest

from core.statistics import MIN_SAMPLES, Ratio, median, median_ratio, running_medians


def timings(generator: np.random.Generator, typical: float, count: int) -> list[float]:
    """Lognormal with median `typical`, as timings are: a sharp lower edge, a long tail."""
    return [float(t) for t in typical * np.exp(0.25 * generator.normal(size=count))]


@pytest.mark.parametrize("samples", [12, 30])
@pytest.mark.parametrize("ratio", [1.0, 1.4])
def test_the_interval_holds_the_true_ratio_about_19_times_in_20(samples: int, ratio: float) -> None:
    generator = np.random.default_rng(samples)
    hits = 0
    for trial in range(200):
        found = median_ratio(timings(generator, 3.0 * ratio, samples), timings(generator, 3.0, samples), trial)
        assert found is not None
        assert found.low <= found.value <= found.high
        hits += found.low <= ratio <= found.high
    # 190 of 200 are promised, and fewer than 176 would then be rare (3 in 10^5); an 80 % interval gives 160.
    assert hits >= 176


def test_an_interval_that_always_held_would_be_too_wide() -> None:
    generator = np.random.default_rng(1)
    hits = 0
    for trial in range(200):
        found = median_ratio(timings(generator, 3.0, 40), timings(generator, 3.0, 40), trial)
        assert found is not None
        hits += found.low <= 1.0 <= found.high
    assert hits < 200


def test_no_difference_is_shown_where_there_is_none_but_by_chance() -> None:
    generator = np.random.default_rng(2)
    found = [median_ratio(timings(generator, 2.0, 20), timings(generator, 2.0, 20), trial) for trial in range(200)]
    assert sum(ratio is not None and ratio.shown for ratio in found) <= 24


def test_a_plain_difference_is_shown_either_way() -> None:
    generator = np.random.default_rng(3)
    slow, fast = timings(generator, 3.0, 20), timings(generator, 1.0, 20)
    up, down = median_ratio(slow, fast), median_ratio(fast, slow)
    assert up is not None
    assert down is not None
    assert up.shown
    assert down.shown
    assert up.low > 1
    assert down.high < 1
    assert up.value == pytest.approx(np.median(slow) / np.median(fast))
    assert up.value * down.value == pytest.approx(1)


def test_more_samples_narrow_the_interval() -> None:
    generator = np.random.default_rng(4)
    few = median_ratio(timings(generator, 2.0, 10), timings(generator, 1.0, 10))
    many = median_ratio(timings(generator, 2.0, 400), timings(generator, 1.0, 400))
    assert few is not None
    assert many is not None
    assert many.high - many.low < (few.high - few.low) / 2


@pytest.mark.parametrize(
    ("low", "high", "shown"), [(1.01, 2.0, True), (0.5, 0.99, True), (0.9, 1.1, False), (1.0, 1.2, False), (0.8, 1.0, False)]
)
def test_a_difference_is_shown_where_the_interval_leaves_out_one(low: float, high: float, shown: bool) -> None:
    assert Ratio((low + high) / 2, low, high).shown is shown


def test_too_few_samples_of_either_kind_tell_nothing() -> None:
    enough, too_few = [1.0] * MIN_SAMPLES, [1.0] * (MIN_SAMPLES - 1)
    assert median_ratio(too_few, enough) is None
    assert median_ratio(enough, too_few) is None
    assert median_ratio([], []) is None
    assert median_ratio(enough, enough) == Ratio(1.0, 1.0, 1.0)


def test_the_same_samples_and_seed_give_the_same_interval() -> None:
    generator = np.random.default_rng(5)
    slow, fast = timings(generator, 2.0, 9), timings(generator, 1.0, 9)
    assert median_ratio(slow, fast) == median_ratio(slow, fast)


def test_one_outlier_hardly_moves_the_median() -> None:
    assert median([1.0, 2.0, 3.0, 4.0, 1e9]) == 3.0
    assert median([2.0, 1.0]) == 1.5


@pytest.mark.parametrize("count", [0, 1, 6, 7, 8, 40])
def test_running_medians_are_those_of_the_last_few(count: int) -> None:
    values = np.random.default_rng(count).normal(size=count)
    expected = [np.median(values[max(0, i - 6) : i + 1]) for i in range(count)]
    np.testing.assert_array_equal(running_medians([float(v) for v in values], 7), expected)
