"""How the map is made: which components are x and y, centred or not, unit length or not, and what each explains."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QCheckBox, QComboBox, QFormLayout, QHBoxLayout, QLabel, QSizePolicy, QToolTip, QVBoxLayout, QWidget

from app.models.projection import ProjectionModel
from app.theme import DARK, Theme
from core.types import COMPONENTS

EMPTY = "Shares of the variance appear here once all rows are projected."


class ExplainedChart(QWidget):
    """A bar a component, as high as its share of the variance; those on the map stand out. A click makes one x."""

    picked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._theme = DARK
        self._shares: list[float] = []
        self._axes: tuple[int, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)
        self.setAccessibleName("Explained variance")

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def show_shares(self, shares: list[float], axes: tuple[int, ...]) -> None:
        self._shares, self._axes = shares, axes
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(200, 104)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if not self._shares:
            painter.setPen(QColor(self._theme.dim))
            painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap), EMPTY)
            return
        font = painter.font()
        font.setPointSizeF(font.pointSizeF() - 1)
        painter.setFont(font)
        line = painter.fontMetrics().height()
        floor, top = self.height() - line - 2, line + 2
        largest = max(self._shares) or 1.0
        for i, share in enumerate(self._shares):
            slot = self._slot(i)
            height = max(1.5, (floor - top) * share / largest)
            on_map = i in self._axes
            colour = QColor(self._theme.text if on_map else self._theme.dim)
            colour.setAlphaF(0.9 if on_map else 0.35)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour)
            painter.drawRoundedRect(QRectF(slot.left() + 3, floor - height, slot.width() - 6, height), 2, 2)
            painter.setPen(QColor(self._theme.text if on_map else self._theme.dim))
            name = QRectF(slot.left(), floor + 2, slot.width(), line)
            painter.drawText(name, Qt.AlignmentFlag.AlignCenter, self._name(i))
            if on_map:
                text = f"{share:.1%}" if share < 0.0995 else f"{share:.0%}"
                if painter.fontMetrics().horizontalAdvance(text) > slot.width() - 4:
                    text = text.removesuffix("%")  # or it would run into its neighbour's
                above = QRectF(max(0.0, slot.center().x() - 24), floor - height - line - 1, 48, line)
                painter.drawText(above, Qt.AlignmentFlag.AlignCenter if above.left() else Qt.AlignmentFlag.AlignLeft, text)

    def event(self, event: object) -> bool:
        if isinstance(event, QHelpEvent) and (i := self._at(event.pos().x())) is not None:
            QToolTip.showText(event.globalPos(), f"Component {i + 1} explains {self._shares[i]:.2%} of the variance", self)
            return True
        return super().event(event)  # type: ignore[arg-type]

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if (i := self._at(event.position().x())) is not None:
            self.picked.emit(i)

    def _name(self, i: int) -> str:
        axes = "".join(name for name, axis in zip("xy", self._axes, strict=False) if axis == i)
        return axes or str(i + 1)

    def _slot(self, i: int) -> QRectF:
        width = self.width() / max(len(self._shares), COMPONENTS)
        return QRectF(i * width, 0, width, self.height())

    def _at(self, x: float) -> int | None:
        i = int(x // self._slot(0).width()) if self._shares else -1
        return i if 0 <= i < len(self._shares) else None


class ProjectionView(QWidget):
    axes_wanted = Signal(int, int)
    centre_wanted = Signal(bool)
    unit_length_wanted = Signal(bool)

    def __init__(self, projection: ProjectionModel) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._projection = projection
        self.x_box, self.y_box = QComboBox(), QComboBox()
        self.centre, self.unit_length = QCheckBox("Centred"), QCheckBox("Unit length")
        self.chart = ExplainedChart()
        self._note = QLabel()
        self._note.setObjectName("dim")
        self._note.setWordWrap(True)
        self._build()
        projection.changed.connect(self._show)
        projection.settings_changed.connect(self._show_settings)
        self._show_settings()
        self._show()

    def set_theme(self, theme: Theme) -> None:
        self.chart.set_theme(theme)

    def _build(self) -> None:
        for combo, name in ((self.x_box, "x"), (self.y_box, "y")):
            combo.addItems([f"Component {i + 1}" for i in range(COMPONENTS)])
            combo.setToolTip(f"Which component runs along {name}")
            combo.setAccessibleName(f"Component along {name}")
            combo.activated.connect(self._on_axis)
        self.centre.setToolTip("Take the mean off every row first: principal components. Off: plain singular vectors.")
        self.unit_length.setToolTip("Divide every row by its length first, as cosine distance does")
        self.centre.clicked.connect(self.centre_wanted)
        self.unit_length.clicked.connect(self.unit_length_wanted)
        self.chart.picked.connect(self._on_bar)
        form = QFormLayout()
        form.setHorizontalSpacing(12)
        form.setVerticalSpacing(6)
        form.addRow("x", self.x_box)
        form.addRow("y", self.y_box)
        checks = QHBoxLayout()
        checks.addWidget(self.centre)
        checks.addWidget(self.unit_length)
        checks.addStretch()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 4, 12, 8)
        layout.setSpacing(8)
        layout.addLayout(form)
        layout.addLayout(checks)
        layout.addWidget(self.chart)
        layout.addWidget(self._note)
        layout.addStretch()

    def _on_axis(self) -> None:
        """Take what the boxes say; the other axis's component means to swap them."""
        x, y = self.x_box.currentIndex(), self.y_box.currentIndex()
        if x == y:
            y, x = self._projection.settings.axes
        self.axes_wanted.emit(x, y)

    def _on_bar(self, component: int) -> None:
        x, y = self._projection.settings.axes
        if component not in (x, y):
            self.axes_wanted.emit(component, y)
        else:
            self.axes_wanted.emit(y, x)

    def _show_settings(self) -> None:
        wanted = self._projection.settings
        blockers = [QSignalBlocker(w) for w in (self.x_box, self.y_box, self.centre, self.unit_length)]
        self.x_box.setCurrentIndex(wanted.axes[0])
        self.y_box.setCurrentIndex(wanted.axes[1])
        self.centre.setChecked(wanted.centre)
        self.unit_length.setChecked(wanted.unit_length)
        del blockers

    def _show(self) -> None:
        result = self._projection.result
        if result is None:
            self.chart.show_shares([], ())
            sample = f"A sample of {len(self._projection.rows):,} rows is shown." if len(self._projection.rows) else ""
            self._note.setText(sample)
            return
        shares = [float(s) for s in result.explained]
        self.chart.show_shares(shares, result.axes)
        together = sum(shares[axis] for axis in set(result.axes))
        self._note.setText(f"The map shows {together:.1%} of the variance, found in {result.timing.ms:,.0f} ms.")
        self._note.setToolTip(result.method)
