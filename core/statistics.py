"""How fast, with how much doubt: medians and bootstrap intervals. One definition for the window, the bench and the tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
MIN_SAMPLES = 5  # of each kind, before a ratio is told


@dataclass(frozen=True, slots=True)
class Ratio:
    """The ratio of two medians, slower / faster read as 'times as fast', with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def shown(self) -> bool:
        """Whether the interval excludes 1: a difference has been shown."""
        return self.low > 1.0 or self.high < 1.0


def median(values: Sequence[float]) -> float:
    return float(np.median(values))


def running_medians(values: Sequence[float], window: int) -> NDArray[np.float64]:
    """The median of each value (n,) and those before it, `window` at most."""
    every = np.asarray(values, np.float64)
    beginning = [np.median(every[: i + 1]) for i in range(min(window - 1, len(every)))]
    if len(every) < window:
        return np.array(beginning, np.float64)
    return np.concatenate([beginning, np.median(np.lib.stride_tricks.sliding_window_view(every, window), axis=1)])


def median_ratio(numerator: Sequence[float], denominator: Sequence[float], seed: int = 0) -> Ratio | None:
    """Median of `numerator` over that of `denominator` with a percentile bootstrap interval; None for too few samples.

    Efron, Tibshirani: An Introduction to the Bootstrap (1993), chapter 13. Both sets are resampled apart.
    """
    if min(len(numerator), len(denominator)) < MIN_SAMPLES:
        return None
    generator = np.random.default_rng(seed)
    tops, bottoms = (
        np.median(generator.choice(np.asarray(values), (RESAMPLES, len(values))), axis=1) for values in (numerator, denominator)
    )
    low, high = np.quantile(tops / bottoms, [0.025, 0.975])
    return Ratio(median(numerator) / median(denominator), float(low), float(high))
