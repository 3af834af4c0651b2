"""The inner loops of drawing, picking and selecting, compiled. core.raster_numpy has the same functions, without a compiler.

Importing this module imports numba and compiles nothing; `compile_all` does, or loads from disk what it compiled before. No
kernel holds the interpreter lock. None runs in parallel inside: whoever draws gives each thread a band of lines of its own, and
what a band receives, and in which order, does not depend on the others.

A frame is (lines, columns, 4) float32: linear light summed over points, and their number. Line 0 is at the bottom. A data point
(x, y) falls on column floor(x * sx) - ox and line floor(y * sy) - oy, so that a pan moves all points by the same whole pixels. A
`part` of the points is the first and last row of cells to look at, and from which x to which.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

F = TypeVar("F", bound=Callable[..., Any])
Array = Any  # numba is given types by the signatures below
Part = tuple[int, int, float, float]
Place = tuple[float, float, int, int]

_pending: list[tuple[Any, str]] = []

_POINTS = "float32[::1], float32[::1], uint16[::1]"
_PART = "int64[::1], Tuple((int64, int64, float64, float64))"
_PLACE = "Tuple((float64, float64, int64, int64))"
_FRAME = "float32[:,:,::1]"
_BAND = "int64, int64"
_GRID = "int64[::1], float64, float64, int64"


def _compiled(function: F) -> F:
    """Compiled at the first call, kept on disk if there is a place for it."""
    try:
        kept: Any = njit(nogil=True, cache=True)(function)
    except RuntimeError:  # neither beside this file nor in the user's cache folder can be written
        kept = njit(nogil=True)(function)
    return cast(F, kept)


def _kernel(signature: str) -> Callable[[F], F]:
    """Compiled for these types and no others, by `compile_all`."""

    def compiled(function: F) -> F:
        kept = _compiled(function)
        _pending.append((kept, signature))
        return kept

    return compiled


def compile_all(stop: Callable[[], bool]) -> bool:
    """Compile or load every kernel, a second or several; whether all of them are there, False if `stop` said so in between."""
    while _pending:
        if stop():
            return False
        kernel, signature = _pending[-1]
        kernel.compile(signature)
        kernel.disable_compile()
        _pending.pop()
    return True


@_compiled
def _first_from(x: Array, start: int, stop: int, value: float) -> int:
    """The first position from `start` to `stop` whose x is `value` or more."""
    while start < stop:
        middle = (start + stop) >> 1
        if x[middle] < value:
            start = middle + 1
        else:
            stop = middle
    return start


@_compiled
def _end_of_place(x: Array, y: Array, i: int, stop: int) -> int:
    """One past the last point identical to point i. Identical points lie side by side: steps double, then bisection."""
    low, step = i + 1, 1
    while low < stop and x[low] == x[i] and y[low] == y[i]:
        low += step
        step *= 2
    high = min(low, stop)
    low = low - step // 2 + 1 if step > 1 else i + 1
    while low < high:
        middle = (low + high) >> 1
        if x[middle] == x[i] and y[middle] == y[i]:
            low = middle + 1
        else:
            high = middle
    return low


@_kernel(f"void({_POINTS}, float32[:,::1], {_PART}, {_PLACE}, {_FRAME}, {_BAND})")
def add_points(
    x: Array,
    y: Array,
    codes: Array,
    table: Array,
    starts: Array,
    part: Part,
    place: Place,
    frame: Array,
    low: int,
    high: int,
) -> None:
    """Add each point of a part to the pixel it lies on."""
    width = frame.shape[1]
    first, last, left, right = part
    sx, sy, ox, oy = place
    for row in range(first, last + 1):
        i = _first_from(x, starts[row], starts[row + 1], left)
        stop = _first_from(x, i, starts[row + 1], right)
        while i < stop:
            px, py = x[i], y[i]
            column = math.floor(px * sx) - ox
            line = math.floor(py * sy) - oy
            j = i + 1
            if column < 0 or column >= width or line < low or line >= high:
                i = j
                continue
            pixel, light = frame[line, column], table[codes[i]]
            # Read before anything is written, so that the compiler may take the four at once.
            r, g, b, n = light[0], light[1], light[2], light[3]
            if j < stop and x[j] == px and y[j] == py:
                # Millions of identical points: float32 would lose the small addends.
                red, green, blue, number = 0.0, 0.0, 0.0, 0.0
                j = i
                while j < stop and x[j] == px and y[j] == py:
                    light = table[codes[j]]
                    red += light[0]
                    green += light[1]
                    blue += light[2]
                    number += light[3]
                    j += 1
                r, g, b, n = np.float32(red), np.float32(green), np.float32(blue), np.float32(number)
            pixel[0] += r
            pixel[1] += g
            pixel[2] += b
            pixel[3] += n
            i = j


@_kernel(f"void(float32[::1], float32[::1], float32[:,::1], {_PART}, {_PLACE}, {_FRAME}, {_BAND})")
def add_records(
    x: Array,
    y: Array,
    light: Array,
    starts: Array,
    part: Part,
    place: Place,
    frame: Array,
    low: int,
    high: int,
) -> None:
    """Add records of a level, each spread over the four pixels it lies between: else cells and pixels would beat in a moire.

    A record of one point is a point, and falls on the pixel it lies on.
    """
    width = frame.shape[1]
    one, half = np.float32(1), np.float32(0.5)
    first, last, left, right = part
    sx, sy, ox, oy = place
    for row in range(first, last + 1):
        start = _first_from(x, starts[row], starts[row + 1], left)
        stop = _first_from(x, start, starts[row + 1], right)
        for i in range(start, stop):
            red, green, blue, number = light[i, 0], light[i, 1], light[i, 2], light[i, 3]
            if number <= 0:
                continue
            at_x, at_y = x[i] * sx, y[i] * sy
            column, line = math.floor(at_x), math.floor(at_y)
            u, v = np.float32(at_x - column) - half, np.float32(at_y - line) - half
            column -= ox
            line -= oy
            if number == one:
                u = v = np.float32(0)
            beside, above = (column + 1, line + 1)
            if u < 0:
                beside, u = column - 1, -u
            if v < 0:
                above, v = line - 1, -v
            for k in range(4):
                to_line = line if k < 2 else above
                to_column = column if k % 2 == 0 else beside
                if to_column < 0 or to_column >= width or to_line < low or to_line >= high:
                    continue
                share = (one - v if k < 2 else v) * (one - u if k % 2 == 0 else u)
                pixel = frame[to_line, to_column]
                pixel[0] += red * share
                pixel[1] += green * share
                pixel[2] += blue * share
                pixel[3] += number * share


@_kernel(f"void({_POINTS}, float32[:,::1], {_PART}, {_PLACE}, float32, int64, {_FRAME}, {_FRAME}, {_BAND})")
def add_discs(
    x: Array,
    y: Array,
    codes: Array,
    table: Array,
    starts: Array,
    part: Part,
    place: Place,
    radius: float,
    reach: int,
    frame: Array,
    top: Array,
    low: int,
    high: int,
) -> None:
    """Add an anti-aliased disc for each point; `top` takes the light of the point drawn last and how much it covers."""
    width = frame.shape[1]
    height = frame.shape[0]
    rim, half, one = radius + np.float32(0.5), np.float32(0.5), np.float32(1)
    first, last, left, right = part
    sx, sy, ox, oy = place
    for row in range(first, last + 1):
        start = _first_from(x, starts[row], starts[row + 1], left)
        stop = _first_from(x, start, starts[row + 1], right)
        for i in range(start, stop):
            light = table[codes[i]]
            at_x, at_y = x[i] * sx, y[i] * sy
            column, line = math.floor(at_x), math.floor(at_y)
            u, v = np.float32(at_x - column) - half, np.float32(at_y - line) - half
            column -= ox
            line -= oy
            if light[3] == 0 or column < reach or column >= width - reach or line < reach or line >= height - reach:
                continue
            for dy in range(max(-reach, low - line), min(reach + 1, high - line)):
                up = np.float32(dy) - v
                for dx in range(-reach, reach + 1):
                    across = np.float32(dx) - u
                    weight = min(one, rim - np.sqrt(across * across + up * up))
                    if weight > 0:
                        pixel, over = frame[line + dy, column + dx], top[line + dy, column + dx]
                        pixel[0] += light[0] * weight
                        pixel[1] += light[1] * weight
                        pixel[2] += light[2] * weight
                        pixel[3] += weight
                        over[0], over[1], over[2], over[3] = light[0], light[1], light[2], weight


@_kernel("void(uint16[::1], float32[:,::1], int64[::1], float64[:,::1])")
def sum_light(codes: Array, table: Array, firsts: Array, sums: Array) -> None:
    """Light and number (k, 4) of the points of each stretch that begins at one of `firsts` (k,)."""
    for k in range(len(firsts)):
        stop = firsts[k + 1] if k + 1 < len(firsts) else len(codes)
        red, green, blue, number = 0.0, 0.0, 0.0, 0.0
        for i in range(firsts[k], stop):
            light = table[codes[i]]
            red += light[0]
            green += light[1]
            blue += light[2]
            number += light[3]
        sums[k, 0], sums[k, 1], sums[k, 2], sums[k, 3] = red, green, blue, number


@_kernel("void(float32[::1], float32[::1], boolean[::1], int64[::1], float64[:,::1])")
def sum_places(x: Array, y: Array, outside: Array, firsts: Array, sums: Array) -> None:
    """Number, x and y (k, 3), summed over those points of each stretch that are not `outside`."""
    for k in range(len(firsts)):
        stop = firsts[k + 1] if k + 1 < len(firsts) else len(x)
        number, across, up = 0, 0.0, 0.0
        for i in range(firsts[k], stop):
            if not outside[i]:
                number += 1
                across += x[i]
                up += y[i]
        sums[k, 0], sums[k, 1], sums[k, 2] = number, across, up


@_compiled
def _encoded(light: float, srgb: Array) -> Any:
    step = light * np.float32(len(srgb) - 1) + np.float32(0.5)
    return srgb[int(min(max(step, np.float32(0)), np.float32(len(srgb) - 1)))]


@_compiled
def _packed(red: float, green: float, blue: float, srgb: Array) -> Any:
    shades = _encoded(red, srgb) << np.uint32(16) | _encoded(green, srgb) << np.uint32(8) | _encoded(blue, srgb)
    return np.uint32(0xFF000000) | shades


@_kernel(f"void({_FRAME}, int64, float32[:,::1], float32[::1], uint32[::1], float32[::1], uint32[:,::1], {_BAND})")
def tone_points(
    frame: Array, margin: int, taps: Array, opacity: Array, srgb: Array, background: Array, picture: Array, low: int, high: int
) -> None:
    """Lines `low` to `high` of the picture of a frame of points and records, `margin` pixels larger on each side.

    Each lit pixel lends its neighbours a disc of one point's light: `taps` (2 * reach + 1 squared, odd) are the disc's weights.
    """
    height, width = picture.shape
    reach = taps.shape[0] // 2
    side = 2 * reach + 1
    one = np.float32(1)
    # Sums of the lines that are not yet complete, each in its turn.
    turning = np.zeros((side, width + 4 * reach, 4), np.float32)
    bits = turning.view(np.int32)
    ground = _packed(background[0], background[1], background[2], srgb)
    blank = np.zeros(reach + 1, np.int64)
    for dy in range(reach + 1):
        while blank[dy] < reach and taps[reach + dy, blank[dy]] <= 0:
            blank[dy] += 1
    for line in range(low - reach, high + reach):
        source = frame[line + margin]
        for column in range(-reach, width + reach):
            pixel = source[column + margin]
            red, green, blue, number = pixel[0], pixel[1], pixel[2], pixel[3]
            if number <= 0:
                continue
            own = turning[line % side, column + 2 * reach]
            own[0] += red
            own[1] += green
            own[2] += blue
            own[3] += number
            if number > one:
                share = one / number
                red *= share
                green *= share
                blue *= share
                number = one
            for dy in range(-reach, reach + 1):
                to_line, weights = turning[(line + dy) % side], taps[dy + reach]
                for k in range(blank[abs(dy)], side - blank[abs(dy)]):
                    weight, to = weights[k], to_line[column + reach + k]
                    to[0] += red * weight
                    to[1] += green * weight
                    to[2] += blue * weight
                    to[3] += number * weight
        done = line - reach
        if done >= low:
            to_picture, summed, entries = picture[height - 1 - done], turning[done % side], bits[done % side]
            for column in range(width):
                pixel = summed[column + 2 * reach]
                if pixel[3] <= 0:
                    to_picture[column] = ground
                    continue
                alpha = opacity[entries[column + 2 * reach, 3] >> 16]
                share, rest = alpha / pixel[3], one - alpha
                to_picture[column] = _packed(
                    pixel[0] * share + background[0] * rest,
                    pixel[1] * share + background[1] * rest,
                    pixel[2] * share + background[2] * rest,
                    srgb,
                )
        turning[done % side] = 0


@_kernel(f"void({_FRAME}, {_FRAME}, int64, float32[::1], float32[::1], uint32[::1], float32[::1], uint32[:,::1], {_BAND})")
def tone_discs(
    frame: Array,
    top: Array,
    margin: int,
    opacity: Array,
    crispness: Array,
    srgb: Array,
    background: Array,
    picture: Array,
    low: int,
    high: int,
) -> None:
    """Lines `low` to `high` of the picture of discs: where few meet, the one on top shows; where many do, their mean colour."""
    height, width = picture.shape
    bits = frame.view(np.int32)
    one = np.float32(1)
    ground = _packed(background[0], background[1], background[2], srgb)
    for line in range(low, high):
        for column in range(width):
            pixel, over = frame[line + margin, column + margin], top[line + margin, column + margin]
            if pixel[3] <= 0:
                picture[height - 1 - line, column] = ground
                continue
            entry = bits[line + margin, column + margin, 3] >> 16
            alpha, crisp = opacity[entry], crispness[entry] * over[3]
            mean, rest = (one - crisp) / pixel[3], one - alpha
            picture[height - 1 - line, column] = _packed(
                (pixel[0] * mean + over[0] * crisp) * alpha + background[0] * rest,
                (pixel[1] * mean + over[1] * crisp) * alpha + background[1] * rest,
                (pixel[2] * mean + over[2] * crisp) * alpha + background[2] * rest,
                srgb,
            )


@_kernel(f"UniTuple(int64, 2)({_POINTS}, boolean[::1], {_GRID}, float64, float64, float64, float64, float64)")
def nearest_point(
    x: Array,
    y: Array,
    codes: Array,
    shown: Array,
    starts: Array,
    y0: float,
    y1: float,
    cells: int,
    at_x: float,
    at_y: float,
    sx: float,
    sy: float,
    reach: float,
) -> tuple[int, int]:
    """Position of the shown point nearest to (at_x, at_y), at most `reach` pixels away, or -1; and how many were looked at.

    Rows are visited from the cursor outwards, so that the circle shrinks early; of identical points only the last
    shown is.
    """
    best, looked, square = -1, 0, reach * reach
    rise = (y1 - y0) / cells
    low = int(min(max(np.floor((at_y - reach / sy - y0) / rise) - 1, 0), cells - 1))
    high = int(min(max(np.floor((at_y + reach / sy - y0) / rise) + 1, 0), cells - 1))
    middle = int(min(max(np.floor((at_y - y0) / rise), low), high))
    for step in range(2 * max(high - middle, middle - low) + 1):
        row = middle + (step + 1) // 2 if step % 2 else middle - step // 2
        if row < low or row > high:
            continue
        # How far the row's band is; a hair less, for rounding. The outermost rows reach further out than their band.
        away = 0.0
        if row > 0:
            away = max(away, (y0 + (row - 1e-6) * rise - at_y) * sy)
        if row < cells - 1:
            away = max(away, (at_y - y0 - (row + 1 + 1e-6) * rise) * sy)
        if away * away > square:
            continue
        across = math.sqrt(square - away * away) / sx
        i = _first_from(x, starts[row], starts[row + 1], at_x - across)
        while i < starts[row + 1] and x[i] <= at_x + across:
            end = _end_of_place(x, y, i, starts[row + 1])
            looked += 1
            dx, dy = (x[i] - at_x) * sx, (y[i] - at_y) * sy
            away_square = dx * dx + dy * dy
            if away_square < square or (best < 0 and away_square == square):
                last = end - 1
                while last >= i and not shown[codes[last]]:
                    last -= 1
                if last >= i:
                    best, square = last, away_square
                    across = math.sqrt(max(square - away * away, 0.0)) / sx
            i = end
    return best, looked


@_compiled
def _within(x: float, y: float, corner_x: Array, corner_y: Array, edges: Array, count: int) -> bool:
    """Whether a ray to the right of (x, y) crosses an odd number of the edges; edge k goes from corner k - 1 to corner k."""
    inside = False
    for e in range(count):
        k = edges[e]
        j = k - 1 if k > 0 else len(corner_x) - 1
        if (corner_y[k] > y) != (corner_y[j] > y):
            along = (y - corner_y[k]) / (corner_y[j] - corner_y[k])
            if x < corner_x[k] + along * (corner_x[j] - corner_x[k]):
                inside = not inside
    return inside


@_compiled
def _edges_between(
    corner_x: Array, corner_y: Array, bottom: float, ceiling: float, edges: Array, lefts: Array, rights: Array
) -> int:
    """List the edges that meet a band of y, and, in order, from where to where in x they do; return how many."""
    crossing = 0
    for k in range(len(corner_x)):
        j = k - 1 if k > 0 else len(corner_x) - 1
        lower, upper = min(corner_y[j], corner_y[k]), max(corner_y[j], corner_y[k])
        if upper < bottom or lower > ceiling:
            continue
        left, right = corner_x[j], corner_x[k]
        if lower != upper:
            slope = (corner_x[k] - corner_x[j]) / (corner_y[k] - corner_y[j])
            left = corner_x[j] + (min(max(bottom, lower), upper) - corner_y[j]) * slope
            right = corner_x[j] + (max(min(ceiling, upper), lower) - corner_y[j]) * slope
        # A hair more, for rounding.
        hair = 2e-9 * (abs(corner_x[j]) + abs(corner_x[k]))
        left, right = min(left, right) - hair, max(left, right) + hair
        place = crossing
        while place > 0 and lefts[place - 1] > left:
            lefts[place], rights[place] = lefts[place - 1], rights[place - 1]
            place -= 1
        lefts[place], rights[place], edges[crossing] = left, right, k
        crossing += 1
    return crossing


@_kernel(
    "int64(float32[::1], float32[::1], int64[::1], float64, float64, int64, int64, int64, float64[::1], float64[::1], int32[::1])"
)
def points_in_polygon(
    x: Array,
    y: Array,
    starts: Array,
    y0: float,
    y1: float,
    cells: int,
    first: int,
    last: int,
    corner_x: Array,
    corner_y: Array,
    found: Array,
) -> int:
    """Write the positions of the points of rows `first` to `last` inside the polygon to `found`; return how many.

    In a row of cells only points beside an edge are tested; between two edges all points are inside or none.
    """
    count = 0
    rise = (y1 - y0) / cells
    edges = np.empty(len(corner_x), np.int64)
    lefts, rights = np.empty(len(corner_x)), np.empty(len(corner_x))
    for row in range(first, last + 1):
        bottom = -np.inf if row == 0 else y0 + (row - 1e-6) * rise
        ceiling = np.inf if row == cells - 1 else y0 + (row + 1 + 1e-6) * rise
        crossing = _edges_between(corner_x, corner_y, bottom, ceiling, edges, lefts, rights)
        i, end, at = starts[row], starts[row + 1], 0
        while i < end and at < crossing:
            free = _first_from(x, i, end, lefts[at])
            if free > i and _within(x[i], y[i], corner_x, corner_y, edges, crossing):
                for k in range(i, free):
                    found[count] = k
                    count += 1
            i = free
            right = rights[at]
            while at < crossing and lefts[at] <= right:
                right = max(right, rights[at])
                at += 1
            while i < end and x[i] <= right:
                if _within(x[i], y[i], corner_x, corner_y, edges, crossing):
                    found[count] = i
                    count += 1
                i += 1
    return count
