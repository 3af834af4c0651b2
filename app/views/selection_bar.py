"""What is selected, in a bar at the foot of the map, with what can be done with it; and which rows the map is of."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QMenu, QToolButton, QVBoxLayout, QWidget

from app.models.dataset import DatasetModel
from app.models.projection import ProjectionModel
from app.models.selection import SelectionModel
from app.theme import DARK, Theme

FOOT = 14  # pixels below the bar


class Pill(QFrame):
    """A sentence and buttons."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("pill")
        self.setCursor(Qt.CursorShape.ArrowCursor)
        self.text = QLabel()
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(14, 4, 6, 4)
        self._layout.setSpacing(2)
        self._layout.addWidget(self.text)
        self._layout.addSpacing(8)
        self.hide()

    def offer(self, action: QAction, text: str) -> None:
        button = self._button()
        action.setIconText(text)
        button.setDefaultAction(action)
        self._layout.addWidget(button)

    def offer_menu(self, text: str, actions: list[QAction]) -> None:
        button = self._button()
        button.setText(text)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(button)
        menu.addActions(actions)
        button.setMenu(menu)
        self._layout.addWidget(button)

    def _button(self) -> QToolButton:
        button = QToolButton()
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        return button


class SelectionBar(QWidget):
    """Floats at the foot of `parent`."""

    def __init__(self, parent: QWidget, dataset: DatasetModel, projection: ProjectionModel, selection: SelectionModel) -> None:
        super().__init__(parent)
        self._ground = parent
        self._dataset, self._projection, self._selection = dataset, projection, selection
        self.part, self.selected = Pill(), Pill()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for pill in (self.part, self.selected):
            layout.addWidget(pill, 0, Qt.AlignmentFlag.AlignHCenter)
        parent.installEventFilter(self)
        selection.changed.connect(self._show)
        projection.changed.connect(self._show)
        dataset.opened.connect(self._show)
        self.set_theme(DARK)

    def set_theme(self, theme: Theme) -> None:
        self.setStyleSheet(
            f"QFrame#pill {{ background: {theme.panel}; border: 1px solid {theme.line}; border-radius: 17px; }}"
            f"QToolButton {{ background: transparent; border: none; border-radius: 6px; padding: 4px 9px; }}"
            f"QToolButton:hover {{ background: {theme.line}; }}"
        )
        self._show()

    def eventFilter(self, watched: object, event: object) -> bool:
        if isinstance(event, QResizeEvent):
            self._place()
        return False

    def _show(self) -> None:
        count, dataset = len(self._selection), self._dataset.dataset
        result = self._projection.result
        part = None if result is None else result.rows
        self.selected.text.setText(f"{count:,} selected")
        self.selected.setVisible(count > 0)
        if part is not None and dataset is not None:
            self.part.text.setText(f"Only {len(part):,} of {dataset.rows:,} rows are mapped")
        self.part.setVisible(part is not None)
        self.setVisible(count > 0 or part is not None)
        self._place()

    def _place(self) -> None:
        size = self.sizeHint()
        x = max(0, (self._ground.width() - size.width()) // 2)
        self.setGeometry(x, self._ground.height() - size.height() - FOOT, size.width(), size.height())
        self.raise_()
