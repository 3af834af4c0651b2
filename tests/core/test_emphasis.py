"""Chosen points are seen over all others, which step back."""

from __future__ import annotations

import numpy as np
import pytest

from core.emphasis import draw_parted, halves, part
from core.point_index import everything_shown
from core.rasterize import Colours, View, build_index, build_levels, draw, ground_pixel, snapped

VIEW = snapped(View(-1.0, 1.0, -1.0, 1.0, 200, 200))
RED, BLUE = 0, 1
INKS = Colours(np.array([[1, 0, 0], [0, 0, 1]], np.float32), np.full(3, 0.01, np.float32))


def _crowd(count: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(-0.9, 0.9, (count, 2)).astype(np.float32)


@pytest.mark.parametrize("count", [2_000, 400_000])
def test_a_chosen_point_is_seen_under_any_crowd(count: int) -> None:
    coords = _crowd(count)
    coords[0] = (0.0, 0.0)
    codes = np.zeros(count, np.uint16)
    codes[0] = BLUE
    index = build_index(coords, np.arange(count), codes)
    parted = part(index, build_levels(index, INKS.table), np.array([0]))
    picture, _ = draw_parted(parted, VIEW, INKS, 1.0)
    red, blue = picture[100, 100] >> 16 & 0xFF, picture[100, 100] & 0xFF
    assert blue > 150 > 100 > red
    assert (picture >> 16 & 0xFF).max() < 130, "the others are faint"


def test_with_all_chosen_the_picture_is_the_plain_one() -> None:
    coords = _crowd(5_000)
    index = build_index(coords, np.arange(5_000), (np.arange(5_000) % 2).astype(np.uint16))
    levels = build_levels(index, INKS.table)
    picture, _ = draw_parted(part(index, levels, np.arange(5_000)), VIEW, INKS, 1.0)
    np.testing.assert_array_equal(picture, draw(index, VIEW, INKS, 1.0, levels))


def test_hidden_codes_stay_hidden_on_both_sides() -> None:
    shown = everything_shown()
    shown[[RED, BLUE]] = False
    coords = _crowd(500)
    index = build_index(coords, np.arange(500), (np.arange(500) % 2).astype(np.uint16))
    inks = Colours(INKS.points, INKS.background, shown)
    picture, _ = draw_parted(part(index, build_levels(index, inks.table), np.arange(100)), VIEW, inks, 1.0)
    assert np.unique(picture).tolist() == [ground_pixel(inks)]


def test_each_doubled_code_is_in_one_half() -> None:
    back, front = halves(INKS)
    assert back.shown is not None
    assert front.shown is not None
    assert (back.shown ^ front.shown).all()
    np.testing.assert_array_equal(front.points[::2], INKS.points)


def test_codes_that_cannot_be_doubled_are_refused() -> None:
    index = build_index(_crowd(3), np.arange(3), np.full(3, 40_000, np.uint16))
    with pytest.raises(ValueError, match="below 32768"):
        part(index, build_levels(index, INKS.table), np.array([0]))
