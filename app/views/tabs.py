"""Several views in one panel, one of them shown."""

from __future__ import annotations

from PySide6.QtWidgets import QStackedWidget, QTabBar, QVBoxLayout, QWidget

from app.theme import Theme


class Tabs(QWidget):
    def __init__(self, views: list[tuple[str, QWidget]]) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.bar = QTabBar()
        self.bar.setDrawBase(False)
        self.bar.setExpanding(False)
        self._stack = QStackedWidget()
        for title, view in views:
            self.bar.addTab(title)
            self._stack.addWidget(view)
        self.bar.currentChanged.connect(self._stack.setCurrentIndex)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.bar)
        layout.addWidget(self._stack, 1)

    def show_view(self, view: QWidget) -> None:
        self.bar.setCurrentIndex(self._stack.indexOf(view))

    def set_theme(self, theme: Theme) -> None:
        self.setStyleSheet(
            f"QWidget#panel, QTabBar {{ background: {theme.panel}; }}"
            f"QTabBar::tab {{ background: {theme.panel}; color: {theme.dim}; border: none;"
            f" border-bottom: 2px solid {theme.panel}; padding: 5px 2px; margin: 0 8px 0 12px; }}"
            f"QTabBar::tab:selected {{ color: {theme.text}; border-bottom: 2px solid {theme.accent}; }}"
            f"QTabBar::tab:hover {{ color: {theme.text}; }}"
        )
