"""The render thread: the newest view is drawn, first as it is, then with a margin."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.views.render import Picture, Points, Renderer
from core.rasterize import Colours, PointIndex, View, snapped

VIEW = snapped(View(-1.0, 1.0, -1.0, 1.0, 128, 128))
INKS = Colours(np.array([[1, 0, 0], [0, 0, 1]], np.float32), np.zeros(3, np.float32))
WAIT_MS = 20_000


@pytest.fixture
def renderer(qtbot: QtBot) -> Iterator[Renderer]:
    renderer = Renderer()
    yield renderer
    renderer.close()


@pytest.fixture
def points() -> Points:
    steps = np.random.default_rng(0).integers(-(2**15), 2**15, (500, 2))
    return Points((steps / 2**15).astype(np.float32), np.arange(500), np.zeros(500, np.uint16))


def test_a_picture_of_the_view_comes_first_then_one_that_has_it_in_its_middle(
    qtbot: QtBot, renderer: Renderer, points: Points
) -> None:
    drawn: list[Picture] = []
    renderer.drawn.connect(drawn.append)
    renderer.set_points(points)
    renderer.ask(VIEW, INKS, 1.0, 3)
    qtbot.waitUntil(lambda: len(drawn) == 2, timeout=WAIT_MS)
    exact, wide = drawn
    assert exact.view == VIEW
    assert exact.generation == wide.generation == 3
    assert wide.pixels.shape == (192, 192)
    np.testing.assert_array_equal(wide.pixels[32:-32, 32:-32], exact.pixels)


def test_of_many_views_the_newest_is_drawn_last_and_most_are_left_out(qtbot: QtBot, renderer: Renderer, points: Points) -> None:
    drawn: list[Picture] = []
    renderer.drawn.connect(drawn.append)
    renderer.set_points(points)
    for generation in range(200):
        renderer.ask(VIEW, INKS, 1.0, generation)
    qtbot.waitUntil(lambda: bool(drawn) and drawn[-1].pixels.shape == (192, 192), timeout=WAIT_MS)
    assert drawn[-1].generation == 199
    assert len(drawn) < 100


def test_other_codes_give_a_recoloured_index_and_picture(qtbot: QtBot, renderer: Renderer, points: Points) -> None:
    drawn: list[Picture] = []
    recoloured: list[PointIndex] = []
    renderer.drawn.connect(drawn.append)
    renderer.recoloured.connect(recoloured.append)
    with qtbot.waitSignal(renderer.indexed, timeout=WAIT_MS):
        renderer.set_points(points)
    renderer.set_codes(np.ones(500, np.uint16))
    renderer.ask(VIEW, INKS, 1.0, 0)
    qtbot.waitUntil(lambda: bool(drawn and recoloured), timeout=WAIT_MS)
    assert recoloured[0].codes.tolist() == [1] * 500
    assert not np.any(drawn[0].pixels >> 16 & 0xFF)
    assert np.any(drawn[0].pixels & 0xFF)


def test_closing_does_not_wait_for_a_margin(renderer: Renderer, points: Points) -> None:
    renderer.set_points(points)
    renderer.ask(VIEW, INKS, 1.0, 0)
    renderer.close()
    renderer.close()
