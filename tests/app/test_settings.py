"""Settings: versioned, and a field that cannot be read falls back alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QByteArray, QSettings

from app.settings import MAX_RECENT, ChartLook, Settings


@pytest.fixture
def store(tmp_path: Path) -> QSettings:
    return QSettings(str(tmp_path / "s.ini"), QSettings.Format.IniFormat)


def test_recent_files_come_newest_first_once_each(store: QSettings) -> None:
    settings = Settings(store)
    for name in ("a", "b", "a"):
        settings.remember(Path(name))
    assert settings.recent == [Path("a"), Path("b")]
    for i in range(20):
        settings.remember(Path(str(i)))
    assert len(settings.recent) == MAX_RECENT


def test_they_survive_a_restart(store: QSettings, tmp_path: Path) -> None:
    settings = Settings(store)
    settings.remember(Path("one"))
    settings.theme = "light"
    settings.save_window(QByteArray(b"geometry"), QByteArray(b"docks"))
    store.sync()
    again = Settings(QSettings(str(tmp_path / "s.ini"), QSettings.Format.IniFormat))
    assert again.recent == [Path("one")]
    assert again.theme == "light"
    assert again.docks == QByteArray(b"docks")


def test_the_look_of_the_chart_survives_and_falls_back_field_by_field(store: QSettings, tmp_path: Path) -> None:
    assert Settings(store).chart == ChartLook()
    look = ChartLook(stages=True, span=0, log=False, memory=True)
    Settings(store).chart = look
    store.sync()
    again = QSettings(str(tmp_path / "s.ini"), QSettings.Format.IniFormat)
    assert Settings(again).chart == look
    again.setValue("chart/span", 7)
    again.setValue("chart/log", "perhaps")
    assert Settings(again).chart == ChartLook(stages=True, memory=True)


def test_a_damaged_field_falls_back_alone(store: QSettings) -> None:
    store.setValue("theme", "purple")
    store.setValue("docks", 3)
    store.setValue("recent", ["kept"])
    store.setValue("version", "1")
    settings = Settings(store)
    assert settings.theme == "system"
    assert settings.docks is None
    assert settings.recent == [Path("kept")]


def test_another_version_starts_afresh(store: QSettings) -> None:
    store.setValue("version", 99)
    store.setValue("theme", "dark")
    assert Settings(store).theme == "system"
