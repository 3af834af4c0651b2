"""The inner loops of drawing, picking and selecting in NumPy: what core.raster_kernels does, to rounding, without a compiler.

They draw until the compiled ones are there, and for good where numba is not. Arguments and results are described there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.point_index import Codes, Positions, Shown
from core.types import Floats, Ids

Doubles = NDArray[np.float64]
Part = tuple[int, int, float, float]
Place = tuple[float, float, int, int]

# Points, and samples of discs, handled at once: bounds memory, and for how long the interpreter is kept.
BATCH = 1 << 18
SAMPLES = 1 << 21


def _batches(starts: Ids, part: Part) -> list[slice]:
    """The points of the rows of cells of a part. Its bounds in x go unused: to look into each row would take longer."""
    start, stop = int(starts[part[0]]), int(starts[part[1] + 1])
    return [slice(i, min(i + BATCH, stop)) for i in range(start, stop, BATCH)]


def _placed(x: Floats, y: Floats, place: Place) -> tuple[Doubles, Doubles, Doubles, Doubles]:
    """Column and line of each point, and where in its pixel it lies."""
    sx, sy, ox, oy = place
    at_x, at_y = x * np.float64(sx), y * np.float64(sy)
    column, line = np.floor(at_x), np.floor(at_y)
    return column - ox, line - oy, at_x - column, at_y - line


def _sum_up(frame: Floats, low: int, high: int, pixel: Ids, light: Floats, weight: Floats | None = None) -> None:
    """Add light (p, 4) to pixels counted from line `low`."""
    lines, width = high - low, frame.shape[1]
    band = frame[low:high].reshape(-1, 4)
    for channel in range(4):
        values = light[:, channel] if weight is None else light[:, channel] * weight
        if len(pixel) < lines * width // 4:
            np.add.at(band[:, channel], pixel, values)
        else:
            band[:, channel] += np.bincount(pixel, values, lines * width)


def add_points(
    x: Floats,
    y: Floats,
    codes: Codes,
    table: Floats,
    starts: Ids,
    part: Part,
    place: Place,
    frame: Floats,
    low: int,
    high: int,
) -> None:
    width = frame.shape[1]
    for batch in _batches(starts, part):
        column, line, _, _ = _placed(x[batch], y[batch], place)
        seen = (column >= 0) & (column < width) & (line >= low) & (line < high)
        pixel = ((line[seen] - low) * width + column[seen]).astype(np.int64)
        _sum_up(frame, low, high, pixel, table[codes[batch][seen]])


def add_records(
    x: Floats,
    y: Floats,
    light: Floats,
    starts: Ids,
    part: Part,
    place: Place,
    frame: Floats,
    low: int,
    high: int,
) -> None:
    width = frame.shape[1]
    for batch in _batches(starts, part):
        column, line, u, v = _placed(x[batch], y[batch], place)
        spread = light[batch, 3] != 1
        u, v = ((w.astype(np.float32) - np.float32(0.5)) * spread for w in (u, v))
        beside, above = column + np.where(u < 0, -1, 1), line + np.where(v < 0, -1, 1)
        u, v = np.abs(u), np.abs(v)
        for to_line, down in ((line, 1 - v), (above, v)):
            for to_column, across in ((column, 1 - u), (beside, u)):
                seen = (to_column >= 0) & (to_column < width) & (to_line >= low) & (to_line < high)
                pixel = ((to_line[seen] - low) * width + to_column[seen]).astype(np.int64)
                _sum_up(frame, low, high, pixel, light[batch][seen], (down * across)[seen])


def add_discs(
    x: Floats,
    y: Floats,
    codes: Codes,
    table: Floats,
    starts: Ids,
    part: Part,
    place: Place,
    radius: float,
    reach: int,
    frame: Floats,
    top: Floats,
    low: int,
    high: int,
) -> None:
    height, width, _ = frame.shape
    taps = np.arange(-reach, reach + 1)
    offset = taps.astype(np.float32)
    count = max(1, SAMPLES // len(taps) ** 2)
    for batch in _batches(starts, part):
        column, line, u, v = _placed(x[batch], y[batch], place)
        light = table[codes[batch]]
        seen = (column >= reach) & (column < width - reach) & (line >= reach) & (line < height - reach)
        seen &= (line >= low - reach) & (line < high + reach) & (light[:, 3] != 0)
        column, line, light = column[seen].astype(np.int64), line[seen].astype(np.int64), light[seen]
        across = offset - (u[seen].astype(np.float32) - np.float32(0.5))[:, None]
        up = offset - (v[seen].astype(np.float32) - np.float32(0.5))[:, None]
        for start in range(0, len(light), count):
            some = slice(start, start + count)
            away = np.sqrt(across[some][:, None, :] ** 2 + up[some][:, :, None] ** 2)
            weight = np.minimum(np.float32(1), np.float32(radius) + np.float32(0.5) - away)
            to_line = line[some][:, None] + taps
            touched = (weight > 0) & ((to_line >= low) & (to_line < high))[:, :, None]
            pixel = (((to_line - low) * width)[:, :, None] + (column[some][:, None] + taps)[:, None, :])[touched]
            point, weight = np.nonzero(touched)[0], weight[touched]
            drawn = light[some][point]
            _sum_up(frame, low, high, pixel, drawn, weight)
            over = top[low:high].reshape(-1, 4)
            over[pixel, :3] = drawn[:, :3]  # of several points on a pixel, the last stays
            over[pixel, 3] = weight


def sum_light(codes: Codes, table: Floats, firsts: Ids, sums: Doubles) -> None:
    for channel in range(4):
        sums[:, channel] = np.add.reduceat(np.take(table[:, channel], codes), firsts, dtype=np.float64)


def sum_places(x: Floats, y: Floats, outside: Shown, firsts: Ids, sums: Doubles) -> None:
    inside = (~outside).astype(np.float32)
    for column, values in enumerate((inside, x * inside, y * inside)):
        sums[:, column] = np.add.reduceat(values, firsts, dtype=np.float64)


def tone_points(
    frame: Floats,
    margin: int,
    taps: Floats,
    opacity: Floats,
    srgb: NDArray[np.uint32],
    background: Floats,
    picture: NDArray[np.uint32],
    low: int,
    high: int,
) -> None:
    width = picture.shape[1]
    reach = len(taps) // 2
    bottom, left = margin + low, margin
    summed = frame[bottom : bottom + high - low, left : left + width].copy()
    near = frame[bottom - reach : bottom + high - low + reach, left - reach : left + width + reach]
    lent = near / np.maximum(near[:, :, 3:], np.float32(1))
    for dy in range(2 * reach + 1):
        for dx in range(2 * reach + 1):
            if taps[dy, dx] > 0:
                # The pixel dx to the right of one gets what that one lends, hence the turned-round offset.
                source = lent[dy : dy + high - low, 2 * reach - dx : 2 * reach - dx + width]
                summed += source * taps[dy, dx]
    _paint(picture, summed.reshape(-1, 4), None, opacity, srgb, background, (low, high))


def tone_discs(
    frame: Floats,
    top: Floats,
    margin: int,
    opacity: Floats,
    crispness: Floats,
    srgb: NDArray[np.uint32],
    background: Floats,
    picture: NDArray[np.uint32],
    low: int,
    high: int,
) -> None:
    width = picture.shape[1]
    inner = (slice(margin + low, margin + high), slice(margin, margin + width))
    over = (top[inner].reshape(-1, 4), crispness)
    _paint(picture, frame[inner].reshape(-1, 4), over, opacity, srgb, background, (low, high))


def _paint(
    picture: NDArray[np.uint32],
    summed: Floats,
    over: tuple[Floats, Floats] | None,
    opacity: Floats,
    srgb: NDArray[np.uint32],
    background: Floats,
    band: tuple[int, int],
) -> None:
    """Light (p, 4) over the background, as opaque as its number tells; `over` is what lies on top, and the table of crispness."""
    height, width = picture.shape
    low, high = band
    lit = np.flatnonzero(summed[:, 3] > 0)
    number = summed[lit, 3]
    entry = number.view(np.int32) >> 16
    light = summed[lit, :3] / number[:, None]
    if over is not None:
        top, crispness = over[0][lit], over[1]
        light += (crispness[entry] * top[:, 3])[:, None] * (top[:, :3] - light)
    alpha = opacity[entry][:, None]
    light *= alpha
    light += background * (1 - alpha)
    lines = np.full((high - low) * width, packed(background[None], srgb)[0], np.uint32)
    lines[lit] = packed(light, srgb)
    picture[height - high : height - low] = lines.reshape(-1, width)[::-1]


def packed(light: Floats, srgb: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Linear light (p, 3) as 0xffRRGGBB."""
    step = np.clip(light * np.float32(len(srgb) - 1) + np.float32(0.5), 0, len(srgb) - 1).astype(np.int32)
    red, green, blue = srgb[step].T
    packed: NDArray[np.uint32] = np.uint32(0xFF000000) | red << np.uint32(16) | green << np.uint32(8) | blue
    return packed


