"""One value of a record: as text, as a picture, as a link, or as something to listen to."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QRect, QRectF, Qt, QUrl, Signal
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QResizeEvent, QTextOption
from PySide6.QtWidgets import QFrame, QPlainTextEdit, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from app.images import Images, Picture
from app.theme import DARK, Theme
from core.kinds import Kind, flavour

# A text is as high as its lines up to this, and scrolls beyond.
TALLEST = 168
# A longer text is cut: to lay it out would hold up the window.
LONGEST = 100_000
PICTURE_HEIGHT = 132


class Passage(QPlainTextEdit):
    """A text of any length, wrapped, that scrolls once it is tall."""

    def __init__(self) -> None:
        super().__init__()
        self.setReadOnly(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setTabChangesFocus(True)
        self.document().setDocumentMargin(0)
        self.setStyleSheet("QPlainTextEdit { background: transparent; border: none; padding: 0; }")

    def show_text(self, text: str) -> None:
        cut = text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters)"
        if cut != self.toPlainText():
            self.setPlainText(cut)
            self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        lines = max(1, round(self.document().size().height()))
        self.setFixedHeight(min(lines * self.fontMetrics().lineSpacing() + 4, TALLEST))


class PictureView(QWidget):
    """The picture in a file, or why it cannot be seen."""

    def __init__(self, images: Images) -> None:
        super().__init__()
        self._images = images
        self._theme = DARK
        self._path: Path | None = None
        self.picture: Picture | None = None
        self.setFixedHeight(PICTURE_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        images.loaded.connect(self._on_loaded)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def show_file(self, path: Path) -> None:
        self._path = path
        self.picture = self._images.get(path)
        self.setToolTip(str(path))
        self.update()

    def _on_loaded(self, name: str) -> None:
        if self._path is not None and name == str(self._path):
            self.picture = self._images.get(self._path)
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.SmoothPixmapTransform | QPainter.RenderHint.Antialiasing)
        if isinstance(self.picture, QImage):
            size = self.picture.size()
            if size.width() > self.width() or size.height() > self.height():
                size.scale(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
            painter.drawImage(QRect(0, 0, size.width(), size.height()), self.picture)
            return
        painter.setPen(QColor(self._theme.line))
        painter.setBrush(QColor(self._theme.ground))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        painter.setPen(QColor(self._theme.dim))
        area = self.rect().adjusted(8, 8, -8, -8)
        painter.drawText(area, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self.picture or "Loading…")


class LinkButton(QPushButton):
    """Opens something elsewhere, on a click; its middle is left out where there is no room."""

    def __init__(self) -> None:
        super().__init__()
        self._whole = ""
        self.setObjectName("link")
        self.setStyleSheet("text-align: left;")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def show_link(self, text: str, tip: str) -> None:
        self._whole = text
        self.setToolTip(tip)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        text = self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideMiddle, self.width() - 4)
        self.setText(text.replace("&", "&&"))


class FieldView(QWidget):
    """One value, shown as what it is."""

    open_wanted = Signal(QUrl)  # in the browser, or the system's player

    def __init__(self, kind: Kind, images: Images) -> None:
        super().__init__()
        self._kind = kind
        self._url = QUrl()
        self.passage, self.link = Passage(), LinkButton()
        self.picture = PictureView(images)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.passage, self.link, self.picture):
            layout.addWidget(widget)
        self.link.clicked.connect(lambda: self.open_wanted.emit(self._url))
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def set_theme(self, theme: Theme) -> None:
        self.picture.set_theme(theme)

    def show_value(self, text: str, folder: Path) -> None:
        """Show a value of a column; paths are relative to `folder`. Nothing is opened or fetched from elsewhere by itself."""
        # A column's kind is told by most of its values; what a click opens depends on this one.
        seen = flavour(text) if self._kind in ("url", "image", "audio") else None
        self.passage.setVisible(seen is None)
        self.link.setVisible(seen in ("url", "audio"))
        self.picture.setVisible(seen == "image")
        if seen == "url":
            self._url = QUrl(text.strip())
            self.link.show_link(text.strip(), f"{text.strip()}\nA click opens it in the browser.")
        elif seen == "audio":
            path = local_file(text, folder)
            self._url = QUrl.fromLocalFile(str(path))
            self.link.show_link(f"▶ {path.name}", f"{path}\nA click plays it in the system's player.")
        elif seen == "image":
            self.picture.show_file(local_file(text, folder))
        else:
            self.passage.show_text(text)


def local_file(text: str, folder: Path) -> Path:
    """The file that a value names, by a path that may be relative to `folder` or by a file: address."""
    name = text.strip()
    if name.lower().startswith("file:"):
        name = QUrl(name).toLocalFile()
    return folder / Path(name).expanduser()
