"""Points to pixels: every point is drawn once, in its place and its colour, whatever else there is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from core import raster_backend, raster_levels, rasterize
from core.rasterize import (
    Canvas,
    Colours,
    PointIndex,
    View,
    build_index,
    build_levels,
    disc_radius,
    draw,
    everything_shown,
    snapped,
)
from tests.core.loops import LOOPS, loops

Picture = NDArray[np.uint32]

BLACK = np.zeros(3, np.float32)
WHITE, RED, BLUE = (np.array(c, np.float32) for c in ([1, 1, 1], [1, 0, 0], [0, 0, 1]))
# All of their numbers are powers of two, so that a pan changes no bit of a point's place on the pixel grid.
SQUARE = View(-1.0, 1.0, -1.0, 1.0, 256, 256)


def index_of(points: NDArray[np.floating], codes: NDArray[np.integer] | None = None) -> PointIndex:
    coords = np.asarray(points, np.float32).reshape(-1, 2)
    colours = np.zeros(len(coords), np.uint16) if codes is None else codes.astype(np.uint16)
    return build_index(coords, np.arange(len(coords)), colours)


@pytest.fixture(params=LOOPS, autouse=True)
def inner_loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test holds for NumPy's loops and for the compiled ones."""
    monkeypatch.setattr("core.raster_backend._current", loops(request.param))


