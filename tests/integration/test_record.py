"""The record: fields of the query beside those of a neighbour; pictures, links, sound."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt, QUrl
from PySide6.QtGui import QColor, QDesktopServices, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QStyleOptionViewItem
from pytestqt.qtbot import QtBot

from app import images
from app.images import LARGEST, NOT_FOUND, NOT_READ, Images, read_picture
from app.views.fields import LONGEST, TALLEST, FieldView, local_file
from app.views.quiet_table import Index
from app.views.thumbnails import HEIGHT, Thumbnails
from tests.integration.conftest import WAIT_MS, Program

ROWS = 40
LONG = "one word after the other " * 200


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    """Vectors in clusters apart, with pictures, links, sound and long texts."""
    rng = np.random.default_rng(0)
    path = tmp_path / "gallery.npy"
    np.save(path, rng.standard_normal((ROWS, 8)).astype(np.float32))
    (tmp_path / "pictures").mkdir()
    lines = ["name\tpage\tpicture\tsound\ttext"]
    for i in range(ROWS):
        image = QImage(900 if i == 1 else 30, 20, QImage.Format.Format_RGB32)
        image.fill(Qt.GlobalColor.red)
        image.save(str(tmp_path / "pictures" / f"{i}.png"))
        lines.append(f"thing {i}\thttps://example.org/{i}\tpictures/{i}.png\t{i}.wav\t{LONG if i % 2 else i}")
    path.with_suffix(".tsv").write_text("\n".join(lines) + "\n")
    return path


def pair(program: Program, name: str) -> tuple[FieldView, FieldView]:
    return program.window.record.fields[name]


def titles(program: Program) -> list[str]:
    return [title.toPlainText() for title in program.window.record._titles if title.isVisible()]


def test_the_query_and_its_nearest_neighbour_stand_side_by_side(program: Program, gallery: Path) -> None:
    program.open(gallery)
    assert "Click a point" in program.window.record._note.text()
    program.answered(lambda: program.controller.select(2))
    result = program.controller.neighbours.result
    assert result is not None
    nearest = int(result.ids[0])
    assert titles(program) == ["thing 2\nrow 2", f"thing {nearest}\nrow {nearest}"]
    query, other = pair(program, "page")
    assert query.link.toolTip().startswith("https://example.org/2\n")
    assert other.link.toolTip().startswith(f"https://example.org/{nearest}\n")
    assert query.passage.isHidden()


def test_the_point_under_the_cursor_takes_the_place_of_the_neighbour_and_stays(program: Program, gallery: Path) -> None:
    program.open(gallery)
    program.answered(lambda: program.controller.select(2))
    position = program.window.map.position_of(9)
    assert position is not None
    place = program.window.map.canvas.mapFrom(program.window.map, position.toPoint())
    QTest.mouseMove(program.window.map.canvas, place - QPoint(1, 0))
    QTest.mouseMove(program.window.map.canvas, place)
    program.bot.waitUntil(lambda: program.controller.record.other == program.window.map.hovered)
    row = program.controller.record.other
    assert titles(program)[1] == f"thing {row}\nrow {row}"
    program.window.map.pointed_at.emit(None)
    assert titles(program)[1] == f"thing {row}\nrow {row}"


def test_walking_through_the_neighbours_shows_each(program: Program, gallery: Path) -> None:
    program.open(gallery)
    program.answered(lambda: program.controller.select(2))
    result = program.controller.neighbours.result
    assert result is not None
    for rank in (0, 1):
        program.controller.neighbours.walk(1)
        assert titles(program)[1].startswith(f"thing {result.ids[rank]}\n")


def test_pictures_are_read_scaled_and_found_beside_the_labels(program: Program, gallery: Path) -> None:
    program.open(gallery)
    program.answered(lambda: program.controller.select(1))
    picture = pair(program, "picture")[0].picture
    program.bot.waitUntil(lambda: picture.picture is not None, timeout=WAIT_MS)
    assert isinstance(picture.picture, QImage)
    assert picture.picture.width() == LARGEST.width()


def test_a_link_opens_on_a_click_and_not_before(program: Program, gallery: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[QUrl] = []

    def open_url(url: QUrl) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr(QDesktopServices, "openUrl", open_url)
    program.open(gallery)
    program.answered(lambda: program.controller.select(3))
    assert opened == []
    for name in ("page", "sound"):
        program.window.record._scroll.ensureWidgetVisible(pair(program, name)[0])
        QTest.mouseClick(pair(program, name)[0].link, Qt.MouseButton.LeftButton)
    assert opened == [QUrl("https://example.org/3"), QUrl.fromLocalFile(str(gallery.parent / "3.wav"))]


def test_what_cannot_be_opened_is_told(program: Program, gallery: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: False)
    program.open(gallery)
    program.answered(lambda: program.controller.select(3))
    QTest.mouseClick(pair(program, "sound")[0].link, Qt.MouseButton.LeftButton)
    assert "3.wav cannot be opened" in program.message


def test_a_long_text_wraps_and_scrolls(program: Program, gallery: Path) -> None:
    program.open(gallery)
    program.answered(lambda: program.controller.select(3))
    passage = pair(program, "text")[0].passage
    assert passage.toPlainText() == LONG
    program.bot.waitUntil(lambda: passage.height() == TALLEST)
    assert passage.verticalScrollBar().maximum() > 0
    program.answered(lambda: program.controller.select(4))
    program.bot.waitUntil(lambda: passage.height() < 40)


def test_another_table_has_other_fields(program: Program, gallery: Path, file: Path) -> None:
    program.open(gallery)
    program.answered(lambda: program.controller.select(3))
    program.open(file)
    assert titles(program) == []
    program.answered(lambda: program.controller.select(3))
    assert list(program.window.record.fields) == ["kind", "weight"]


# Fields and pictures by themselves


@pytest.fixture
def field(qtbot: QtBot) -> FieldView:
    pictures = Images()
    view = FieldView("image", pictures)
    qtbot.addWidget(view, before_close_func=lambda _: pictures.close())
    view.resize(200, 100)
    view.show()
    return view


@pytest.mark.parametrize("text", ["https://example.org/a.png", "HTTP://x.org/b.jpg"])
def test_a_picture_on_the_web_is_a_link_and_is_not_fetched(field: FieldView, text: str) -> None:
    field.show_value(text, Path("/nowhere"))
    assert field.link.isVisible()
    assert field.picture.isHidden()


@pytest.mark.parametrize("text", ["", "no file", "/usr/bin/true", "javascript:alert(1)"])
def test_what_is_none_of_a_columns_kind_is_plain_text_that_nothing_opens(field: FieldView, text: str) -> None:
    field.show_value(text, Path("/nowhere"))
    assert field.passage.isVisible()
    assert field.link.isHidden()
    assert field.picture.isHidden()


def test_a_text_too_long_to_lay_out_is_cut(qtbot: QtBot, field: FieldView) -> None:
    field.show_value("x" * (LONGEST + 1), Path())
    assert field.passage.toPlainText().endswith(f"x… ({LONGEST + 1:,} characters)")


def test_where_a_file_is() -> None:
    assert local_file("a/b.png", Path("/data")) == Path("/data/a/b.png")
    assert local_file(" /x/b.png ", Path("/data")) == Path("/x/b.png")
    assert local_file("file:///x/b%20c.png", Path("/data")) == Path("/x/b c.png")


def test_broken_pictures_say_why(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nno more")
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    assert read_picture(str(broken)) == NOT_READ
    assert read_picture(str(pipe)) == NOT_READ
    assert read_picture(str(tmp_path)) == NOT_READ
    assert read_picture(str(tmp_path / "none.png")) == NOT_FOUND
    assert read_picture("a\0b.png") == NOT_FOUND


def test_a_part_of_a_picture_is_read_alone(tmp_path: Path) -> None:
    sheet = QImage(8, 4, QImage.Format.Format_RGB32)
    sheet.fill(0xFF000000)
    for x in range(4, 8):
        for y in range(4):
            sheet.setPixel(x, y, 0xFFFF0000)
    sheet.save(str(tmp_path / "sheet.png"))
    found = {at: read_picture(f"{tmp_path}/sheet.png#xywh={at},0,4,4") for at in (0, 4)}
    for at, colour in ((0, 0xFF000000), (4, 0xFFFF0000)):
        part = found[at]
        assert isinstance(part, QImage)
        assert (part.width(), part.height(), part.pixel(0, 0), part.pixel(3, 3)) == (4, 4, colour, colour)


def test_the_suffix_does_not_decide_what_a_picture_is(tmp_path: Path) -> None:
    image = QImage(4, 3, QImage.Format.Format_RGB32)
    image.fill(0)
    image.save(str(tmp_path / "a.png"))
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    read = read_picture(str(tmp_path / "a.jpg"))
    assert isinstance(read, QImage)
    assert (read.width(), read.height()) == (4, 3)


def test_pictures_are_kept_while_there_is_room(tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "CACHE_BYTES", 2 * 40 * 40 * 4)
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    pictures = Images()
    for path in paths:
        image = QImage(40, 40, QImage.Format.Format_RGB32)
        image.fill(0)
        image.save(str(path))
        with qtbot.waitSignal(pictures.loaded, timeout=WAIT_MS):
            assert pictures.get(path) is None
    assert [pictures.get(path) is not None for path in paths[1:]] == [True, True]
    with qtbot.waitSignal(pictures.loaded, timeout=WAIT_MS):
        assert pictures.get(paths[0]) is None
    pictures.close()


def test_pictures_are_small_in_the_table_of_neighbours(program: Program, gallery: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[int] = set()  # lines that were painted
    painted: set[int] = set()  # those whose picture was there

    def picture(self: Thumbnails, index: Index) -> QImage | str | None:
        found = look(self, index)
        (painted if isinstance(found, QImage) else asked).add(index.row())
        return found

    def read(name: str) -> images.Picture:
        gate.wait(WAIT_MS / 1000)
        return read_picture(name)

    look, gate = Thumbnails._picture, threading.Event()
    monkeypatch.setattr(Thumbnails, "_picture", picture)
    monkeypatch.setattr(images, "read_picture", read)
    (gallery.parent / "pictures" / "9.png").write_bytes(b"no picture")
    program.open(gallery)
    program.controller.set_k(39)
    program.answered(lambda: program.controller.select(2))
    program.controller.show_columns(("picture",))
    table = program.window.neighbours.table
    model = table.table_model
    section = model.columnCount() - 1
    assert table.rowHeight(0) == HEIGHT
    rows = [model.row_of(model.index(line, section)) for line in range(model.rowCount())]
    table.scrollTo(model.index(0, section))
    pictured = [line for line in range(3) if rows[line] != 9]
    program.bot.waitUntil(lambda: asked.issuperset(pictured), timeout=WAIT_MS)
    gate.set()
    program.bot.waitUntil(lambda: painted.issuperset(pictured), timeout=WAIT_MS)
    left = table.visualRect(model.index(pictured[0], section))
    seen = table.viewport().grab().toImage().pixelColor(left.left() + 8, left.center().y())
    assert seen == QColor(Qt.GlobalColor.red)
    broken, file = model.index(rows.index(9), section), gallery.parent / "pictures" / "9.png"
    table.scrollTo(broken)
    program.bot.waitUntil(lambda: program.controller.images.get(file) == NOT_READ, timeout=WAIT_MS)
    option, delegate = QStyleOptionViewItem(), table.itemDelegateForIndex(broken)
    assert isinstance(delegate, Thumbnails)
    delegate.initStyleOption(option, broken)
    assert option.text == NOT_READ
    program.controller.show_columns(("page",))
    assert table.rowHeight(0) < HEIGHT
