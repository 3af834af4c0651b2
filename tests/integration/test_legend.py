"""The legend: what colours tell, hiding and showing by click and key, ranges by dragging, distances that follow the query."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest

from app.views.legend import COLOUR_ROLE, COUNT_ROLE, HIDDEN_ROLE, LegendView
from core.colouring import COLOURED, LEVELS, MISSING
from core.errors import UserError
from core.types import DistancesRequest, Floats
from tests.integration.conftest import WAIT_MS, Program

LEFT = Qt.MouseButton.LeftButton
NO_KEY, ALT, SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.AltModifier, Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def legend(program: Program) -> LegendView:
    return program.window.legend


@pytest.fixture
def grouped(tmp_path: Path, vectors: Floats) -> Path:
    """The vectors with 60 groups, numbers with gaps, and digits beside them."""
    path = tmp_path / "grouped.npy"
    np.save(path, vectors)
    lines = ["name\tgroup\tprice\tdigit"]
    lines += [f"thing {i}\tgroup {i % 60}\t{'NA' if i % 10 == 0 else i * 1.5}\t{i % 7}" for i in range(len(vectors))]
    path.with_suffix(".tsv").write_text("\n".join(lines) + "\n")
    return path


def names(legend: LegendView) -> list[str]:
    return [legend.entries.item(i).text() for i in range(legend.entries.count())]


def hidden(legend: LegendView) -> list[str]:
    items = (legend.entries.item(i) for i in range(legend.entries.count()))
    return [item.text() for item in items if item.data(HIDDEN_ROLE)]


def click(legend: LegendView, name: str, modifier: Qt.KeyboardModifier = NO_KEY) -> None:
    item = legend.entries.item(names(legend).index(name))
    legend.entries.scrollToItem(item)
    QTest.mouseClick(legend.entries.viewport(), LEFT, modifier, legend.entries.visualItemRect(item).center())


def choose(program: Program, title: str) -> None:
    """Choose a line of the box, as its list does when it is clicked."""
    box = program.window.legend.choice
    box.setCurrentIndex(box.findText(title))
    box.activated.emit(box.currentIndex())
    program.drawn()


def inked(program: Program) -> int:
    """Pixels of the map that are not ground."""
    picture = program.window.map._shown
    assert picture is not None
    return int(np.count_nonzero(picture.pixels != picture.pixels[0, 0]))


def test_a_click_hides_an_entry_and_show_all_brings_it_back(program: Program, file: Path, legend: LegendView) -> None:
    program.open(file)
    whole = inked(program)
    click(legend, "even")
    program.drawn()
    assert hidden(legend) == ["even"]
    assert 0.2 < inked(program) / whole < 0.8
    assert legend.count.text() == "250 of 500 rows"
    QTest.mouseClick(legend.show_all, LEFT)
    program.drawn()
    assert hidden(legend) == []
    assert inked(program) == whole
    assert legend.count.text() == "500 rows"
    assert not legend.show_all.isVisible()


def test_alt_click_shows_an_entry_alone_and_once_more_all(program: Program, file: Path, legend: LegendView) -> None:
    program.open(file)
    click(legend, "odd", ALT)
    assert hidden(legend) == ["even"]
    click(legend, "even", ALT)
    assert hidden(legend) == ["odd"]
    click(legend, "even", ALT)
    assert hidden(legend) == []
    program.drawn()


def test_the_legend_goes_by_keys(program: Program, file: Path, legend: LegendView) -> None:
    program.open(file)
    legend.entries.setFocus()
    QTest.keyClick(legend.entries, Qt.Key.Key_Home)
    QTest.keyClick(legend.entries, Qt.Key.Key_Down)
    QTest.keyClick(legend.entries, Qt.Key.Key_Space)
    assert hidden(legend) == ["odd"]
    QTest.keyClick(legend.entries, Qt.Key.Key_Space)
    assert hidden(legend) == []
    QTest.keyClick(legend.entries, Qt.Key.Key_Return)
    assert hidden(legend) == ["even"]
    program.drawn()


def test_many_categories_are_searched_and_the_rest_is_other(program: Program, grouped: Path, legend: LegendView) -> None:
    program.open(grouped)
    choose(program, "group")
    assert len(names(legend)) == 61
    assert names(legend)[COLOURED] == "Other (20)"
    greys = {legend.entries.item(i).data(COLOUR_ROLE) for i in range(COLOURED, 61)}
    own = {legend.entries.item(i).data(COLOUR_ROLE) for i in range(COLOURED)}
    assert (len(greys), len(own)) == (1, COLOURED)
    click(legend, "Other (20)")
    assert len(hidden(legend)) == 21
    click(legend, names(legend)[-1])
    assert len(hidden(legend)) == 19
    assert legend.entries.item(COLOURED).data(COUNT_ROLE) == legend.entries.item(60).data(COUNT_ROLE)
    legend.search.setFocus()
    QTest.keyClicks(legend.search, "GROUP 59")
    found = [legend.entries.item(i).text() for i in range(61) if not legend.entries.item(i).isHidden()]
    assert found == ["group 59"]
    legend.search.clear()
    assert not any(legend.entries.item(i).isHidden() for i in range(61))
    program.drawn()


def test_few_categories_need_no_search(program: Program, file: Path, legend: LegendView) -> None:
    program.open(file)
    assert not legend.search.isVisible()


def test_an_end_of_the_bar_is_dragged_and_a_double_click_resets_it(program: Program, grouped: Path, legend: LegendView) -> None:
    program.open(grouped)
    choose(program, "price")
    assert names(legend) == ["Missing"]
    model, bar = program.controller.colouring, legend.bar
    first = model.shown
    assert first.coded.codes[10] == MISSING
    from_, to = bar.place_of(1).toPoint(), QPoint(round(bar.width() / 2), 70)
    QTest.mousePress(bar, LEFT, pos=from_)
    with program.bot.waitSignal(model.changed, timeout=WAIT_MS):  # while it is dragged, not after
        QTest.mouseMove(bar, (from_ + to) / 2)
        QTest.mouseMove(bar, to)
    QTest.mouseRelease(bar, LEFT, pos=to)
    program.drawn()
    assert model.shown.range[0] == first.range[0]
    assert model.shown.range[1] == pytest.approx(375, rel=0.05)
    codes = model.shown.coded.codes
    assert codes[499] == LEVELS - 1
    assert codes[301] == LEVELS - 1
    QTest.mouseDClick(bar, LEFT, pos=QPoint(20, 20))
    program.drawn()
    assert model.shown.range == first.range
    np.testing.assert_array_equal(model.shown.coded.codes, first.coded.codes)


def test_the_bar_goes_by_keys(program: Program, grouped: Path, legend: LegendView) -> None:
    program.open(grouped)
    choose(program, "price")
    model = program.controller.colouring
    low, high = model.shown.range
    legend.bar.setFocus()
    QTest.keyClick(legend.bar, Qt.Key.Key_Right)
    QTest.keyClick(legend.bar, Qt.Key.Key_Left, SHIFT)
    program.drawn()
    assert model.shown.range[0] > low
    assert model.shown.range[1] < high
    QTest.keyClick(legend.bar, Qt.Key.Key_Home)
    program.drawn()
    assert model.shown.range == (low, high)


def test_the_ends_of_the_bar_never_meet(program: Program, grouped: Path, legend: LegendView) -> None:
    program.open(grouped)
    choose(program, "price")
    bar = legend.bar
    QTest.mousePress(bar, LEFT, pos=bar.place_of(1).toPoint())
    QTest.mouseMove(bar, QPoint(-50, 70))
    QTest.mouseRelease(bar, LEFT, pos=QPoint(-50, 70))
    program.drawn()
    low, high = program.controller.colouring.shown.range
    assert low < high


def test_digits_colour_as_classes_and_as_numbers(program: Program, grouped: Path, legend: LegendView) -> None:
    program.open(grouped)
    choose(program, "digit")
    assert sorted(names(legend)) == [str(i) for i in range(7)]
    choose(program, "digit (as a number)")
    assert legend.bar.isVisible()


def test_distances_follow_the_query_and_the_metric(program: Program, file: Path, vectors: Floats, legend: LegendView) -> None:
    program.open(file)
    choose(program, "Distance to the query")
    assert "Click a point" in legend.note.text()
    assert legend.entries.count() == 0
    program.click_point(42)
    row = program.controller.query.row
    assert row is not None
    program.drawn()
    shown = program.controller.colouring.shown
    assert shown.distances is not None
    wide = vectors.astype(np.float64)
    unit = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    np.testing.assert_allclose(shown.distances.distances, 1 - unit @ unit[row], atol=1e-5)
    assert legend.note.text().startswith(f"Cosine distance to thing {row}")
    assert shown.coded.codes[row] == 0
    box = program.window.metric_box
    box.setCurrentIndex(box.findData("l2"))
    box.activated.emit(box.currentIndex())
    program.drawn()
    again = program.controller.colouring.shown
    assert again.distances is not None
    np.testing.assert_allclose(again.distances.distances, np.linalg.norm(wide - wide[row], axis=1), atol=1e-4)
    assert legend.note.text().startswith("Euclidean distance to")
    program.window.k_box.setValue(20)
    program.drawn()
    assert program.controller.colouring.shown.distances is again.distances
    program.window.action("clear").trigger()
    program.drawn()
    assert "Click a point" in legend.note.text()


def test_distances_that_fail_leave_a_sentence_and_no_colours(program: Program, file: Path, legend: LegendView) -> None:
    program.open(file)
    service = program.controller._bridge.engine._service
    assert service is not None
    handle = service.handle

    def failing(request: object, job: object) -> object:
        if isinstance(request, DistancesRequest):
            raise UserError("The file has gone.")
        return handle(request, job)  # type: ignore[arg-type]

    service.handle = failing  # type: ignore[method-assign, assignment]
    choose(program, "Distance to the query")
    program.click_point(3)
    program.drawn()
    assert program.message == "The file has gone."
    assert "Click a point" in legend.note.text()
    assert program.controller.colouring.shown.by.kind == "one"


def test_rows_colour_by_their_order(program: Program, file: Path, legend: LegendView) -> None:
    program.open(file)
    choose(program, "Row order")
    codes = program.controller.colouring.shown.coded.codes
    assert (codes[0], codes[-1]) == (0, LEVELS - 1)
    assert np.all(np.diff(codes.astype(int)) >= 0)


def test_a_shorter_file_after_a_longer_one_is_drawn(program: Program, file: Path, tmp_path: Path, legend: LegendView) -> None:
    """Codes of one data set never meet the points of another."""
    small = tmp_path / "small.npy"
    np.save(small, np.random.default_rng(2).standard_normal((40, 4)).astype(np.float32))
    program.open(file)
    click(legend, "even")
    choose(program, "Row order")
    for path in (small, file, small):
        program.open(path)
        assert inked(program) > 0
        assert legend.choice.currentText() == "Row order"


def test_colours_follow_the_theme(program: Program, file: Path, legend: LegendView) -> None:
    program.open(file)
    before = [legend.entries.item(i).data(COLOUR_ROLE) for i in range(2)]
    click(legend, "even")
    program.window._choose_theme("light")
    program.drawn()
    assert [legend.entries.item(i).data(COLOUR_ROLE) for i in range(2)] != before
    assert hidden(legend) == ["even"]


def test_the_hovered_point_says_what_its_colour_stands_for(program: Program, file: Path, legend: LegendView) -> None:
    program.open(file)
    choose(program, "weight")
    position = program.window.map.position_of(9)
    assert position is not None
    canvas = program.window.map.canvas
    QTest.mouseMove(canvas, canvas.mapFrom(program.window.map, QPointF(position).toPoint()))
    program.bot.waitUntil(lambda: program.window.map.hovered is not None, timeout=WAIT_MS)
    row = program.window.map.hovered
    assert row is not None
    assert program.controller.colouring.shown.line(row) == f"weight: {row / 2:g}"
