"""Messages to the user, over the map: shown until closed, or for some seconds if they only inform."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget

from app.notices import Notice
from app.theme import DARK, Theme

INFO_MS = 8000


class NoticeBar(QFrame):
    """Floats at the top of `parent`; the newest message takes the place of the one before."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._ground = parent
        self.setObjectName("notice")
        self._theme = DARK
        self._notice: Notice | None = None
        self._mark = QLabel("●")
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        close = QToolButton()
        close.setText("✕")
        close.setAutoRaise(True)
        close.setToolTip("Close this message")
        close.clicked.connect(self.hide)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(14, 10, 10, 10)
        layout.setSpacing(10)
        layout.addWidget(self._mark, 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self.text, 1)
        layout.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.hide)
        parent.installEventFilter(self)
        self.hide()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._colour()

    def show_notice(self, notice: Notice) -> None:
        self._notice = notice
        self.text.setText(notice.text)
        self._colour()
        self._place()
        self.show()
        self.raise_()
        self._timer.stop()
        if notice.level == "info":
            self._timer.start(INFO_MS)

    def eventFilter(self, watched: object, event: object) -> bool:
        if isinstance(event, QResizeEvent):
            self._place()
        return False

    def _colour(self) -> None:
        if self._notice is not None:
            colour = self._theme.good if self._notice.level == "info" else self._theme.bad
            self._mark.setStyleSheet(f"color: {colour}")

    def _place(self) -> None:
        room = self._ground.width() - 32
        width = max(240, min(640, room))
        layout = self.layout()
        height = layout.heightForWidth(width) if layout is not None and layout.hasHeightForWidth() else self.sizeHint().height()
        self.setGeometry(16 + max(0, (room - width) // 2), 12, width, height)
