"""The selected rows in a table."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from app.models.dataset import DatasetModel
from app.models.selection import SelectionModel
from app.views.rows_table import RowsView

EMPTY = "Nothing selected yet. Shift+click points, Shift+drag a box, or take the box (B) or the lasso (L) on the map."


class SelectedView(QWidget):
    picked = Signal(int)  # a row that is to be the query

    def __init__(self, dataset: DatasetModel, selection: SelectionModel) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._selection = selection
        self.note = QLabel(EMPTY)
        self.note.setObjectName("dim")
        self.note.setWordWrap(True)
        self.note.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.table = RowsView(dataset, "Selected rows")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 8, 4, 8)
        layout.setSpacing(6)
        layout.addWidget(self.note)
        layout.addWidget(self.table, 1)
        layout.addStretch(0)
        selection.changed.connect(self._show)
        self.table.picked.connect(self.picked)
        self._show()

    def _show(self) -> None:
        count = len(self._selection)
        self.note.setText(
            f"{count:,} row{'s' if count != 1 else ''} selected. Click one to see its neighbours." if count else EMPTY
        )
        self.table.setVisible(bool(count))
        self.table.table_model.show(self._selection.rows)
