"""The window: docks, menus, toolbar, and which view hears whom."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from PySide6.QtCore import QSignalBlocker, Qt, QUrl
from PySide6.QtGui import (
    QAction,
    QActionGroup,
    QCloseEvent,
    QDesktopServices,
    QDragEnterEvent,
    QDropEvent,
    QGuiApplication,
    QKeySequence,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QDockWidget,
    QFileDialog,
    QInputDialog,
    QLabel,
    QLayout,
    QMainWindow,
    QMenu,
    QSizePolicy,
    QSpinBox,
    QToolBar,
    QToolButton,
    QWidget,
)

from app.actions import ACTIONS, Condition
from app.asking import Asking
from app.controller import FEWEST_PROJECTED, Controller
from app.figures import size
from app.models.neighbours import METRIC_NAMES
from app.settings import ThemeChoice
from app.theme import DARK, LIGHT, style_sheet
from app.views.activity import ActivityView
from app.views.array_chooser import ArrayChooser
from app.views.export_dialog import ask_where
from app.views.filter_bar import FilterBar
from app.views.filters import FiltersView
from app.views.lab import LabView
from app.views.legend import LegendView
from app.views.map import MapView
from app.views.map_box import TOOLS, Tool
from app.views.neighbours import NeighboursView
from app.views.notice_bar import NoticeBar
from app.views.projection import ProjectionView
from app.views.record import RecordView
from app.views.search import SearchView
from app.views.selected import SelectedView
from app.views.selection_bar import SelectionBar
from app.views.switch import CompileSwitch
from app.views.tabs import Tabs
from app.views.timings import TimingsView
from core.choosing import How
from core.errors import ArrayChoice, JoinNeeded
from core.readers import SUFFIXES
from core.readers.sidecar import SUFFIXES as LABEL_SUFFIXES
from core.types import AnnotateRequest, ExportWhat, LoadRequest, OpenQueriesRequest
from resources import SAMPLE

DOCKS_VERSION = 2
MAX_K = 1000
# What the timings take of a window's height, in pixels, unless the user has changed it: in a small window less.
TIMINGS_HEIGHT = (170, 210)
TIMINGS_SHARE = 0.25
# Pixels from which a window is wide.
WIDE = 1150
# The smallest window. Qt's own would depend on who has the corner, and keep a wide window from ever becoming narrow.
SMALLEST = (900, 600)
# Pixels that the table of neighbours needs to be read.
TABLE_WIDTH = 320
# How labels are joined if not by a column.
IN_ORDER = "line by line, in the order of the rows"
# The share of the window's height that the lab takes when it is shown.
LAB_SHARE = 0.46


class Window(QMainWindow):
    def __init__(self, controller: Controller, theme: ThemeChoice | None = None) -> None:
        """`theme` overrides the setting for this run only."""
        super().__init__()
        self._controller = controller
        self._theme_override = theme
        self.setWindowTitle("Kinscope")
        self.setAcceptDrops(True)
        self.setDockNestingEnabled(True)
        c = controller
        self.map = MapView(c.dataset, c.colouring, c.projection, c.query, c.neighbours, c.selection, c.search, c.viewport)
        self.projection = ProjectionView(c.projection)
        self.legend = LegendView(c.dataset, c.colouring)
        self.filters = FiltersView(c.dataset, c.filters)
        self.values = Tabs([("Colour by", self.legend), ("Filters", self.filters)])
        self.filter_bar = FilterBar(self.map, c.filters)
        self.neighbours = NeighboursView(c.dataset, c.query, c.neighbours, c.filters, c.images)
        self.selected = SelectedView(c.dataset, c.selection)
        self.record = RecordView(c.dataset, c.record, c.images)
        self.search = SearchView(c.dataset, c.search)
        self.tabs = Tabs([("Neighbours", self.neighbours), ("Selected", self.selected), ("Search", self.search)])
        self.selection_bar = SelectionBar(self.map, c.dataset, c.projection, c.selection)
        self.timings = TimingsView(c.timings, c.chart)
        self.lab = LabView(c.lab.model, c.lab.history, c.dataset, c.timings)
        self.activity = ActivityView(c.jobs)
        self.notice = NoticeBar(self.map)
        self.asking = Asking(self, self.map, c)
        self.compile_switch = CompileSwitch()
        self.metric_box, self.k_box = QComboBox(), QSpinBox()
        self._file, self._device = QLabel(), QLabel("Starting the compute thread…")
        self._actions: dict[str, QAction] = {}
        self._menus: dict[str, QMenu] = {}
        self._recent = QMenu("Open &recent", self)
        self.setCentralWidget(self.map)
        self._build_actions()
        self._build_docks()
        self._build_menus()
        self._build_toolbar()
        self._build_map_tools()
        cast(QLayout, self.layout()).setSizeConstraint(QLayout.SizeConstraint.SetNoConstraint)
        self.setMinimumSize(*SMALLEST)
        self.tabs.setMinimumWidth(TABLE_WIDTH)
        self.statusBar().setFixedHeight(32)  # the same with and without a job to show
        self.statusBar().addWidget(self._device)
        self.statusBar().addPermanentWidget(self.activity)
        self._connect()
        self.apply_theme()
        self._layout = self.saveState(DOCKS_VERSION)
        self._low = TIMINGS_HEIGHT[1]
        self._restore()
        self._update_state()

    def action(self, id: str) -> QAction:
        return self._actions[id]

    # Building

    def _build_actions(self) -> None:
        c = self._controller
        slots = {
            "open": self._open_dialog,
            "sample": lambda: c.open(SAMPLE),
            "bfloat16": c.reopen_as_bfloat16,
            "labels": self._labels_dialog,
            "join": self._join_dialog,
            "screenshot": self._picture_dialog,
            "quit": self.close,
            "analogy": self.asking.ask_analogy,
            "paste_vector": self.asking.ask_pasted,
            "vector_file": self.asking.ask_file,
            "back": c.query.back,
            "forward": c.query.forward,
            "undo": c.step_back,
            "redo": c.step_again,
            "clear": self._clear,
            "find": self._find,
            "filter": self._filter,
            "unfilter": c.filters.clear,
            "tool_pan": lambda: self._choose_tool("pan"),
            "tool_box": lambda: self._choose_tool("box"),
            "tool_lasso": lambda: self._choose_tool("lasso"),
            "select_all": lambda: self._select_shown("replace"),
            "select_none": c.clear_selection,
            "select_invert": lambda: self._select_shown("toggle"),
            "select_neighbours": c.select_neighbours,
            "project_selected": c.project_selected,
            "project_all": c.project_all,
            "mean": c.ask_mean,
            "export_labels": lambda: self._export_dialog("labels"),
            "export_vectors": lambda: self._export_dialog("vectors"),
            "export_coordinates": lambda: self._export_dialog("coordinates"),
            "export_neighbours": lambda: self._export_dialog("neighbours"),
            "export_all": lambda: self._export_dialog("vectors", everything=True),
            "export_map": lambda: self._export_dialog("coordinates", everything=True),
            "follow": lambda: c.set_following(not c.neighbours.follows),
            "axes": lambda: self.map.show_axes(self._actions["axes"].isChecked()),
            "compile": lambda: c.set_compiled(c.mode == "eager"),
            "race": c.race,
            "recall": c.check_recall,
            "cancel": c.cancel,
            "fit": self.map.fit,
            "lab": self._toggle_lab,
            "zoom_in": lambda: self.map.zoom(1.25),
            "zoom_out": lambda: self.map.zoom(0.8),
            "reset": lambda: self.restoreState(self._layout, DOCKS_VERSION),
        }
        for spec in ACTIONS:
            action = QAction(spec.title, self)
            action.setObjectName(spec.id)
            action.setShortcuts(QKeySequence.listFromString(spec.shortcut))
            action.setToolTip(spec.tip)
            action.setCheckable(spec.checkable)
            action.triggered.connect(slots[spec.id])
            self.addAction(action)
            self._actions[spec.id] = action

    def _build_docks(self) -> None:
        left, right = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea
        bottom = Qt.DockWidgetArea.BottomDockWidgetArea
        self._docks = [
            self._dock("Projection", self.projection, left),
            self._dock("Colour by", self.values, left, "Values"),
            self._dock("Neighbours", self.tabs, right, "Points"),
            self._dock("Timings", self.timings, bottom),
            self._dock("Record", self.record, right),
        ]
        self._lab_dock = self._dock("Lab", self.lab, bottom)
        self.tabifyDockWidget(self._docks[3], self._lab_dock)
        self._lab_dock.hide()
        self.setCorner(Qt.Corner.BottomLeftCorner, left)
        self.resizeDocks(self._docks[:2], [250, 250], Qt.Orientation.Horizontal)
        self.resizeDocks([self._docks[2]], [340], Qt.Orientation.Horizontal)
        self.resizeDocks([self._docks[3]], [TIMINGS_HEIGHT[1]], Qt.Orientation.Vertical)
        self.resizeDocks([self._docks[2], self._docks[4]], [460, 340], Qt.Orientation.Vertical)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The panels at the right reach down to the foot where the timings have room enough beside them."""
        wide = event.size().width() >= WIDE
        area = Qt.DockWidgetArea.RightDockWidgetArea if wide else Qt.DockWidgetArea.BottomDockWidgetArea
        if self.corner(Qt.Corner.BottomRightCorner) != area:
            self.setCorner(Qt.Corner.BottomRightCorner, area)
        super().resizeEvent(event)

    def _dock(self, name: str, widget: QWidget, area: Qt.DockWidgetArea, title: str | None = None) -> QDockWidget:
        dock = QDockWidget(title or name, self)
        dock.setObjectName(name)
        dock.setWidget(widget)
        self.addDockWidget(area, dock)
        return dock

    def _build_menus(self) -> None:
        for spec in ACTIONS:
            menu = self._menu(spec.menu)
            menu.addAction(self._actions[spec.id])
            if spec.id == "sample":
                menu.addMenu(self._recent)
        self._recent.aboutToShow.connect(self._fill_recent)
        view = self._menu("&View")
        view.addSeparator()
        for dock in self._docks:
            view.addAction(dock.toggleViewAction())
        view.addSeparator()
        themes = QActionGroup(self)
        for title, choice in (("Follow the &system", "system"), ("&Dark", "dark"), ("&Light", "light")):
            action = QAction(title, themes, checkable=True)
            action.setChecked(self._controller.settings.theme == choice)
            action.triggered.connect(lambda _=False, choice=choice: self._choose_theme(choice))
            view.addAction(action)

    def _menu(self, title: str) -> QMenu:
        if title not in self._menus:
            self._menus[title] = self.menuBar().addMenu(title)
        return self._menus[title]

    def _build_toolbar(self) -> None:
        bar = QToolBar("Main")
        bar.setObjectName("Main")
        bar.setMovable(False)
        bar.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        self.addToolBar(bar)
        opener = QToolButton()
        opener.setDefaultAction(self._actions["open"])
        opener.setText("Open…")
        bar.addWidget(opener)
        self._file.setTextFormat(Qt.TextFormat.PlainText)
        self._file.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._file.setMinimumWidth(40)
        self._file.setIndent(8)
        bar.addWidget(self._file)
        for metric, name in METRIC_NAMES.items():
            self.metric_box.addItem(name, metric)
        self.metric_box.setCurrentIndex(self.metric_box.findData(self._controller.neighbours.metric))
        self.metric_box.setToolTip("How the distance between vectors is measured")
        self.metric_box.setAccessibleName("Metric")
        self.k_box.setRange(1, MAX_K)
        self.k_box.setValue(self._controller.neighbours.k)
        self.k_box.setPrefix("k ")
        self.k_box.setKeyboardTracking(False)
        self.k_box.setToolTip("How many neighbours")
        self.k_box.setAccessibleName("Number of neighbours")
        for widget in (self.metric_box, self.k_box, self.compile_switch):
            bar.addWidget(widget)

    def _build_map_tools(self) -> None:
        actions = self._actions
        self.map.add_tools([actions[f"tool_{tool}"] for tool in TOOLS] + [actions["follow"]])
        self.selection_bar.part.offer(actions["project_all"], "Map all")
        pill = self.selection_bar.selected
        pill.offer(actions["project_selected"], "Map only")
        pill.offer(actions["mean"], "Mean")
        pill.offer_menu("Export", [actions[f"export_{what}"] for what in ("labels", "vectors", "coordinates")])
        pill.offer(actions["select_none"], "✕")

    def _connect(self) -> None:
        c = self._controller
        c.notices.attach(self.notice.show_notice)
        c.device_known.connect(self._update_state)
        c.mode_changed.connect(self._update_state)
        # Queued: a question waits for an answer in an event loop of its own, after the job has ended.
        c.choice_needed.connect(self._choose_array)
        c.join_needed.connect(self._choose_join, Qt.ConnectionType.QueuedConnection)
        c.dataset.opened.connect(self.notice.hide)
        c.jobs.changed.connect(self._show_opening)
        signals = [
            c.dataset.opened,
            c.dataset.annotated,
            c.dataset.checked,
            c.query.changed,
            c.jobs.changed,
            c.selection.changed,
            c.undo.changed,
        ]
        signals += [c.filters.changed, c.projection.changed, c.neighbours.changed, c.neighbours.settings_changed]
        for signal in signals:
            signal.connect(self._update_state)
        self.map.picked.connect(c.click)
        self.map.walked_to.connect(c.select)
        self.map.enclosed.connect(lambda area, how: c.change_selection(area.rows, how))
        self.map.pointed_at.connect(c.follow)
        self.selected.picked.connect(c.select)
        self.map.pointed_at.connect(c.record.point_at)
        self.record.open_wanted.connect(self._open_elsewhere)
        self.search.wanted.connect(c.search.look_for)
        self.search.picked.connect(c.select)
        self.search.select_wanted.connect(c.select_hits)
        self.neighbours.picked.connect(c.select)
        self.neighbours.table.offer("Open all as a selection", self._actions["select_neighbours"])
        self.neighbours.table.columns_wanted.connect(c.show_columns)
        self.neighbours.back.connect(c.query.back)
        self.neighbours.forward.connect(c.query.forward)
        self.projection.axes_wanted.connect(lambda x, y: c.set_projection(axes=(x, y)))
        self.projection.centre_wanted.connect(lambda on: c.set_projection(centre=on))
        self.projection.unit_length_wanted.connect(lambda on: c.set_projection(unit_length=on))
        self.legend.choice_wanted.connect(c.colouring.choose)
        self.legend.toggle_wanted.connect(c.colouring.toggle)
        self.legend.isolate_wanted.connect(c.colouring.isolate)
        self.legend.show_all_wanted.connect(c.colouring.show_all)
        self.legend.bar.range_wanted.connect(c.colouring.set_range)
        self.legend.bar.reset_wanted.connect(c.colouring.reset_range)
        self.filters.add_wanted.connect(c.filters.add)
        self.filters.filter_wanted.connect(c.filters.set)
        self.filters.remove_wanted.connect(c.filters.remove)
        self.filters.clear_wanted.connect(c.filters.clear)
        self.filter_bar.widen_wanted.connect(c.filters.widen)
        self.filter_bar.clear_wanted.connect(c.filters.clear)
        self.timings.race_wanted.connect(c.race)
        self.timings.stop_wanted.connect(c.stop_race)
        self.timings.controls.look_wanted.connect(c.chart.choose)
        self.timings.controls.pause_wanted.connect(c.timings.pause)
        self.lab.run_wanted.connect(c.lab.run)
        self.lab.stop_one_wanted.connect(c.lab.stop_one)
        self.lab.stop_wanted.connect(c.lab.stop)
        self.lab.export_wanted.connect(c.lab.export)
        self.lab.picture_wanted.connect(c.lab.save_picture)
        self._lab_dock.visibilityChanged.connect(self._actions["lab"].setChecked)
        self.activity.cancel_wanted.connect(c.cancel)
        self.compile_switch.clicked.connect(c.set_compiled)
        self.metric_box.activated.connect(lambda i: c.set_metric(self.metric_box.itemData(i)))
        self.k_box.valueChanged.connect(c.set_k)
        QGuiApplication.styleHints().colorSchemeChanged.connect(self.apply_theme)

    # State

    def _update_state(self) -> None:
        """Show what is: the file, the device, the switch, what can be done now."""
        c = self._controller
        dataset = c.dataset.dataset
        if dataset is not None:
            left_out = 0 if c.dataset.non_finite_rows is None else len(c.dataset.non_finite_rows)
            missing = f" · {left_out:,} row{'' if left_out == 1 else 's'} left out (NaN or infinity)" if left_out else ""
            self._file.setText(
                f"{dataset.name}   {dataset.rows:,} × {dataset.dims:,} {dataset.dtype_name} · {size(dataset.bytes)}{missing}"
            )
            held = "mapped: it takes no memory of its own" if dataset.mapped else "read into memory"
            self._file.setToolTip(f"{dataset.path}\n{dataset.format}, {held}")
            self.setWindowTitle(f"{dataset.name} — Kinscope")
        if c.device is not None:
            self._device.setText(c.device.line)
            self._device.setToolTip(f"Vectors may take {c.device.budget_bytes / 1e9:.1f} GB of memory here")
        problem = c.compile_problem
        with QSignalBlocker(self.compile_switch):
            self.compile_switch.setChecked(c.mode == "compiled")
        self.compile_switch.setEnabled(problem is None)
        self.compile_switch.setToolTip(problem or f"{self._actions['compile'].toolTip()}")
        self._actions["compile"].setChecked(c.mode == "compiled")
        self.timings.allow_race(c.query.present is not None and problem is None)
        states: dict[Condition, bool] = {
            "always": True,
            "data": dataset is not None,
            "query": c.query.present is not None,
            "neighbours": c.neighbours.result is not None,
            "undo": c.undo.can_undo,
            "redo": c.undo.can_redo,
            "selection": len(c.selection) > 0,
            "several": len(c.selection) >= FEWEST_PROJECTED,
            "map": len(c.projection.rows) > 0,
            "mapped": len(c.projection.rows) > 0 and len(c.selection) > 0,
            "part": c.projection.only is not None,
            "back": c.query.can_go_back,
            "forward": c.query.can_go_forward,
            "busy": not c.jobs.idle,
            "compiler": problem is None,
            "truth": dataset is not None and dataset.truth is not None,
            "uint16": dataset is not None and dataset.dtype_name == "uint16",
            "labels": c.dataset.table is not None,
            "filters": bool(c.filters.filters),
        }
        for spec in ACTIONS:
            self._actions[spec.id].setEnabled(states[spec.enabled])
        for tool in TOOLS:
            self._actions[f"tool_{tool}"].setChecked(self.map.tool == tool)
        self._actions["follow"].setChecked(c.neighbours.follows)

    def _toggle_lab(self) -> None:
        """Show the lab, in front and high enough to read; or hide it, and give its height back."""
        if not self._actions["lab"].isChecked():
            self._lab_dock.hide()
            self.resizeDocks([self._docks[3]], [self._low], Qt.Orientation.Vertical)
            return
        if self._lab_dock.isHidden():
            self._low = self._docks[3].height()
        self._lab_dock.show()
        self._lab_dock.raise_()
        self.resizeDocks([self._lab_dock], [max(self._low, round(LAB_SHARE * self.height()))], Qt.Orientation.Vertical)

    # Selecting

    def _choose_tool(self, tool: Tool) -> None:
        self.map.choose_tool(tool)
        self._update_state()

    def _select_shown(self, how: How) -> None:
        if (area := self.map.area()) is not None:
            self._controller.change_selection(area.rows, how)

    def _find(self) -> None:
        self._bring(self.tabs, self.search)
        self.search.look()

    def _filter(self) -> None:
        self._bring(self.values, self.filters)
        self.filters.choice.setFocus()

    def _bring(self, tabs: Tabs, view: QWidget) -> None:
        """Show a view that shares a dock with others."""
        dock = next(dock for dock in self._docks if dock.widget() is tabs)
        dock.show()
        dock.raise_()
        tabs.show_view(view)

    def _clear(self) -> None:
        """One thing a key press: what is being drawn, the tool, the search, the selection, the query."""
        c = self._controller
        if self.map.give_up():
            return
        if self.map.tool != "pan":
            self._choose_tool("pan")
        elif c.search.search is not None:
            c.search.clear()
        elif len(c.selection):
            c.clear_selection()
        else:
            c.query.clear()

    def _export_dialog(self, what: ExportWhat, everything: bool = False) -> None:
        dataset = self._controller.dataset.dataset
        if dataset is not None and (path := ask_where(self, what, dataset.path, everything)) is not None:
            self._controller.export(path, what, everything)

    def apply_theme(self) -> None:
        choice = self._theme_override or self._controller.settings.theme
        system_dark = QGuiApplication.styleHints().colorScheme() != Qt.ColorScheme.Light
        theme = DARK if choice == "dark" or (choice == "system" and system_dark) else LIGHT
        cast(QApplication, QApplication.instance()).setStyleSheet(style_sheet(theme))
        for view in (
            self.map,
            self.projection,
            self.legend,
            self.filters,
            self.values,
            self.filter_bar,
            self.neighbours,
            self.tabs,
            self.record,
            self.selection_bar,
            self.timings,
            self.lab,
            self.notice,
            self.compile_switch,
        ):
            view.set_theme(theme)

    def _choose_theme(self, choice: ThemeChoice) -> None:
        self._controller.settings.theme = choice
        self._theme_override = None
        self.apply_theme()

    def _restore(self) -> None:
        settings = self._controller.settings
        self.resize(1440, 900)
        if settings.geometry is not None:
            self.restoreGeometry(settings.geometry)
        if settings.docks is not None:
            self.restoreState(settings.docks, DOCKS_VERSION)

    # Opening

    def _open_dialog(self) -> None:
        patterns = " ".join(f"*{suffix}" for suffix in SUFFIXES)
        name, _ = QFileDialog.getOpenFileName(self, "Open vectors", "", f"Vectors ({patterns});;All files (*)")
        if name:
            self._controller.open(Path(name))

    def _labels_dialog(self) -> None:
        patterns = " ".join(f"*{suffix}" for suffix in LABEL_SUFFIXES)
        name, _ = QFileDialog.getOpenFileName(self, "Choose labels", "", f"Labels ({patterns});;All files (*)")
        if name:
            self._controller.annotate(Path(name))

    def _join_dialog(self) -> None:
        """Ask which column of the labels says which row a line is about."""
        table = self._controller.dataset.table
        if table is None:
            return
        choices = [IN_ORDER, *(column.name for column in table.columns)]
        text, chosen = QInputDialog.getItem(self, "Join labels", f"{Path(table.source).name} is joined", choices, 0, False)
        if chosen:
            self._controller.annotate(Path(table.source), None if text == IN_ORDER else text)

    def _choose_join(self, request: AnnotateRequest, problem: JoinNeeded) -> None:
        about = f"{problem}\nWhich column does?"
        text, chosen = QInputDialog.getItem(self, "Join labels", about, problem.columns, 0, False)
        if chosen and request.path is not None:
            self._controller.annotate(request.path, text)

    def _picture_dialog(self) -> None:
        dialog = QFileDialog(self, "Save a picture", "kinscope.png", "PNG (*.png)")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("png")
        picture = self.grab()
        if dialog.exec() and not picture.save(dialog.selectedFiles()[0], "PNG"):
            self._controller.notices.problem(f"{dialog.selectedFiles()[0]} cannot be written; choose another place.")

    def _fill_recent(self) -> None:
        self._recent.clear()
        recent = self._controller.settings.recent
        for path in recent:
            self._recent.addAction(str(path), lambda path=path: self._controller.open(path))
        if recent:
            self._recent.addSeparator()
            self._recent.addAction("Clear the list", self._controller.settings.forget_recent)
        else:
            self._recent.addAction("No file opened yet").setEnabled(False)

    def _choose_array(self, request: LoadRequest | OpenQueriesRequest, choices: tuple[ArrayChoice, ...]) -> None:
        dialog = ArrayChooser(self, request.path.name, choices)
        dialog.picked.connect(lambda name: self._controller.open_array(request, name))
        dialog.open()

    def _open_elsewhere(self, url: QUrl) -> None:
        """Show a page in the browser, or play a file in the system's player."""
        name = url.toLocalFile() or url.toString()
        if not QDesktopServices.openUrl(url):
            self._controller.notices.problem(f"{name} cannot be opened: there is no program for it, or no such file.")

    def _show_opening(self) -> None:
        activity = self._controller.jobs.activity
        opening = activity is not None and activity.key == "load"
        self.map.tell("Opening…" if opening else None)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if not event.spontaneous() and self._controller.settings.docks is None:
            low, high = TIMINGS_HEIGHT
            height = min(max(low, int(TIMINGS_SHARE * self.height())), high)
            self.resizeDocks([self._docks[3]], [height], Qt.Orientation.Vertical)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        files = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if files:
            event.acceptProposedAction()
            self._controller.open(Path(files[0]))

    def closeEvent(self, event: QCloseEvent) -> None:
        self._controller.settings.save_window(self.saveGeometry(), self.saveState(DOCKS_VERSION))
        self.map.close_renderer()
        self._controller.close()
        super().closeEvent(event)
