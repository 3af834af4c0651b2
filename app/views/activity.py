"""What the compute thread is doing: stage, progress, and a way to stop it."""

from __future__ import annotations

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QToolButton, QWidget

from app.models.jobs import JobsModel

# Work shorter than this is not worth a flicker.
DELAY_MS = 150


class ActivityView(QWidget):
    cancel_wanted = Signal()

    def __init__(self, jobs: JobsModel) -> None:
        super().__init__()
        self._jobs = jobs
        self.stage = QLabel()
        self.bar = QProgressBar()
        self.bar.setFixedWidth(160)
        self.bar.setTextVisible(False)
        self.cancel = QToolButton()
        self.cancel.setText("Cancel")
        self.cancel.setAutoRaise(True)
        self.cancel.setToolTip("Cancel what is running (Ctrl+.)")
        self.cancel.clicked.connect(self.cancel_wanted)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 8, 0)
        for widget in (self.stage, self.bar, self.cancel):
            layout.addWidget(widget)
            widget.hide()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY_MS)
        self._timer.timeout.connect(self._show)
        jobs.changed.connect(self._on_changed)

    def _on_changed(self) -> None:
        if self._jobs.idle:
            self._timer.stop()
            self._set_visible(False)
        elif self.bar.isVisible():
            self._show()
        elif not self._timer.isActive():
            self._timer.start()

    def _show(self) -> None:
        activity = self._jobs.activity
        if activity is None:
            return
        share = f" {activity.done / activity.total:.0%}" if activity.total else ""
        self.stage.setText(f"{activity.stage}{share}")
        self.bar.setRange(0, 1000 if activity.total else 0)
        if activity.total:
            self.bar.setValue(round(1000 * activity.done / activity.total))
        self._set_visible(True)

    def _set_visible(self, visible: bool) -> None:
        for widget in (self.stage, self.bar, self.cancel):
            widget.setVisible(visible)