@pytest.fixture(params=["discs", "points", "levels"])
def manner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The ways in which points are drawn, each whatever their number."""
    manner = str(request.param)
    draw_in(manner, monkeypatch)
    return manner


def draw_in(manner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rasterize, "DISCS", 1e9 if manner == "discs" else -1)
    monkeypatch.setattr(raster_levels, "MANY", 0 if manner == "levels" else 1e9)
    # Cells as coarse as a test's few points make them are to be used, too.
    monkeypatch.setattr(rasterize, "FINE", 1e9 if manner == "levels" else 1.0)
    monkeypatch.setattr(raster_levels, "COARSEST", 64)


def painted(
    index: PointIndex,
    view: View = SQUARE,
    colours: NDArray[np.float32] = WHITE[None],
    background: NDArray[np.float32] = BLACK,
    shown: NDArray[np.bool_] | None = None,
    canvas: Canvas | None = None,
) -> Picture:
    inks = Colours(colours, background, shown)
    picture = draw(index, view, inks, 1.0, build_levels(index, inks.table), canvas)
    assert picture.shape == (view.height, view.width)
    assert picture.dtype == np.uint32
    assert np.all(picture >> 24 == 0xFF)
    return picture


def density(index: PointIndex, pixel_ratio: float = 1.0) -> NDArray[np.float32]:
    """Points a pixel, as discs add up to, the margin around the picture included."""
    radius = rasterize._look(index, SQUARE, pixel_ratio).radius
    place, _ = rasterize._place(SQUARE, radius)
    table = Colours(WHITE[None], BLACK).table
    frame, _ = rasterize._add_discs(raster_backend.current(), Canvas(), index, place, table, radius)
    return frame[:, :, 3]


def summed(index: PointIndex, shown: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """Points a pixel before any disc, by points or levels."""
    place, _ = rasterize._place(SQUARE, 1.0)
    table = Colours(np.ones((4, 3), np.float32), BLACK, shown).table
    levels = build_levels(index, table)
    return rasterize._add_points(raster_backend.current(), Canvas(), index, place, table, levels)[:, :, 3]


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
    index = index_of(points)
    radius = rasterize._look(index, SQUARE, pixel_ratio).radius
    # A disc with a linear rim from radius - 1/2 to radius + 1/2; sampling at pixels is off by some per cent for the smallest.
    area = np.pi * (radius**2 + 1 / 12)
    # The margin around the picture counts, too.
    np.testing.assert_allclose(density(index, pixel_ratio).sum(dtype=np.float64), count * area, rtol=0.03 if count > 1 else 0.1)


def test_coverage_does_not_depend_on_where_in_a_pixel_a_point_lies() -> None:
    totals = []
    for step in np.linspace(0, 1, 9):
        point = np.array([[step / 128, step / 128 / 3]])
        totals.append(float(density(index_of(point)).sum()))
    np.testing.assert_allclose(totals, np.mean(totals), rtol=0.03)


def test_points_drawn_in_many_batches_give_the_picture_of_one(manner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    points, codes = on_grid(3000), np.arange(3000) % 2
    whole = painted(index_of(points, codes), colours=np.stack([RED, BLUE]))
    monkeypatch.setattr("core.raster_numpy.BATCH", 1000)
    monkeypatch.setattr("core.raster_numpy.SAMPLES", 1000)
    parts = painted(index_of(points, codes), colours=np.stack([RED, BLUE]))
    # Sums of float32 in another order: at most the last step of a channel.
    assert np.abs(channels(whole) - channels(parts)).max() <= 1


@pytest.mark.parametrize("bands", [2, 3, 7])
def test_the_picture_does_not_depend_on_the_number_of_threads(manner: str, bands: int) -> None:
    index = index_of(on_grid(5000, extent=1.2), np.arange(5000) % 2)
    colours = np.stack([RED, BLUE])
    with ThreadPoolExecutor(bands) as pool:
        together = painted(index, colours=colours, canvas=Canvas(pool, bands))
    # To the last step of a channel: NumPy adds up sparse bands and dense ones in different ways.
    assert np.abs(channels(together) - channels(painted(index, colours=colours))).max() <= 1


def test_a_canvas_keeps_nothing_of_the_picture_before() -> None:
    canvas, index = Canvas(), index_of(on_grid(400))
    for view in (SQUARE, SQUARE.widened(0.25), SQUARE):
        np.testing.assert_array_equal(painted(index, view, canvas=canvas), painted(index, view))


@pytest.mark.parametrize("count", [1, 100, 20_000])
@pytest.mark.parametrize("manner", ["points", "levels"])
def test_every_point_in_view_is_counted_once(count: int, manner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_in(manner, monkeypatch)
    generator = np.random.default_rng(count)
    points = 0.2 * generator.normal(size=(count, 2))
    points[::50] = generator.uniform(-0.99, 0.99, (len(points[::50]), 2))  # outliers among them
    points = points.clip(-0.99, 0.99)
    points[1::2] = points[0]
    index = index_of(points)
    assert count < 100 or len(index.outliers)
    np.testing.assert_allclose(summed(index).sum(dtype=np.float64), count, rtol=1e-6)


# Place.


@pytest.mark.parametrize("right", [0, 1, -3, 17])
@pytest.mark.parametrize("up", [0, 2, -20])
def test_a_pan_by_whole_pixels_shifts_the_picture_exactly(manner: str, right: int, up: int) -> None:
    index = index_of(on_grid(2000), np.arange(2000) % 2)
    colours = np.stack([RED, BLUE])
    dx, dy = right / 128, up / 128
    panned = View(SQUARE.x0 - dx, SQUARE.x1 - dx, SQUARE.y0 - dy, SQUARE.y1 - dy, 256, 256)
    # All points stay in view, 64 pixels from its rim, so that nothing comes in where the shifted picture is rolled over.
    np.testing.assert_array_equal(
        painted(index, panned, colours), np.roll(painted(index, SQUARE, colours), (-up, right), axis=(0, 1))
    )


def test_a_pan_that_brings_other_points_into_view_changes_nothing_else(manner: str) -> None:
    """Neither the size of a point nor how a crowd is told depends on what is in view."""
    index = index_of(np.concatenate([on_grid(2000, extent=0.3), 1.5 + on_grid(20, 1)]))
    panned = View(SQUARE.x0 + 0.75, SQUARE.x1 + 0.75, SQUARE.y0 + 0.75, SQUARE.y1 + 0.75, 256, 256)
    np.testing.assert_array_equal(painted(index, panned)[96:, :-96], painted(index)[:-96, 96:])


def test_a_widened_view_shows_the_same_pixels_and_more_around(manner: str) -> None:
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


def test_a_point_has_the_size_of_its_disc_in_device_pixels(manner: str) -> None:
    index = index_of(on_grid(50))
    sizes = []
    for ratio in (1.0, 1.5, 2.0):
        side = round(256 * ratio)
        picture = draw(index, View(-1.0, 1.0, -1.0, 1.0, side, side), Colours(WHITE[None], BLACK), ratio)
        sizes.append(np.sqrt(np.count_nonzero(picture != 0xFF000000)) / ratio)
    np.testing.assert_allclose(sizes, sizes[0], rtol=0.2)


@pytest.mark.parametrize("count", [1000, 100_000])
def test_a_single_outlier_is_seen_beside_a_crowd(count: int) -> None:
    points = np.concatenate([0.05 * np.random.default_rng(0).normal(size=(count, 2)) - 0.5, [[0.75, 0.75]]])
    for background, ink in ((BLACK, WHITE), (WHITE, BLACK)):
        picture = painted(index_of(points), colours=ink[None], background=background)
        around = channels(picture)[:, 20:45, 210:240]
        contrast = np.abs(around - channels(picture)[:, 255:, 255:]).max()
        assert contrast >= 64


# Extremes.


def test_points_that_are_not_finite_are_left_out(manner: str) -> None:
    good = on_grid(200)
    points = np.insert(good, [0, 50, 200], [[np.nan, 0], [0, np.inf], [-np.inf, np.nan]], axis=0)
    index = index_of(points)
    assert (index.count, index.left_out) == (200, 3)
    assert not set(index.rows.tolist()) & {0, 51, 202}
    np.testing.assert_array_equal(painted(index), painted(index_of(good)))


def test_no_points_leave_the_background(manner: str) -> None:
    for empty in (np.empty((0, 2)), np.full((4, 2), np.nan)):
        picture = painted(index_of(empty), background=np.full(3, 0.2140, np.float32))
        assert np.unique(picture).tolist() == [0xFF7F7F7F]


@pytest.mark.parametrize("count", [1, 2, 1000])
def test_identical_points_make_one_disc(count: int) -> None:
    picture = painted(index_of(np.zeros((count, 2))))
    lit = np.argwhere(picture != 0xFF000000)
    reach = disc_radius(1, 1.0) + 1
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
    assert np.ptp(across) <= 2 * (disc_radius(1, 1.0) + 1)


@pytest.mark.parametrize("factor", [1e-30, 1e-12, 1e12, 1e30])
def test_coordinates_of_any_size_draw_the_same_picture(factor: float) -> None:
    scale = 2.0 ** round(np.log2(factor))
    points = on_grid(500)
    view = View(-scale, scale, -scale, scale, 256, 256)
    np.testing.assert_array_equal(painted(index_of(points * np.float32(scale)), view), painted(index_of(points)))


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


def test_recoloured_points_are_drawn_as_if_indexed_with_those_colours(manner: str) -> None:
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


def test_hidden_codes_are_not_drawn(manner: str) -> None:
    points, codes = on_grid(2000), np.arange(2000) % 3
    index, colours, shown = index_of(points, codes), np.stack([RED, BLUE, RED]), everything_shown()
    shown[1] = False
    assert channels(painted(index, colours=colours, shown=shown))[2].max() == 0
    assert channels(painted(index, colours=colours, shown=shown))[0].max() > 0
    shown[:] = False
    assert np.all(painted(index, colours=colours, shown=shown) == 0xFF000000)
    shown[:] = True
    np.testing.assert_array_equal(painted(index, colours=colours, shown=shown), painted(index, colours=colours))


@pytest.mark.parametrize("manner", ["points", "levels"])
def test_what_is_shown_and_what_is_hidden_make_up_all(manner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_in(manner, monkeypatch)
    index, shown = index_of(on_grid(3000, extent=1.0), np.arange(3000) % 4), everything_shown()
    shown[[1, 2]] = False
    parts = [float(summed(index, mask).sum(dtype=np.float64)) for mask in (shown, ~shown)]
    np.testing.assert_allclose(parts, 1500, rtol=1e-6)


def test_more_points_on_a_pixel_are_never_fainter(manner: str) -> None:
    """Each pixel of a dot, whatever its distance from the middle; and a dot gets no ring."""
    before = np.zeros((9, 9))
    for count in (1, 2, 3, 5, 9, 20, 50, 100, 999):
        # The same number of points in the file and in view: only the crowd on one place differs.
        points = np.concatenate([np.zeros((count, 2)) + 0.5 / 128, np.repeat([[0.7, 0.7]], 1000 - count, axis=0)])
        light = channels(painted(index_of(points)))[0, 123:132, 124:133].astype(float)
        assert np.all(light >= before)
        outwards = light[4, 4:]
        assert np.all(np.diff(outwards) <= 0)
        before = light


@pytest.mark.parametrize("count", [75_000, 150_000, 260_000])
@pytest.mark.parametrize("cells", [0.55, 0.8, 0.97])
def test_cells_and_pixels_do_not_beat(count: int, cells: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evenly strewn points through a level whose cells are `cells` pixels wide: no pattern that single points would not show."""
    draw_in("levels", monkeypatch)
    monkeypatch.setattr(rasterize, "FINE", 1.0)
    index = index_of(np.random.default_rng(1).uniform(-1, 1, (count, 2)))
    half = 64 * (index.grid.x1 - index.grid.x0) / (cells * index.grid.cells)
    view = View(-half, half, -half, half, 128, 128)
    inks = Colours(WHITE[None], BLACK)
    levels = build_levels(index, inks.table)
    place, _ = rasterize._place(view, 1.0)
    assert rasterize._level(index, place, levels) is not None
    for axis in (1, 2):
        # A beat is a line in the spectrum of the columns' mean brightness; it is to stay within a step of it.
        strongest = []
        for used in (levels, None):
            means = channels(draw(index, view, inks, 1.0, used)).mean(axis=(0, axis))
            strongest.append(2 / len(means) * np.abs(np.fft.rfft(means - means.mean())).max())
        assert strongest[0] <= strongest[1] + 1


