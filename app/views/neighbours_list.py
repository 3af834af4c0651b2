"""The view of the neighbours' table: sorting by its header, choosing columns, copying as text."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPoint, Qt, Signal
from PySide6.QtGui import QAction, QGuiApplication, QKeyEvent, QKeySequence, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QMenu, QTableView

from app.images import Images
from app.models.dataset import DatasetModel
from app.models.filters import FiltersModel
from app.models.neighbours import NeighboursModel
from app.theme import Theme
from app.views.neighbours_table import DISTANCE, FIXED, LABEL, RANK, ROW, DistanceBar, NeighboursTable
from app.views.quiet_table import ROW_HEIGHT, quieten
from app.views.thumbnails import HEIGHT, Thumbnails

WIDTHS = {RANK: 34, LABEL: 76, ROW: 72, DISTANCE: 96}
COLUMN_WIDTH = 110
# Lines that are to be seen however little room there is.
FEWEST_LINES = 3


class NeighboursList(QTableView):
    chosen = Signal(QModelIndex)  # a line that was clicked or confirmed
    columns_wanted = Signal(object)  # names of columns, a tuple

    def __init__(self, dataset: DatasetModel, neighbours: NeighboursModel, filters: FiltersModel, images: Images) -> None:
        super().__init__()
        self._dataset, self._neighbours = dataset, neighbours
        self.table_model = NeighboursTable(dataset, neighbours, filters)
        self._bar = DistanceBar(self)
        self._thumbnails = Thumbnails(self, images)
        self._offered: list[tuple[str, QAction]] = []
        quieten(self, self.table_model, "Neighbours")
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setItemDelegateForColumn(DISTANCE, self._bar)
        self.setMinimumHeight((FEWEST_LINES + 1) * ROW_HEIGHT)
        header = self.horizontalHeader()
        header.setMinimumSectionSize(24)
        header.setSectionsClickable(True)
        header.setToolTip("Click: sort by this; right click: choose columns")
        header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header.customContextMenuRequested.connect(lambda at: self._open(self.columns_menu(), header.viewport().mapToGlobal(at)))
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(lambda at: self.open_menu(self.viewport().mapToGlobal(at)))
        self.clicked.connect(self._on_clicked)
        self.activated.connect(self.chosen)
        header.sectionClicked.connect(self.table_model.sort_next)
        self.table_model.modelReset.connect(self._show_order)
        for signal in (dataset.opened, dataset.annotated, neighbours.columns_changed):
            signal.connect(self._size_columns)
        self._size_columns()

    def set_theme(self, theme: Theme) -> None:
        self._bar.theme = self.table_model.theme = theme
        self.viewport().update()

    def offer(self, title: str, action: QAction) -> None:
        """Have this in the menu of the table."""
        self._offered.append((title, action))

    def open_menu(self, at: QPoint) -> None:
        """Show what can be done with the table."""
        self._open(self.menu(), at)

    def menu(self) -> QMenu:
        """What can be done with the table."""
        menu = QMenu(self)
        for title, action in self._offered:
            menu.addAction(title, action.trigger).setEnabled(action.isEnabled())
        copy = menu.addAction("Copy as text", self.copy)
        copy.setShortcut(QKeySequence(QKeySequence.StandardKey.Copy))
        copy.setEnabled(self.table_model.rowCount() > 0)
        menu.addMenu(self.columns_menu(menu))
        return menu

    def columns_menu(self, parent: QMenu | None = None) -> QMenu:
        """The columns of the labels, those that are shown ticked."""
        menu = QMenu("Columns", parent or self)
        table = self._dataset.table
        named = () if table is None else tuple(c.name for c in table.columns if c is not table.label_column)
        for name in named:
            action = menu.addAction(name.replace("&", "&&"))
            action.setCheckable(True)
            action.setChecked(name in self._neighbours.columns)
            action.triggered.connect(lambda on, name=name: self._choose(name, on))
        if not named:
            menu.addAction("No other columns beside this file").setEnabled(False)
        return menu

    def copy(self) -> None:
        """Put the chosen lines, or all, on the clipboard: a line each below the names, with tabs between."""
        lines = sorted({index.row() for index in self.selectedIndexes()}) or range(self.table_model.rowCount())
        if lines:
            QGuiApplication.clipboard().setText(self.table_model.text(lines))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        else:
            super().keyPressEvent(event)

    def _on_clicked(self, index: QModelIndex) -> None:
        # With Shift or Ctrl lines are marked, to be copied.
        if QGuiApplication.keyboardModifiers() == Qt.KeyboardModifier.NoModifier:
            self.chosen.emit(index)

    def _open(self, menu: QMenu, at: QPoint) -> None:
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(at)

    def _choose(self, name: str, on: bool) -> None:
        others = tuple(other for other in self._neighbours.columns if other != name)
        self.columns_wanted.emit((*others, name) if on else others)

    def _show_order(self) -> None:
        by, header = self.table_model.sorted_by, self.horizontalHeader()
        header.setSortIndicatorShown(by is not None)
        if by is not None:
            header.setSortIndicator(*by)

    def _size_columns(self) -> None:
        """Without other columns the label takes what room there is, or the bars: without labels the row is its own name."""
        header, named, more = self.horizontalHeader(), self._dataset.table is not None, len(self.table_model.columns)
        self.setColumnHidden(LABEL, not named)
        for section in range(self.table_model.columnCount()):
            header.setSectionResizeMode(section, QHeaderView.ResizeMode.Interactive)
            self.setColumnWidth(section, WIDTHS.get(section, COLUMN_WIDTH))
        pictured = [column.kind == "image" for column in self.table_model.columns]
        for section, shown in enumerate(pictured, FIXED):
            self.setItemDelegateForColumn(section, self._thumbnails if shown else self.itemDelegate())
        self.verticalHeader().setDefaultSectionSize(HEIGHT if any(pictured) else ROW_HEIGHT)
        if more:
            self._fit_label()
        else:
            header.setSectionResizeMode(LABEL if named else DISTANCE, QHeaderView.ResizeMode.Stretch)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self.table_model.columns:
            self._fit_label()

    def _fit_label(self) -> None:
        """The columns that are always there are whole in view; the others begin where they end."""
        others = sum(self.columnWidth(section) for section in WIDTHS if section != LABEL)
        self.setColumnWidth(LABEL, max(WIDTHS[LABEL], self.viewport().width() - others))
