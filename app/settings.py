"""Settings kept between starts, with a version. A field that cannot be read falls back to its default alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from PySide6.QtCore import QByteArray, QSettings

VERSION = 1
MAX_RECENT = 10

ThemeChoice = Literal["system", "dark", "light"]
# How many of the latest queries the chart of timings may show; 0 is all that are kept.
SPANS = (50, 200, 1000, 0)


@dataclass(frozen=True)
class ChartLook:
    """How the chart of timings shows queries."""

    stages: bool = False  # bars of the stages, not dots of the whole
    span: int = 200
    log: bool = True
    memory: bool = False  # with a line of the memory


class Settings:
    def __init__(self, store: QSettings) -> None:
        self._store = store
        if self._number("version", VERSION) != VERSION:
            store.clear()  # written by a later release: its layout of docks would not fit
        store.setValue("version", VERSION)

    @property
    def theme(self) -> ThemeChoice:
        value = self._store.value("theme", "system")
        return value if value in ("system", "dark", "light") else "system"

    @theme.setter
    def theme(self, value: ThemeChoice) -> None:
        self._store.setValue("theme", value)

    @property
    def chart(self) -> ChartLook:
        usual = ChartLook()
        span = self._number("chart/span", usual.span)
        return ChartLook(
            self._flag("chart/stages", usual.stages),
            span if span in SPANS else usual.span,
            self._flag("chart/log", usual.log),
            self._flag("chart/memory", usual.memory),
        )

    @chart.setter
    def chart(self, look: ChartLook) -> None:
        for name, value in asdict(look).items():
            self._store.setValue(f"chart/{name}", value)

    @property
    def recent(self) -> list[Path]:
        """Files opened before, newest first."""
        return [Path(text) for text in self._texts("recent")]

    def remember(self, path: Path) -> None:
        others = [other for other in self.recent if other != path]
        self._store.setValue("recent", [str(p) for p in [path, *others][:MAX_RECENT]])

    def forget_recent(self) -> None:
        self._store.remove("recent")

    @property
    def neighbour_columns(self) -> tuple[str, ...]:
        """Columns of labels that are shown beside each neighbour."""
        return tuple(self._texts("neighbour_columns"))

    @neighbour_columns.setter
    def neighbour_columns(self, names: tuple[str, ...]) -> None:
        self._store.setValue("neighbour_columns", list(names))

    @property
    def geometry(self) -> QByteArray | None:
        return self._bytes("geometry")

    @property
    def docks(self) -> QByteArray | None:
        return self._bytes("docks")

    def save_window(self, geometry: QByteArray, docks: QByteArray) -> None:
        self._store.setValue("geometry", geometry)
        self._store.setValue("docks", docks)

    def _bytes(self, key: str) -> QByteArray | None:
        value = self._store.value(key)
        return value if isinstance(value, QByteArray) else None

    def _flag(self, key: str, default: bool) -> bool:
        return {"true": True, "false": False}.get(str(self._store.value(key, default)).lower(), default)

    def _texts(self, key: str) -> list[str]:
        value = self._store.value(key, [])
        texts = [value] if isinstance(value, str) else value if isinstance(value, list) else []
        return [str(text) for text in texts]

    def _number(self, key: str, default: int) -> int:
        try:
            return int(str(self._store.value(key, default)))
        except ValueError:
            return default