@pytest.mark.parametrize("pixel_ratio", [1.0, 1.5, 2.0])
def test_the_compiled_loops_draw_the_picture_of_numpy(manner: str, pixel_ratio: float) -> None:
    generator = np.random.default_rng(3)
    points = generator.normal(size=(20_000, 2)) * 0.2
    points[::3] = points[0]
    points[1::400] *= 8
    index = index_of(points, generator.integers(0, 5, len(points)))
    inks = Colours(generator.random((5, 3), np.float32), np.full(3, 0.9, np.float32))
    levels = build_levels(index, inks.table)
    for zoom in (1.0, 4.0, 50.0):
        view = View(-1.0 / zoom, 1.0 / zoom, -1.0 / zoom, 1.0 / zoom, 200, 200)
        one, other = (draw(index, view, inks, pixel_ratio, levels, backend=loops(name)) for name in LOOPS)
        assert np.abs(channels(one) - channels(other)).max() <= 1


def test_discs_shrink_as_points_grow_in_number() -> None:
    radii = [disc_radius(count, 1.0) for count in (0, 1, 10, 100, 10_000, 10**6, 10**7)]
    assert radii == sorted(radii, reverse=True)
    assert radii[-1] > 0
    assert disc_radius(100, 2.0) == 2 * disc_radius(100, 1.0)


def test_a_view_tells_its_scale_in_pixels_a_unit() -> None:
    view = replace(SQUARE, x1=3.0, height=512)
    assert view.scale == (64.0, 256.0)
