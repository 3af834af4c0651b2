"""Opening the window, for a person or for a picture of it."""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import cast

import pyqtgraph as pg
from PySide6.QtCore import QLoggingCategory, QSettings, QStandardPaths, Qt, QTimer, QtMsgType, qInstallMessageHandler
from PySide6.QtGui import QFont, QGuiApplication, QIcon
from PySide6.QtWidgets import QApplication

from app.cli import WindowOptions
from app.controller import Controller
from app.notices import Notice, Notices
from app.settings import Settings, ThemeChoice
from app.window import Window
from resources import ICONS, SAMPLE

NAME = "Kinscope"
# A picture is given up after this: something hangs.
SCREENSHOT_TIMEOUT_MS = 300_000

log = logging.getLogger(__name__)


def open_window(options: WindowOptions) -> int:
    """Open the window and run until it is closed; return the exit status."""
    if options.screenshot is None and not has_screen():
        print(
            "kinscope: there is no screen to open a window on (DISPLAY is not set); use --screenshot, or kinscope knn and info.",
            file=sys.stderr,
        )
        return 1
    application = make_application()
    log_to_file()
    sys.excepthook = lambda kind, value, trace: log.critical("unhandled", exc_info=(kind, value, trace))
    # A picture is the same on every machine and leaves the user's settings alone.
    with tempfile.TemporaryDirectory() as scratch:
        store = QSettings(NAME, NAME)
        if options.screenshot is not None:
            store = QSettings(str(Path(scratch) / "settings.ini"), QSettings.Format.IniFormat)
        controller = Controller(Settings(store), Notices(), options.compute)
        window = Window(controller, cast(ThemeChoice | None, options.theme))
        if options.size is not None:
            window.resize(*options.size)
        window.show()
        shooter = None
        if options.screenshot is not None:
            shooter = Screenshot(window, controller, options.screenshot, options.select is not None)
        controller.start()
        controller.open(options.file or SAMPLE, options.array, options.bfloat16, options.select)
        _let_interrupts_through(application, window)
        status = application.exec()
        if window.isVisible():
            window.close()
    return shooter.status if shooter is not None else status


def has_screen() -> bool:
    """Whether a window would be drawn anywhere; a platform chosen by hand counts."""
    if sys.platform != "linux":
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


def make_application() -> QApplication:
    """The QApplication, set up once; offscreen where there is no screen."""
    if not has_screen():
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    existing = QApplication.instance()
    if isinstance(existing, QApplication):
        return existing
    qInstallMessageHandler(qt_message)
    QLoggingCategory.setFilterRules("qt.gui.imageio*=false")  # broken pictures are the user's, and are shown to be so
    QGuiApplication.setHighDpiScaleFactorRoundingPolicy(Qt.HighDpiScaleFactorRoundingPolicy.PassThrough)
    application = QApplication([NAME])
    application.setApplicationName(NAME)
    application.setOrganizationName(NAME)
    application.setStyle("Fusion")
    application.setWindowIcon(QIcon(str(ICONS / "kinscope.svg")))
    font = QFont(application.font())
    font.setFeature(QFont.Tag("tnum"), 1)  # digits of one width: figures do not jump
    application.setFont(font)
    pg.setConfigOptions(antialias=True)
    return application


def log_to_file() -> None:
    """Our own faults go to a log; the user sees a sentence."""
    folder = Path(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.AppDataLocation))
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(folder / "kinscope.log", delay=True))
    except OSError:
        pass  # standard error still has it
    logging.basicConfig(level=logging.WARNING, handlers=handlers, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def qt_message(kind: QtMsgType, _context: object, text: str) -> None:
    """Qt's own warnings go to the log as well, less what the offscreen platform says of every window."""
    if not text.startswith("This plugin does not support"):
        logging.getLogger("qt").log(logging.ERROR if kind != QtMsgType.QtWarningMsg else logging.WARNING, text)


class Screenshot:
    """Waits until map, neighbours and timing are drawn, writes the picture, and ends the program."""

    def __init__(self, window: Window, controller: Controller, path: Path, query_wanted: bool) -> None:
        self.status = 1
        self._window, self._controller, self._path = window, controller, path
        self._query_wanted = query_wanted
        controller.settled.connect(self._try)
        window.map.rendered.connect(self._try)
        controller.notices.attach(self._on_notice)
        self._done = self._failed = False
        QTimer.singleShot(SCREENSHOT_TIMEOUT_MS, self._give_up)

    def _try(self) -> None:
        c = self._controller
        if self._done or not c.jobs.idle:
            return
        answered = c.neighbours.result is not None or not self._query_wanted
        if c.projection.result is not None and answered:
            if self._window.map.settled:
                self._done = True
                # One more turn of the event loop, so that every view has painted what its model holds.
                QTimer.singleShot(0, self._shoot)
        elif self._failed:
            self._quit()

    def _shoot(self) -> None:
        if self._window.grab().save(str(self._path), "PNG"):
            self.status = 0
        else:
            print(f"kinscope: {self._path} cannot be written; choose another place.", file=sys.stderr)
        self._quit()

    def _on_notice(self, notice: Notice) -> None:
        self._window.notice.show_notice(notice)
        if notice.level != "info":
            print(f"kinscope: {notice.text}", file=sys.stderr)
            self._failed = True

    def _give_up(self) -> None:
        print("kinscope: the window was not drawn in time; no picture is written.", file=sys.stderr)
        self._quit()

    def _quit(self) -> None:
        self._window.close()
        QApplication.exit(self.status)


def _let_interrupts_through(application: QApplication, window: Window) -> None:
    """Ctrl+C in the terminal, or a polite kill, closes the window: Python must run now and then to see it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: window.close())
    timer = QTimer(application)
    timer.timeout.connect(lambda: None)
    timer.start(250)
