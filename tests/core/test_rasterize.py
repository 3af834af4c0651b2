"""Points to pixels: every point is drawn once, in its place and its colour, whatever else there is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from core import rasterize
from core.rasterize import PointIndex, View, build_index, disc_radius, draw, snapped

Picture = NDArray[np.uint32]

BLACK = np.zeros(3, np.float32)
WHITE, RED, BLUE = (np.array(c, np.float32) for c in ([1, 1, 1], [1, 0, 0], [0, 0, 1]))
# All of their numbers are powers of two, so that a pan changes no bit of a point's place on the pixel grid.
SQUARE = View(-1.0, 1.0, -1.0, 1.0, 256, 256)


def index_of(points: NDArray[np.floating], codes: NDArray[np.integer] | None = None) -> PointIndex:
    coords = np.asarray(points, np.float32).reshape(-1, 2)
    colours = np.zeros(len(coords), np.uint16) if codes is None else codes.astype(np.uint16)
    return build_index(coords, np.arange(len(coords)), colours)


def painted(
    index: PointIndex, view: View = SQUARE, colours: NDArray[np.float32] = WHITE[None], background: NDArray[np.float32] = BLACK
) -> Picture:
    picture = draw(index, view, colours, background, 1.0)
    assert picture.shape == (view.height, view.width)
    assert picture.dtype == np.uint32
    assert np.all(picture >> 24 == 0xFF)
    return picture


def channels(picture: Picture) -> NDArray[np.int64]:
    """Red, green and blue, (3, height, width)."""
    return np.stack([picture >> shift & 0xFF for shift in (16, 8, 0)]).astype(np.int64)


def encoded(linear: float) -> int:
    """A channel's byte, by the sRGB standard."""
    return round(255 * (12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055))


def on_grid(count: int, seed: int = 0, extent: float = 0.5) -> NDArray[np.float32]:
    """Points at multiples of 2^-16 within ±extent: their places on the pixel grid are exact."""
    steps = np.random.default_rng(seed).integers(-int(extent * 2**16), int(extent * 2**16), (count, 2))
    return np.asarray(steps / 2**16, np.float32)


# Coverage.


@pytest.mark.parametrize("count", [1, 10, 1000, 30_000])
@pytest.mark.parametrize("pixel_ratio", [1.0, 2.0])
def test_every_point_adds_the_area_of_its_disc(count: int, pixel_ratio: float) -> None:
    points = np.random.default_rng(count).uniform(-0.8, 0.8, (count, 2))
    layers = rasterize._accumulate(index_of(points), SQUARE, WHITE[None], pixel_ratio)
    radius = disc_radius(count, pixel_ratio)
    # A disc with a linear rim from radius - 1/2 to radius + 1/2; sampling at pixels is off by some per cent for the smallest.
    area = np.pi * (radius**2 + 1 / 12)
    # The margin around the picture counts, too.
    np.testing.assert_allclose(layers.density.sum(dtype=np.float64), count * area, rtol=0.03 if count > 1 else 0.1)


def test_coverage_does_not_depend_on_where_in_a_pixel_a_point_lies() -> None:
    totals = []
    for step in np.linspace(0, 1, 9):
        point = np.array([[step / 128, step / 128 / 3]])
        totals.append(float(rasterize._accumulate(index_of(point), SQUARE, WHITE[None], 1.0).density.sum()))
    np.testing.assert_allclose(totals, np.mean(totals), rtol=0.03)


def test_points_drawn_in_many_batches_give_the_picture_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    points, codes = on_grid(3000), np.arange(3000) % 2
    whole = painted(index_of(points, codes), colours=np.stack([RED, BLUE]))
    monkeypatch.setattr(rasterize, "BATCH", 1000)
    parts = painted(index_of(points, codes), colours=np.stack([RED, BLUE]))
    # Sums of float32 in another order: at most the last step of a channel.
    assert np.abs(channels(whole) - channels(parts)).max() <= 1


# Place.


@pytest.mark.parametrize("right", [0, 1, -3, 17])
@pytest.mark.parametrize("up", [0, 2, -20])
def test_a_pan_by_whole_pixels_shifts_the_picture_exactly(right: int, up: int) -> None:
    index = index_of(on_grid(2000), np.arange(2000) % 2)
    colours = np.stack([RED, BLUE])
    dx, dy = right / 128, up / 128
    panned = View(SQUARE.x0 - dx, SQUARE.x1 - dx, SQUARE.y0 - dy, SQUARE.y1 - dy, 256, 256)
    # All points stay in view, 64 pixels from its rim, so that nothing comes in where the shifted picture is rolled over.
    np.testing.assert_array_equal(
        painted(index, panned, colours), np.roll(painted(index, SQUARE, colours), (-up, right), axis=(0, 1))
    )


def test_a_widened_view_shows_the_same_pixels_and_more_around() -> None:
    index = index_of(on_grid(500))
    wide = SQUARE.widened(0.25)
    assert (wide.width, wide.height) == (384, 384)
    assert wide.scale == SQUARE.scale
    np.testing.assert_array_equal(painted(index, wide)[64:-64, 64:-64], painted(index))


