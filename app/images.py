"""Pictures of rows: read and scaled on a thread of their own, the one wanted last first, and kept while there is room."""

from __future__ import annotations

import logging
import os
import re
import stat
import threading
from collections import OrderedDict
from pathlib import Path

from PySide6.QtCore import QObject, QRect, QSize, Qt, Signal
from PySide6.QtGui import QImage, QImageReader

log = logging.getLogger(__name__)

# Pictures are scaled down to fit in this, in pixels.
LARGEST = QSize(640, 480)
CACHE_BYTES = 64 << 20
# Of those that wait the ones asked for first are given up.
MOST_WAITING = 64
PART = re.compile(r"(.+)#xywh=(\d{1,6}(?:,\d{1,6}){3})", re.DOTALL)
NOT_FOUND = "Not found"
NOT_READ = "No picture that can be read"

Picture = QImage | str  # or why there is none


class Images(QObject):
    loaded = Signal(str)  # the path of a picture that is known now
    _loaded = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self._loaded.connect(self._keep, Qt.ConnectionType.QueuedConnection)
        self._known: OrderedDict[str, Picture] = OrderedDict()  # the one used last at the end
        self._bytes = 0
        self._wake = threading.Condition()
        self._waiting: list[str] = []
        self._closing = False
        self._thread: threading.Thread | None = None

    def get(self, path: Path) -> Picture | None:
        """The picture in a file, or why there is none; None while it is not known, and `loaded` will tell."""
        name = str(path)
        if name in self._known:
            self._known.move_to_end(name)
            return self._known[name]
        with self._wake:
            self._waiting = [*[other for other in self._waiting if other != name][-MOST_WAITING + 1 :], name]
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="kinscope-images", daemon=True)
                self._thread.start()
            self._wake.notify()
        return None

    def close(self) -> None:
        """End the thread and wait for it."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._closing or self._waiting)
                if self._closing:
                    return
                name = self._waiting.pop()
            try:
                picture = read_picture(name)
            except Exception:
                log.exception("a picture could not be read")
                picture = NOT_READ
            self._loaded.emit(name, picture)

    def _keep(self, name: str, picture: Picture) -> None:
        self._forget(name)
        self._known[name] = picture
        self._bytes += _size(picture)
        while self._bytes > CACHE_BYTES and len(self._known) > 1:
            self._forget(next(iter(self._known)))
        self.loaded.emit(name)

    def _forget(self, name: str) -> None:
        if (picture := self._known.pop(name, None)) is not None:
            self._bytes -= _size(picture)


def read_picture(name: str) -> Picture:
    """The picture in a file, or the part that #xywh= behind its name tells, whatever its suffix says, scaled down to LARGEST.

    Qt refuses those of more than 256 MB.
    """
    name, part = _parted(name)
    try:
        # To read from a pipe or a device might never end.
        if not stat.S_ISREG(os.stat(name).st_mode):
            return NOT_READ
    except (OSError, ValueError):
        return NOT_FOUND
    reader = QImageReader(name)
    reader.setDecideFormatFromContent(True)
    reader.setAutoTransform(True)
    if part is not None:
        reader.setClipRect(part)
    size = reader.size() if part is None else part.size()
    if size.isValid() and (size.width() > LARGEST.width() or size.height() > LARGEST.height()):
        reader.setScaledSize(size.scaled(LARGEST, Qt.AspectRatioMode.KeepAspectRatio).expandedTo(QSize(1, 1)))
    image = reader.read()
    return NOT_READ if image.isNull() else image


def _parted(name: str) -> tuple[str, QRect | None]:
    """The name of a file, and the part of its picture that is meant (W3C, Media Fragments URI 1.0)."""
    if (found := PART.fullmatch(name)) is None:
        return name, None
    return found[1], QRect(*map(int, found[2].split(",")))


def _size(picture: Picture) -> int:
    return picture.sizeInBytes() if isinstance(picture, QImage) else len(picture)
