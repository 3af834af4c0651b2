"""The map at one and ten million points, beside pyqtgraph's scatter plot: python -m tests.benchmarks.map [--points N …].

Medians; 'thread' is CPU time of the thread that does the work, which a busy machine does not lengthen much.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count as count_up
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from core import picking, raster_backend, raster_numpy
from core.rasterize import Canvas, Colours, PointIndex, View, build_index, build_levels, draw, snapped

WIDTH, HEIGHT = 1600, 1000
CATEGORIES = 60


@dataclass(frozen=True)
class Row:
    name: str
    points: int
    thread: float
    wall: float
    unit: str = "ms"


def blobs(count: int) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """A mixture of normal clusters of different density with one point in two thousand far out, and the cluster of each."""
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(CATEGORIES, 2)) * [10, 7]
    widths = np.exp(generator.normal(-0.6, 0.7, CATEGORIES))
    shares = generator.random(CATEGORIES) ** 2
    codes = generator.choice(CATEGORIES, count, p=shares / shares.sum()).astype(np.uint16)
    coords = (centres[codes] + generator.normal(size=(count, 2)) * widths[codes][:, None]).astype(np.float32)
    outliers = generator.choice(count, count // 2000, replace=False)
    coords[outliers] = generator.uniform(-35, 35, (len(outliers), 2))
    return coords, codes


def rows(counts: tuple[int, ...] = (1_000_000, 10_000_000)) -> Iterator[Row]:
    for count in counts:
        coords, codes = blobs(count)
        yield from _engine(coords, codes)
        yield from _window(coords, codes)
        yield from _scatter(coords, codes)


def _engine(coords: NDArray[np.float32], codes: NDArray[np.uint16]) -> Iterator[Row]:
    """What the render thread does, and what a mouse asks of the GUI thread."""
    count = len(coords)
    generator = np.random.default_rng(1)
    inks = [Colours(generator.random((CATEGORIES, 3), np.float32), np.zeros(3, np.float32)) for _ in range(2)]
    before = _memory()
    index = build_index(coords, np.arange(count), codes)
    levels = build_levels(index, inks[0].table)
    canvas = Canvas()
    view = _fitted(index)
    draw(index, view, inks[0], 1.0, levels, canvas)
    yield Row("memory added by index, levels and canvas", count, _memory() - before, _memory() - before, "MB")

    by_numpy = partial(draw, index, view, inks[0], 1.0, levels, canvas, raster_numpy)
    yield _timed("exact frame by NumPy, 1x", count, by_numpy, 3)
    raster_backend.load()

    def indexed() -> None:
        build_levels(build_index(coords, np.arange(count), codes), inks[0].table)

    yield _timed("index and levels", count, indexed, 3)
    yield _timed("recolour", count, lambda: levels.coloured(index.recoloured(codes), inks[1].table), 3)
    for zoom in (1, 2, 4, 16):
        frame = partial(draw, index, _zoomed(view, zoom, coords[3]), inks[0], 1.0, levels, canvas)
        yield _timed(f"exact frame, {zoom}x", count, frame, 9)
    turn = count_up()
    places = coords[generator.integers(0, count, 200)].astype(float)

    def hover() -> None:
        x, y = places[next(turn) % 200]
        picking.nearest(index, x, y, view.scale, 12.0)

    yield _timed("hover pick", count, hover, 200)
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    wave = 8 * (1 + 0.4 * np.sin(5 * angle))
    corners = np.stack([wave * np.cos(angle), wave * np.sin(angle)], axis=1)
    yield _timed("lasso of 200 vertices", count, lambda: picking.in_lasso(index, corners), 5)
    yield _timed("box", count, lambda: picking.in_box(index, -5, 5, -5, 5), 5)


def _window(coords: NDArray[np.float32], codes: NDArray[np.uint16]) -> Iterator[Row]:
    """The widget with its render thread: ticks on the GUI thread, and how soon the exact picture follows the last of them."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    import pyqtgraph as pg

    from app.views.points_item import PointsItem
    from app.views.render import Picture, Points, Renderer

    application = pg.mkQApp()
    count = len(coords)
    plot = _plot()
    box, item, renderer = plot.getPlotItem().getViewBox(), PointsItem(), Renderer()
    box.addItem(item, ignoreBounds=True)
    inks = Colours(np.random.default_rng(1).random((CATEGORIES, 3), np.float32), np.zeros(3, np.float32))
    drawn: list[Picture] = []
    renderer.drawn.connect(drawn.append)
    renderer.drawn.connect(item.set_picture)

    def ask() -> View:
        (x0, x1), (y0, y1) = box.viewRange()
        view = snapped(View(x0, x1, y0, y1, round(box.width()), round(box.height())))
        renderer.ask(view, inks, 1.0, 0)
        return view

    def settle(view: View) -> None:
        slack = 1.5 / view.scale[0]
        while not (
            drawn
            and np.allclose(drawn[-1].view.scale, view.scale, rtol=1e-6)
            and drawn[-1].view.x0 <= view.x0 + slack
            and drawn[-1].view.x1 >= view.x1 - slack
        ):
            application.processEvents()
            time.sleep(0.0005)

    try:
        renderer.set_points(Points(coords, np.arange(count), codes))
        box.setRange(xRange=(-35, 35), yRange=(-22, 22), padding=0)
        settle(ask())
        for name, step in (("pan", _pan), ("zoom", _zoom)):
            ticks, waits = [], []
            for _ in range(8):
                for _ in range(8):
                    start = time.thread_time(), time.perf_counter()
                    step(box)
                    view = ask()
                    plot.grab()
                    ticks.append((time.thread_time() - start[0], time.perf_counter() - start[1]))
                    application.processEvents()
                begin = time.perf_counter()
                settle(view)
                waits.append(time.perf_counter() - begin)
            thread, wall = np.median(ticks, axis=0) * 1e3
            yield Row(f"{name} tick on the GUI thread", count, float(thread), float(wall))
            yield Row(f"exact picture after a {name} ends", count, float("nan"), float(np.median(waits) * 1e3))
    finally:
        renderer.close()
        plot.close()


