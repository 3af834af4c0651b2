"""The window is as it was left."""

from __future__ import annotations

from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QDockWidget
from pytestqt.qtbot import QtBot

from app.controller import Controller
from app.notices import Notices
from app.settings import Settings
from app.theme import DARK, LIGHT
from app.window import Window
from core.types import ComputeOptions
from tests.integration.conftest import Program


def reopened(qtbot: QtBot, settings: Settings) -> Window:
    """The window of a later start, whose compute thread never runs."""
    window = Window(Controller(settings, Notices(), ComputeOptions("cpu")))
    qtbot.addWidget(window)
    with qtbot.waitExposed(window):
        window.show()
    return window


def test_docks_are_remembered(qtbot: QtBot, program: Program, settings: Settings) -> None:
    timings = program.window.findChild(QDockWidget, "Timings")
    colours = program.window.findChild(QDockWidget, "Colour by")
    assert timings is not None
    assert colours is not None
    timings.close()
    colours.setFloating(True)
    program.window.close()
    window = reopened(qtbot, settings)
    kept = {dock.objectName(): dock for dock in window.findChildren(QDockWidget)}
    assert not kept["Timings"].isVisible()
    assert kept["Colour by"].isFloating()
    assert kept["Neighbours"].isVisible()
    window.close()


def test_a_damaged_layout_falls_back(qtbot: QtBot, settings: Settings, tmp_path: object) -> None:
    store = QSettings(f"{tmp_path}/settings.ini", QSettings.Format.IniFormat)
    store.setValue("docks", b"nonsense")
    store.setValue("geometry", b"nonsense")
    store.sync()
    window = reopened(qtbot, Settings(QSettings(f"{tmp_path}/settings.ini", QSettings.Format.IniFormat)))
    assert all(dock.isVisible() for dock in window.findChildren(QDockWidget))
    window.close()


def test_both_themes_reach_the_map_and_the_charts(program: Program) -> None:
    for choice, theme in (("light", LIGHT), ("dark", DARK)):
        action = next(a for a in program.window.findChildren(type(program.window.action("open"))) if choice in a.text().lower())
        action.trigger()
        ground = program.window.map.canvas.grab().toImage().pixelColor(2, 2).name()
        assert ground == theme.ground
        assert program.controller.settings.theme == choice