def test_a_snapped_view_moves_less_than_a_pixel_onto_the_grid() -> None:
    view = View(-0.3001, 0.777, 12.34, 15.6, 640, 480)
    moved = snapped(view)
    assert (moved.width, moved.height) == (640, 480)
    np.testing.assert_allclose(moved.scale, view.scale, rtol=1e-12)
    for start, new, scale in [(view.x0, moved.x0, view.scale[0]), (view.y0, moved.y0, view.scale[1])]:
        assert abs(new - start) * scale <= 0.5 + 1e-9
        assert abs(new * scale - round(new * scale)) < 1e-6
    again = snapped(moved)
    np.testing.assert_allclose((again.x0, again.y0), (moved.x0, moved.y0), rtol=1e-12)


def test_y_grows_upwards_and_x_to_the_right() -> None:
    picture = painted(index_of(np.array([[0.5, 0.75]])))
    row, column = np.argwhere(picture == picture.max()).mean(axis=0)
    assert abs(column - 0.75 * 256) <= 1
    assert abs(row - 0.125 * 256) <= 1


@pytest.mark.parametrize("past", [0.0, 1.0, 3.0, 4.5, 8.0])
@pytest.mark.parametrize("side", [(1, 0), (-1, 0), (0, 1), (0, -1)])
def test_a_disc_at_the_rim_is_cut_not_moved_nor_lost(past: float, side: tuple[int, int]) -> None:
    """What a view shows of points at its edge is what a larger view shows there."""
    at = 1 + past / 128
    index = index_of(np.array([[side[0] * at, side[1] * at], [0.125, 0.0]]))
    np.testing.assert_array_equal(painted(index), painted(index, SQUARE.widened(0.5))[128:-128, 128:-128])


def test_points_out_of_view_leave_it_as_it_is() -> None:
    inside, outside = on_grid(5), 3 + on_grid(5)
    alone = rasterize._accumulate(index_of(inside), SQUARE, WHITE[None], 1.0)
    together = rasterize._accumulate(index_of(np.concatenate([inside, outside])), SQUARE, WHITE[None], 1.0)
    np.testing.assert_array_equal(alone.density, together.density)


@pytest.mark.parametrize("count", [1000, 100_000])
def test_a_single_outlier_is_seen_beside_a_crowd(count: int) -> None:
    points = np.concatenate([0.05 * np.random.default_rng(0).normal(size=(count, 2)) - 0.5, [[0.75, 0.75]]])
    for background, ink in ((BLACK, WHITE), (WHITE, BLACK)):
        picture = painted(index_of(points), colours=ink[None], background=background)
        around = channels(picture)[:, 20:45, 210:240]
        contrast = np.abs(around - channels(picture)[:, 255:, 255:]).max()
        assert contrast >= 64


# Extremes.


def test_points_that_are_not_finite_are_left_out() -> None:
    good = on_grid(200)
    points = np.insert(good, [0, 50, 200], [[np.nan, 0], [0, np.inf], [-np.inf, np.nan]], axis=0)
    index = index_of(points)
    assert index.count == 200
    assert not set(index.rows.tolist()) & {0, 51, 202}
    np.testing.assert_array_equal(painted(index), painted(index_of(good)))


def test_no_points_leave_the_background() -> None:
    for empty in (np.empty((0, 2)), np.full((4, 2), np.nan)):
        picture = painted(index_of(empty), background=np.full(3, 0.2140, np.float32))
        assert np.unique(picture).tolist() == [0xFF7F7F7F]


@pytest.mark.parametrize("count", [1, 2, 1000])
def test_identical_points_make_one_disc(count: int) -> None:
    picture = painted(index_of(np.zeros((count, 2))))
    lit = np.argwhere(picture != 0xFF000000)
    reach = disc_radius(count, 1.0) + 1
    assert len(lit)
    assert np.all(np.abs(lit - 127.5) <= reach)
    assert channels(picture)[0].max() >= 240


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("at", [0.0, 0.25])
def test_points_without_extent_in_one_direction_make_a_line(axis: int, at: float) -> None:
    points = np.full((400, 2), at)
    points[:, axis] = np.linspace(-0.5, 0.5, 400)
    lit = np.argwhere(painted(index_of(points)) != 0xFF000000)
    across, along = (lit[:, 0], lit[:, 1]) if axis == 0 else (lit[:, 1], lit[:, 0])
    assert np.ptp(along) >= 128
    assert np.ptp(across) <= 2 * (disc_radius(400, 1.0) + 1)


@pytest.mark.parametrize("factor", [1e-30, 1e-12, 1e12, 1e30])
def test_coordinates_of_any_size_draw_the_same_picture(factor: float) -> None:
    scale = 2.0 ** round(np.log2(factor))
    points = on_grid(500)
    view = View(-scale, scale, -scale, scale, 256, 256)
    np.testing.assert_array_equal(painted(index_of(points * np.float32(scale)), view), painted(index_of(points)))


