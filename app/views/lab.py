"""The lab: the workloads and one of them in full, the roofline, the history; run, stop, export."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QModelIndex, QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFileDialog, QLabel, QMenu, QPushButton, QSizePolicy, QSplitter, QVBoxLayout, QWidget

from app.models.dataset import DatasetModel
from app.models.lab import LabModel
from app.models.lab_history import LabHistory
from app.models.timings import TimingsModel
from app.theme import DARK, Theme
from app.views.lab_detail import LabDetail
from app.views.lab_history import LabHistoryView
from app.views.lab_table import LabTable
from app.views.picture import draw_png, draw_svg
from app.views.roofline import RooflineView
from app.views.tabs import Tabs
from core.lab import LabRun

WAITING = "The workloads are listed here once the compute thread stands."
INVITATION = "Run a workload, or all of them: every repeat leaves a dot."
WORKLOADS, ROOFLINE, HISTORY = range(3)
# Of the pane about one workload, the least and the most, and its share of the width between them.
DETAIL_WIDTH, DETAIL_SHARE = (264, 520), 0.35
PICTURES = {"png": draw_png, "svg": draw_svg}


class LabView(QWidget):
    run_wanted = Signal(list)  # names of workloads
    stop_one_wanted = Signal(str)
    stop_wanted = Signal()
    export_wanted = Signal(object, str, list)  # a path, 'csv' or 'json', runs
    picture_wanted = Signal(object, object)  # a path, and what encodes the picture

    def __init__(self, lab: LabModel, history: LabHistory, dataset: DatasetModel, timings: TimingsModel) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._lab, self._theme = lab, DARK
        self.table, self.detail = LabTable(lab), LabDetail(lab)
        self.roofline = RooflineView(lab, dataset, timings)
        self.history = LabHistoryView(lab, history)
        self.note = QLabel(WAITING)
        self.run_all, self.stop, self.export = QPushButton("Run all"), QPushButton("Stop"), QPushButton("Export")
        self._split = QSplitter(Qt.Orientation.Horizontal)
        self.tabs = Tabs([("Workloads", self._split), ("Roofline", self.roofline), ("History", self.history)])
        self._build()
        self._connect()
        self._show_state()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        for view in (self.table, self.detail, self.roofline, self.history, self.tabs):
            view.set_theme(theme)

    def sizeHint(self) -> QSize:
        return QSize(900, 400)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            detail = min(max(DETAIL_WIDTH[0], round(DETAIL_SHARE * self.width())), DETAIL_WIDTH[1])
            self._split.setSizes([self.width() - detail, detail])

    def _build(self) -> None:
        self._split.addWidget(self.table)
        self._split.addWidget(self.detail)
        self._split.setChildrenCollapsible(False)
        self._split.setStretchFactor(0, 1)
        self._split.setStretchFactor(1, 0)
        self.detail.setMinimumWidth(DETAIL_WIDTH[0])
        self.note.setObjectName("dim")
        self.note.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.note.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.run_all.setToolTip("Run every workload in the size that is chosen for it, one after the other")
        self.stop.setToolTip("Stop what runs and what waits; what was measured so far stays")
        menu = QMenu(self.export)
        for title, suffix in (("Runs as &CSV…", "csv"), ("Runs as &JSON…", "json")):
            menu.addAction(title, lambda suffix=suffix: self._export_runs(suffix)).setData(suffix)
        menu.addSeparator()
        for title, suffix in (("Picture as &PNG…", "png"), ("Picture as &SVG…", "svg")):
            menu.addAction(title, lambda suffix=suffix: self._export_picture(suffix)).setData(suffix)
        menu.aboutToShow.connect(self._allow_exports)
        self.export.setMenu(menu)
        self.export.setToolTip("Write the runs that are shown, or the picture")
        self.tabs.head.addWidget(self.note, 1)
        for button in (self.run_all, self.stop, self.export):
            self.tabs.head.addWidget(button)
        self.tabs.head.setSpacing(8)
        self.tabs.head.setContentsMargins(0, 0, 8, 0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.tabs)

    def _connect(self) -> None:
        lab = self._lab
        for signal in (lab.listed, lab.queue_changed, lab.measured):
            signal.connect(self._show_state)
        self.table.run_wanted.connect(lambda name: self.run_wanted.emit([name]))
        self.table.stop_wanted.connect(self.stop_one_wanted)
        self.table.size_wanted.connect(lab.choose_size)
        self.table.selectionModel().currentRowChanged.connect(self._on_row)
        self.roofline.chosen.connect(self._look_at)
        self.run_all.clicked.connect(lambda: self.run_wanted.emit(list(lab.workloads)))
        self.stop.clicked.connect(self.stop_wanted)

    def _on_row(self, index: QModelIndex) -> None:
        if index.isValid():
            self._lab.choose(self.table.table_model.names[index.row()])

    def _look_at(self, name: str) -> None:
        """A dot was clicked: show its workload."""
        self.tabs.bar.setCurrentIndex(WORKLOADS)
        self.table.selectRow(self.table.table_model.names.index(name))

    def _show_state(self) -> None:
        lab = self._lab
        self.run_all.setEnabled(bool(lab.workloads))
        self.stop.setEnabled(lab.busy)
        if lab.running is not None:
            left = f", {len(lab.waiting)} to go" if lab.waiting else ""
            self.note.setText(f"Running {lab.workloads[lab.running[0]].title}{left}")
        elif not lab.readings:
            self.note.setText(INVITATION if lab.workloads else WAITING)
        else:
            self.note.setText("")

    # Export

    @property
    def _runs(self) -> list[LabRun]:
        """Those of the tab that is shown."""
        return self.history.runs if self.tabs.bar.currentIndex() == HISTORY else [r.run for r in self._lab.readings.values()]

    @property
    def _picture(self) -> QWidget:
        """The plot of the tab that is shown."""
        plots: tuple[QWidget, ...] = (self.detail.strips, self.roofline.plot, self.history.plot)
        return plots[self.tabs.bar.currentIndex()]

    def _allow_exports(self) -> None:
        for action in self.export.menu().actions():
            action.setEnabled(self._picture.isVisible() if action.data() in PICTURES else bool(self._runs))

    def _export_runs(self, suffix: str) -> None:
        if path := self._ask_path("Export runs", suffix):
            self.export_wanted.emit(path, suffix, self._runs)

    def _export_picture(self, suffix: str) -> None:
        encode = PICTURES[suffix](self._picture, self._theme.panel)
        if path := self._ask_path("Export the picture", suffix):
            self.picture_wanted.emit(path, encode)

    def _ask_path(self, title: str, suffix: str) -> Path | None:
        name, _ = QFileDialog.getSaveFileName(self, title, f"lab.{suffix}", f"{suffix.upper()} (*.{suffix})")
        if not name:
            return None
        path = Path(name)
        return path if path.suffix else path.with_suffix(f".{suffix}")
