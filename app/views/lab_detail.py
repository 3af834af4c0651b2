"""One workload of the lab in full: what it shows, the guide's claim, what was measured, what to learn, its code, its figures."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from app.figures import figure, size
from app.models.lab import LabModel, Reading
from app.theme import COMPILED, EAGER, Theme
from app.views.code import CodeView
from app.views.lab_findings import FindingsView
from app.views.strips import StripsView
from core.lab import LabRun, WayFigures

FIGURES = ("median", "p95", "first", "repeats", "traces", "peak", "held", "GB/s", "GFLOP/s", "of limit")
TIPS = {
    "median": "Median of all repeats, in milliseconds",
    "p95": "95 of 100 repeats took no longer, in milliseconds",
    "first": "The first call, which traces and generates code, in milliseconds",
    "peak": "The most memory that one call took beyond what lay there before",
    "held": "Memory in use when a call had ended: its results, its inputs and all else that lies there",
    "GB/s": "The least bytes that one call has to move, a second",
    "of limit": "What the machine's memory and its float32 product would allow at best, over what it took; more than all where "
    "caches serve it",
}
UNTOLD = "Not run yet."


class LabDetail(QScrollArea):
    def __init__(self, lab: LabModel) -> None:
        super().__init__()
        self._lab = lab
        self.title, self.shows = QLabel(), _words()
        self.claim, self.verdict, self.lesson = _words(), _words(), _words()
        self.findings, self.code = FindingsView(), CodeView()
        self.figures, self.strips = FiguresGrid(), StripsView()
        self._about_times = [QLabel("Figures"), self.figures, QLabel("Every repeat"), self.strips]
        self._build()
        lab.listed.connect(self.show_all)
        lab.chosen_changed.connect(self.show_all)
        lab.row_changed.connect(self._on_row)

    def set_theme(self, theme: Theme) -> None:
        for view in (self.findings, self.code, self.strips):
            view.set_theme(theme)

    def sizeHint(self) -> QSize:
        return QSize(400, 320)

    def _build(self) -> None:
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.title.setObjectName("title")
        facts = QGridLayout()
        facts.setHorizontalSpacing(16)
        facts.setVerticalSpacing(4)
        facts.setColumnStretch(1, 1)
        for row, (name, value) in enumerate((("The guide", self.claim), ("Measured", self.verdict), ("To learn", self.lesson))):
            key = QLabel(name)
            key.setObjectName("dim")
            facts.addWidget(key, row, 0, Qt.AlignmentFlag.AlignTop)
            facts.addWidget(value, row, 1)
        # Two lines from the start: what follows does not move when there is more to say.
        self.verdict.setMinimumHeight(2 * self.verdict.fontMetrics().lineSpacing())
        body = QWidget()
        layout = QVBoxLayout(body)
        layout.setContentsMargins(16, 4, 12, 16)
        layout.setSpacing(8)
        layout.addWidget(self.title)
        layout.addWidget(self.shows)
        layout.addLayout(facts)
        layout.addWidget(self.findings)
        layout.addWidget(self.code)
        for widget in self._about_times:
            if isinstance(widget, QLabel):
                widget.setObjectName("dim")
            layout.addWidget(widget)
        layout.addStretch(1)
        self.setWidget(body)

    def _on_row(self, name: str) -> None:
        if name == self._lab.chosen:
            self._show_run()

    def show_all(self) -> None:
        if (name := self._lab.chosen) is None:
            return
        workload = self._lab.workloads[name]
        self.title.setText(workload.title)
        self.shows.setText(workload.shows)
        self.claim.setText(workload.claim or "It says nothing of this.")
        self.lesson.setText(workload.lesson)
        self._show_run()
        self.verticalScrollBar().setValue(0)

    def _show_run(self) -> None:
        name = self._lab.chosen
        assert name is not None
        reading = self._lab.reading(name)
        self.verdict.setText(self._lab.problem(name) or (_said(reading) if reading else UNTOLD))
        self.findings.show_findings(reading.run.findings if reading else ())
        self.code.show_lines(self._lab.size_of(name).code)
        ways = reading.run.ways if reading else ()
        if reading is not None:
            self.figures.show_run(reading.run)
        self.strips.show_ways(ways)
        for widget in self._about_times:
            widget.setVisible(bool(ways))


def _said(reading: Reading) -> str:
    run = reading.run
    if run.findings:
        return f"{len(run.findings)} experiments, those that catch people out marked. Choose one to see its code."
    told = reading.verdict or (f"{figure(reading.base.median_ms)} ms." if reading.base and reading.base.median_ms else "")
    return f"{told} On {run.file}." if run.file and not run.problem else told


def _words() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setAlignment(Qt.AlignmentFlag.AlignTop)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


class FiguresGrid(QWidget):
    """A column a way, a line a figure."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(16)
        self._grid.setVerticalSpacing(2)
        self._cells: list[list[QLabel]] = []
        for row, name in enumerate(FIGURES, 1):
            head = QLabel(name)
            head.setObjectName("dim")
            head.setToolTip(TIPS.get(name, ""))
            self._grid.addWidget(head, row, 0)

    def show_run(self, run: LabRun) -> None:
        self._provide(len(run.ways))
        for cells, way in zip(self._cells, run.ways, strict=True):
            colour = COMPILED if way.compiled else EAGER
            texts = [f'<span style="color:{colour}">●</span> {way.name}', *_texts(run, way)]
            for cell, text in zip(cells, texts, strict=True):
                if cell.text() != text:
                    cell.setText(text)

    def _provide(self, count: int) -> None:
        while len(self._cells) < count:
            column = len(self._cells) + 1
            cells = [QLabel() for _ in range(len(FIGURES) + 1)]
            for row, cell in enumerate(cells):
                cell.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                cell.setWordWrap(row == 0)
                self._grid.addWidget(cell, row, column)
                self._grid.setColumnStretch(column, 1)
            self._cells.append(cells)
        for cells in self._cells[count:]:
            for cell in cells:
                self._grid.removeWidget(cell)
                cell.deleteLater()
        del self._cells[count:]


def _texts(run: LabRun, way: WayFigures) -> list[str]:
    """The figures of one way, in the order of FIGURES."""
    share = run.share_of_limit(way)
    ms = [_or_dash(value, " ms") for value in (way.median_ms, way.p95_ms, way.first_ms)]
    counts = [str(len(way.ms)), str(way.traces), size(way.peak_bytes), size(way.active_bytes)]
    rates = [_or_dash(value) for value in (run.gb_s(way), run.gflop_s(way))]
    return [*ms, *counts, *rates, "–" if share is None else f"{share:.0%}"]


def _or_dash(value: float | None, unit: str = "") -> str:
    return "–" if value is None else f"{figure(value)}{unit}"
