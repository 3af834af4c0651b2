"""What each query cost, live: the chart, what it shows, and the difference in words."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.models.chart import ChartModel
from app.models.timings import TimingsModel
from app.theme import COMPILED, DARK, EAGER, Theme
from app.views.stages_chart import NAMES, STAGES, stage_colour, stage_times
from app.views.timing_chart import TimingChart
from app.views.timing_controls import TimingControls
from app.views.timing_tip import last_words

EMPTY = "Every query leaves a dot here: what it cost, compiled or not."
SPACING = 5  # pixels between the words beside the chart


class TimingsView(QWidget):
    race_wanted = Signal()
    stop_wanted = Signal()

    def __init__(self, timings: TimingsModel, look: ChartModel) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._timings, self._look = timings, look
        self._theme = DARK
        self.controls = TimingControls()
        self.chart = TimingChart()
        self.key = QLabel()
        self.key.setTextFormat(Qt.TextFormat.RichText)
        self.key.setWordWrap(True)
        self.words = QLabel(EMPTY)
        self.words.setWordWrap(True)
        self._detail = QLabel()
        self._detail.setObjectName("dim")
        self._detail.setWordWrap(True)
        self.race = QPushButton("Race")
        self.race.setToolTip("Run the last query 30 times compiled and 30 times uncompiled, in random order (R)")
        # As wide as its longest text.
        self.race.setText(_race_text(99))
        self.race.setMinimumWidth(self.race.sizeHint().width())
        self._can_race = False
        self._build()
        timings.changed.connect(self._on_timings)
        timings.pause_changed.connect(self._show)
        timings.race_changed.connect(self._show_race)
        look.changed.connect(self._show)
        self._show_race()

    def _build(self) -> None:
        side = QVBoxLayout()
        side.setSpacing(SPACING)
        side.setContentsMargins(0, 0, 0, 0)
        for label in (self.key, self.words, self._detail):
            side.addWidget(label)
        side.addStretch()
        self.race.clicked.connect(lambda: self.stop_wanted.emit() if self._timings.race_left else self.race_wanted.emit())
        holder = self._beside = QWidget()
        holder.setObjectName("panel")
        holder.setLayout(side)
        holder.setFixedWidth(312)
        holder.setContentsMargins(8, 4, 0, 0)
        top, foot = QHBoxLayout(), QHBoxLayout()
        top.addWidget(self.controls, 1)
        top.addWidget(self.race)
        foot.addWidget(self.chart, 1)
        foot.addWidget(holder)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 4, 12, 8)
        layout.setSpacing(4)
        layout.addLayout(top)
        layout.addLayout(foot, 1)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.chart.set_theme(theme)
        self.controls.set_theme(theme)
        self._show()

    def allow_race(self, allowed: bool) -> None:
        self._can_race = allowed
        self._show_race()

    def sizeHint(self) -> QSize:
        return QSize(900, 220)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._show_detail()

    def _on_timings(self) -> None:
        if self._timings.paused:
            self._show_pause()
        else:
            self._show()

    def _show(self) -> None:
        self._show_pause()
        self.controls.show_look(self._look.look)
        self.chart.show_timings(self._timings, self._look.look)
        self._show_key()
        self._say()

    def _show_pause(self) -> None:
        self.controls.show_pause(self._timings.paused, self._timings.waiting)

    def _show_key(self) -> None:
        """The colours, and of the stages those that occur."""
        marks = [("●", COMPILED, "compiled"), ("●", EAGER, "uncompiled"), ("○", self._theme.dim, "first call")]
        marks.append(("▲", self._theme.text, "traced"))
        about = "▲ at the foot: MLX traced a function anew; rest on it to learn why"
        if self._look.look.stages:
            shown = self._timings.shown[-self._look.look.span :]
            occurring = {name for sample in shown for name in stage_times(sample.timing)}
            names = [name for name in NAMES if name in occurring]
            marks = [*(("■", stage_colour(name, self._theme), name) for name in names)]
            marks += [("▬", COMPILED, "compiled"), ("▬", EAGER, "uncompiled"), ("▲", self._theme.text, "traced")]
            about = "\n".join([*(f"{name}: {STAGES[name].about}" for name in names if name in STAGES), about])
        spaced = (
            f'<span style="color:{colour}">{mark}</span>&nbsp;{name.replace(" ", "&nbsp;")}' for mark, colour, name in marks
        )
        self.key.setText("&nbsp; ".join(spaced))
        self.key.setToolTip(about)

    def _say(self) -> None:
        shown = self._timings.shown
        self.words.setText(self._timings.summary().sentence if shown else EMPTY)
        self._detail.setText(last_words(shown[-1].timing, self._timings.traces) if shown else "")
        self._show_detail()

    def _show_detail(self) -> None:
        """Where there is no room for all the words, those that the newest dot tells too are left out, rather than cut."""
        place = self._beside.contentsRect()
        labels = (self.key, self.words, self._detail)
        needed = sum(label.heightForWidth(place.width()) + SPACING for label in labels)
        self._detail.setVisible(needed <= place.height())

    def _show_race(self) -> None:
        left = self._timings.race_left
        self.race.setText(_race_text(left))
        self.race.setEnabled(self._can_race or bool(left))


def _race_text(left: int) -> str:
    return f"Stop ({left} left)" if left else "Race"