def nearest_point(
    x: Floats,
    y: Floats,
    codes: Codes,
    shown: Shown,
    starts: Ids,
    y0: float,
    y1: float,
    cells: int,
    at_x: float,
    at_y: float,
    sx: float,
    sy: float,
    reach: float,
) -> tuple[int, int]:
    best, looked, square = -1, 0, reach * reach
    rise = (y1 - y0) / cells
    ends = np.floor((at_y + np.array([-reach, reach]) / sy - y0) / rise) + np.array([-1, 1])
    low, high = np.clip(ends, 0, cells - 1).astype(int)
    middle = min(max((at_y - y0) / rise, low), high)
    for row in sorted(range(low, high + 1), key=lambda r: abs(r + 0.5 - middle)):
        below = (y0 + (row - 1e-6) * rise - at_y) * sy if row > 0 else 0.0
        above = (at_y - y0 - (row + 1 + 1e-6) * rise) * sy if row < cells - 1 else 0.0
        away = max(below, above, 0.0)
        if away * away > square:
            continue
        across = np.sqrt(square - away * away) / sx
        start, end = int(starts[row]), int(starts[row + 1])
        i = start + int(np.searchsorted(x[start:end], _just(at_x - across, -np.inf)))
        stop = start + int(np.searchsorted(x[start:end], _just(at_x + across, np.inf), side="right"))
        while i < stop:
            j = min(i + BATCH // 64, stop)
            looked += j - i
            squares = ((x[i:j].astype(np.float64) - at_x) * sx) ** 2 + ((y[i:j].astype(np.float64) - at_y) * sy) ** 2
            squares[~shown[codes[i:j]]] = np.inf
            nearest = j - i - 1 - int(squares[::-1].argmin())
            if squares[nearest] < square or (best < 0 and squares[nearest] == square):
                best, square = i + nearest, float(squares[nearest])
            i = j
            if i < stop and x[i] == x[i - 1] and y[i] == y[i - 1]:
                # A crowd on one place: one of its shown points is all that is wanted of the rest.
                place, i = i, _end_of_place(x, y, i, stop)
                last = _last_shown(codes, shown, place, i)
                away_square = ((float(x[place]) - at_x) * sx) ** 2 + ((float(y[place]) - at_y) * sy) ** 2
                looked += 1
                if last >= 0 and (away_square < square or (away_square == square and (best < 0 or best < last))):
                    best, square = last, away_square
    return best, looked


def _just(value: float | Doubles, towards: float) -> Floats:
    """As float32, the next one `towards` infinity: to search in float32 what was meant in float64, and miss nothing."""
    limit = np.finfo(np.float32).max
    just: Floats = np.nextafter(np.clip(value, -limit, limit).astype(np.float32), np.float32(towards))
    return just


def _end_of_place(x: Floats, y: Floats, i: int, stop: int) -> int:
    """One past the last point identical to point i."""
    low, high, step = i, stop, 1
    while low + step < stop and x[low + step] == x[i] and y[low + step] == y[i]:
        low += step
        step *= 2
    high = min(low + step, stop)
    while high - low > 1:
        middle = (low + high) // 2
        if x[middle] == x[i] and y[middle] == y[i]:
            low = middle
        else:
            high = middle
    return high


def _last_shown(codes: Codes, shown: Shown, start: int, stop: int) -> int:
    for end in range(stop, start, -BATCH):
        part = np.flatnonzero(shown[codes[max(end - BATCH, start) : end]])
        if part.size:
            return max(end - BATCH, start) + int(part[-1])
    return -1


def points_in_polygon(
    x: Floats,
    y: Floats,
    starts: Ids,
    y0: float,
    y1: float,
    cells: int,
    first: int,
    last: int,
    corner_x: Doubles,
    corner_y: Doubles,
    found: Positions,
) -> int:
    before_x, before_y = np.roll(corner_x, 1), np.roll(corner_y, 1)
    lower, upper = np.minimum(corner_y, before_y), np.maximum(corner_y, before_y)
    level = lower == upper
    slope = (corner_x - before_x) / np.where(level, 1, corner_y - before_y)
    hair = 1e-9 * 2 * (np.abs(corner_x) + np.abs(before_x))
    rise = (y1 - y0) / cells
    count = 0
    for row in range(first, last + 1):
        bottom = -np.inf if row == 0 else y0 + (row - 1e-6) * rise
        ceiling = np.inf if row == cells - 1 else y0 + (row + 1 + 1e-6) * rise
        edges = np.flatnonzero((upper >= bottom) & (lower <= ceiling))
        ends = np.stack([np.clip(bottom, lower[edges], upper[edges]), np.clip(ceiling, lower[edges], upper[edges])])
        crossed = before_x[edges] + (ends - before_y[edges]) * slope[edges]
        crossed = np.where(level[edges], np.stack([before_x[edges], corner_x[edges]]), crossed)
        lefts, rights = crossed.min(axis=0) - hair[edges], crossed.max(axis=0) + hair[edges]
        order = np.argsort(lefts)
        lefts, rights = lefts[order], np.maximum.accumulate(rights[order])
        # Stretches that edges lie in, those that meet made one; each tells apart the points left of it and beside its edges.
        begins = np.concatenate([[True], lefts[1:] > rights[:-1]]) if len(lefts) else np.empty(0, bool)
        lefts, rights = lefts[begins], rights[np.append(np.flatnonzero(begins)[1:] - 1, -1)] if len(lefts) else rights
        start, end = int(starts[row]), int(starts[row + 1])
        begin_at = start + np.searchsorted(x[start:end], _just(lefts, -np.inf))
        end_at = start + np.searchsorted(x[start:end], _just(rights, np.inf), "right")
        i = start
        for begin, stop in zip(begin_at.tolist(), end_at.tolist(), strict=True):
            tested = np.arange(begin, stop) if i >= begin else np.append(i, np.arange(begin, stop))
            inside = _within(x[tested], y[tested], edges, (corner_x, corner_y, before_x, before_y))
            if i < begin and inside[0]:
                found[count : count + begin - i] = np.arange(i, begin)
                count += begin - i
            kept = tested[inside][tested[inside] >= begin]
            found[count : count + len(kept)] = kept
            count += len(kept)
            i = stop
    return count


def _within(x: Floats, y: Floats, edges: Ids, corners: tuple[Doubles, Doubles, Doubles, Doubles]) -> Shown:
    """Whether a ray to the right of each point crosses an odd number of the edges."""
    inside = np.zeros(len(x), np.bool_)
    for start in range(0, len(x), BATCH // 16):
        part = slice(start, start + BATCH // 16)
        corner_x, corner_y, before_x, before_y = (values[edges] for values in corners)
        at_x, at_y = x[part].astype(np.float64)[:, None], y[part].astype(np.float64)[:, None]
        crossed = (corner_y > at_y) != (before_y > at_y)
        along = (at_y - corner_y) / np.where(before_y == corner_y, 1, before_y - corner_y)
        crossed &= at_x < corner_x + along * (before_x - corner_x)
        inside[part] = np.count_nonzero(crossed, axis=1) % 2 == 1
    return inside