def _scatter(coords: NDArray[np.float32], codes: NDArray[np.uint16]) -> Iterator[Row]:
    """pyqtgraph's own item, at the same size."""
    import pyqtgraph as pg

    pg.mkQApp()
    plot = _plot()
    box = plot.getPlotItem().getViewBox()
    start = time.thread_time(), time.perf_counter()
    # One colour: a brush a point takes it minutes.
    item = pg.ScatterPlotItem(coords[:, 0], coords[:, 1], size=2, pen=None, pxMode=True)
    box.addItem(item, ignoreBounds=True)
    box.setRange(xRange=(-35, 35), yRange=(-22, 22), padding=0)
    plot.grab()
    yield Row("ScatterPlotItem: first frame", len(coords), *_since(start))
    for name, step in (("pan", _pan), ("zoom", _zoom)):

        def tick(step: Callable[[Any], None] = step) -> None:
            step(box)
            plot.grab()

        yield _timed(f"ScatterPlotItem: {name} tick on the GUI thread", len(coords), tick, 3)
    plot.close()


def _plot() -> Any:
    import pyqtgraph as pg

    plot = pg.PlotWidget(enableMenu=False)
    plot.hideAxis("left")
    plot.hideAxis("bottom")
    plot.getPlotItem().hideButtons()
    plot.getPlotItem().setContentsMargins(0, 0, 0, 0)
    plot.setFrameShape(plot.Shape.NoFrame)
    plot.setViewportUpdateMode(plot.ViewportUpdateMode.FullViewportUpdate)
    plot.resize(WIDTH, HEIGHT)
    plot.show()
    return plot


def _pan(box: Any) -> None:
    (x0, x1), _ = box.viewRange()
    box.translateBy((0.06 * (x1 - x0), 0))


def _zoom(box: Any) -> None:
    box.scaleBy((0.98, 0.98))


def _fitted(index: PointIndex) -> View:
    x0, x1, y0, y1 = index.bounds
    half = max((x1 - x0) / 2, (y1 - y0) / 2 * WIDTH / HEIGHT)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return snapped(View(x - half, x + half, y - half * HEIGHT / WIDTH, y + half * HEIGHT / WIDTH, WIDTH, HEIGHT))


def _zoomed(view: View, factor: float, centre: NDArray[np.float32]) -> View:
    if factor == 1:
        return view
    x, y = map(float, centre)
    across, up = (view.x1 - view.x0) / 2 / factor, (view.y1 - view.y0) / 2 / factor
    return snapped(View(x - across, x + across, y - up, y + up, view.width, view.height))


def _timed(name: str, points: int, work: Callable[[], object], repeat: int) -> Row:
    work()
    times = []
    for _ in range(repeat):
        start = time.thread_time(), time.perf_counter()
        work()
        times.append(_since(start))
    thread, wall = np.median(times, axis=0)
    return Row(name, points, float(thread), float(wall))


def _since(start: tuple[float, float]) -> tuple[float, float]:
    return (time.thread_time() - start[0]) * 1e3, (time.perf_counter() - start[1]) * 1e3


def _memory() -> float:
    return float(psutil.Process().memory_info().rss) / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(prog=f"python -m tests.benchmarks.{Path(__file__).stem}")
    parser.add_argument("--points", type=int, nargs="+", default=[1_000_000, 10_000_000])
    print(f"{'':44}{'points':>12}{'thread':>12}{'wall':>12}")
    for row in rows(tuple(parser.parse_args().points)):
        print(f"{row.name:44}{row.points:12,}{row.thread:12.2f}{row.wall:12.2f} {row.unit}", flush=True)


if __name__ == "__main__":
    main()