@given(seed=st.integers(0, 1000), count=st.integers(1, 3000), spread=st.sampled_from([0.0, 1e-6, 1.0, 1e6]), low=st.floats(-2, 2))
def test_every_point_is_found_in_the_cells_around_its_place(seed: int, count: int, spread: float, low: float) -> None:
    generator = np.random.default_rng(seed)
    points = (low + spread * generator.normal(size=(count, 2))).astype(np.float32)
    points[generator.random(count) < 0.05] = np.nan
    index = index_of(points)
    assert sorted(index.rows.tolist()) == np.flatnonzero(np.isfinite(points).all(axis=1)).tolist()
    np.testing.assert_array_equal(np.stack([index.x, index.y], 1), points[index.rows])
    assert index.starts[0] == 0
    assert index.starts[-1] == index.count
    for i in generator.integers(0, max(index.count, 1), 20 if index.count else 0):
        first, last = index.cell_rows(float(index.y[i]), float(index.y[i]))
        assert index.starts[first] <= i < index.starts[last + 1]


# Colour.


@pytest.mark.parametrize("background", [0.0, 0.0117, 0.5, 1.0])
def test_the_background_is_encoded_as_srgb(background: float) -> None:
    picture = painted(index_of(np.array([[0.0, 0.0]])), background=np.full(3, background, np.float32))
    byte = int(channels(picture)[0, 0, 0])
    # The table has 4096 steps, fewer than sRGB wants near black.
    assert abs(byte - encoded(background)) <= 1


@pytest.mark.parametrize(("colour", "expected"), [(RED, (255, 0, 0)), (BLUE, (0, 0, 255)), (WHITE, (255, 255, 255))])
def test_a_single_point_has_its_colour(colour: NDArray[np.float32], expected: tuple[int, int, int]) -> None:
    centre = channels(painted(index_of(np.array([[0.0, 0.0]])), colours=colour[None]))[:, 128, 128]
    np.testing.assert_allclose(centre, expected, atol=8)


def test_a_crowd_of_two_colours_shows_their_mean_whatever_their_order() -> None:
    codes = np.arange(600) % 2
    for order in (codes, np.sort(codes), 1 - np.sort(codes)):
        red, green, blue = channels(painted(index_of(np.zeros((600, 2)), order), colours=np.stack([RED, BLUE])))[:, 128, 128]
        assert green == 0
        assert abs(red - encoded(0.5)) <= 2
        assert abs(blue - encoded(0.5)) <= 2


def test_of_two_points_on_one_place_the_later_in_the_file_shows() -> None:
    points = np.zeros((2, 2))
    for codes, lit, unlit in [(np.array([0, 1]), 2, 0), (np.array([1, 0]), 0, 2)]:
        centre = channels(painted(index_of(points, codes), colours=np.stack([RED, BLUE])))[:, 128, 128]
        assert centre[lit] > centre[unlit]


def test_recoloured_points_are_drawn_as_if_indexed_with_those_colours() -> None:
    points = on_grid(300)
    points[7] = np.nan
    before, after = np.arange(300) % 3, np.arange(300) % 2
    colours = np.stack([RED, BLUE, WHITE])
    index = index_of(points, before)
    recoloured = index.recoloured(after.astype(np.uint16))
    np.testing.assert_array_equal(painted(recoloured, colours=colours), painted(index_of(points, after), colours=colours))
    np.testing.assert_array_equal(painted(index, colours=colours), painted(index_of(points, before), colours=colours))


def test_codes_are_given_by_row_of_the_data_set() -> None:
    codes = np.zeros(100, np.uint16)
    codes[42] = 1
    index = build_index(np.array([[0.0, 0.0]], np.float32), np.array([42]), codes)
    red, _, blue = channels(painted(index, colours=np.stack([RED, BLUE])))[:, 128, 128]
    assert (red, blue > 200) == (0, True)


def test_more_points_on_a_pixel_are_never_fainter() -> None:
    before = 0
    for count in (1, 2, 5, 20, 100, 1000):
        # The same number of points in the file and in view: only the crowd on one place differs.
        points = np.concatenate([np.zeros((count, 2)), np.repeat([[0.7, 0.7]], 1000 - count, axis=0)])
        light = int(channels(painted(index_of(points)))[0, 128, 128])
        assert light >= before
        before = light


def test_discs_shrink_as_points_grow_in_number() -> None:
    radii = [disc_radius(count, 1.0) for count in (0, 1, 10, 100, 10_000, 10**6, 10**7)]
    assert radii == sorted(radii, reverse=True)
    assert radii[-1] > 0
    assert disc_radius(100, 2.0) == 2 * disc_radius(100, 1.0)


def test_a_view_tells_its_scale_in_pixels_a_unit() -> None:
    view = replace(SQUARE, x1=3.0, height=512)
    assert view.scale == (64.0, 256.0)
