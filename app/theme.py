"""Colours and the style sheet, dark and light. An instrument: the map has the room, figures are the ornament."""

from __future__ import annotations

from dataclasses import dataclass

from resources import ICONS

# The same in both themes and everywhere: what ran compiled, what ran uncompiled.
COMPILED = "#56B4E9"
EAGER = "#E69F00"


@dataclass(frozen=True)
class Theme:
    name: str
    ground: str  # behind the map and the charts
    panel: str  # one step off it
    raised: str  # fields and buttons
    line: str
    text: str
    dim: str
    accent: str  # what is selected: the query and, fainter, its neighbours
    good: str
    bad: str

    @property
    def dark(self) -> bool:
        return self.name == "dark"


DARK = Theme("dark", "#16161c", "#1d1d25", "#2a2a35", "#32323e", "#ececf1", "#9a9aa8", "#ff4f87", "#5fc08f", "#ff7a6b")
LIGHT = Theme("light", "#fbfbfd", "#f1f1f5", "#ffffff", "#dcdce4", "#1b1b22", "#6a6a78", "#d4145a", "#1f8a57", "#c2351f")


def style_sheet(theme: Theme) -> str:
    t = theme
    icons = ICONS.as_posix()
    return f"""
    * {{ outline: none; }}
    QMainWindow {{ background: {t.ground}; color: {t.text}; }}
    QDialog {{ background: {t.panel}; color: {t.text}; }}
    QMainWindow::separator {{ background: {t.ground}; width: 6px; height: 6px; }}
    QMainWindow::separator:hover {{ background: {t.line}; }}
    QWidget {{ color: {t.text}; }}
    QWidget#panel, QStatusBar, QToolBar, QMenuBar {{ background: {t.panel}; }}
    QDockWidget {{ titlebar-close-icon: url({icons}/close.svg);
        titlebar-normal-icon: url({icons}/float.svg); color: {t.dim}; font-weight: 600; }}
    QDockWidget::title {{ background: {t.panel}; padding: 8px 12px 4px 12px; text-align: left; }}
    QToolBar {{ border: none; padding: 6px 8px; spacing: 8px; }}
    QToolBar QToolButton {{ background: {t.raised}; border: none; border-radius: 6px; padding: 6px 12px; }}
    QToolButton:hover, QPushButton:hover {{ background: {t.line}; }}
    QToolButton:disabled, QPushButton:disabled, QLabel:disabled {{ color: {t.dim}; }}
    QToolButton::menu-indicator {{ image: none; width: 0px; }}
    QPushButton {{ background: {t.raised}; border: none; border-radius: 6px; padding: 6px 14px; }}
    QPushButton:focus, QToolButton:focus, QComboBox:focus, QSpinBox:focus {{ border: 1px solid {t.accent}; }}
    QLineEdit, QPlainTextEdit#pasted, QListView, QTreeView {{ background: {t.raised}; color: {t.text};
        selection-background-color: {t.line}; selection-color: {t.text}; }}
    QLineEdit, QPlainTextEdit#pasted {{ border: 1px solid {t.line}; border-radius: 6px; padding: 4px 8px; }}
    QSpinBox QLineEdit, QComboBox QLineEdit {{ border: none; padding: 0; }}
    QComboBox, QSpinBox {{ background: {t.raised}; border: 1px solid {t.raised}; border-radius: 6px; padding: 4px 8px;
        min-height: 20px; selection-background-color: {t.accent}; }}
    QComboBox::drop-down {{ border: none; width: 24px; }}
    QComboBox::down-arrow, QSpinBox::down-arrow {{ image: url({icons}/down.svg); width: 14px; height: 14px; }}
    QSpinBox::up-arrow {{ image: url({icons}/up.svg); width: 14px; height: 14px; }}
    QSpinBox::up-button, QSpinBox::down-button {{ border: none; background: transparent; width: 22px; }}
    QCheckBox {{ spacing: 8px; }}
    QCheckBox::indicator {{ width: 16px; height: 16px; border-radius: 4px;
        background: {t.raised}; border: 1px solid {t.line}; }}
    QCheckBox::indicator:checked {{ background: {t.accent}; border: 1px solid {t.accent}; image: url({icons}/check.svg); }}
    QCheckBox::indicator:focus {{ border: 1px solid {t.text}; }}
    QComboBox QAbstractItemView, QMenu {{ background: {t.raised}; color: {t.text}; border: 1px solid {t.line};
        selection-background-color: {t.line}; selection-color: {t.text}; }}
    QMenu::item {{ padding: 5px 24px 5px 16px; }}
    QMenu::item:selected {{ background: {t.line}; }}
    QMenu::item:disabled {{ color: {t.dim}; }}
    QMenu::separator {{ height: 1px; background: {t.line}; margin: 4px 8px; }}
    QMenuBar {{ padding: 2px 6px; }}
    QMenuBar::item {{ padding: 4px 8px; background: transparent; border-radius: 4px; }}
    QMenuBar::item:selected {{ background: {t.raised}; }}
    QStatusBar {{ color: {t.dim}; }}
    QStatusBar::item {{ border: none; }}
    QStatusBar QLabel {{ color: {t.dim}; padding: 0 8px; }}
    QTableView, QListView, QTreeView {{ background: {t.panel}; border: none; selection-background-color: {t.raised};
        selection-color: {t.text}; gridline-color: {t.panel}; }}
    QAbstractScrollArea::corner {{ background: transparent; border: none; }}
    QHeaderView {{ background: {t.panel}; }}
    QHeaderView::section {{ background: {t.panel}; color: {t.dim}; border: none; padding: 4px 6px; }}
    QScrollArea {{ background: {t.panel}; border: none; }}
    QScrollArea > QWidget > QWidget {{ background: {t.panel}; }}
    QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
    QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
    QScrollBar::handle {{ background: {t.line}; border-radius: 4px; min-height: 24px; min-width: 24px; margin: 1px; }}
    QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
    QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
    QProgressBar {{ background: {t.raised}; border: none; border-radius: 3px; max-height: 6px; min-height: 6px; }}
    QProgressBar::chunk {{ background: {t.accent}; border-radius: 3px; }}
    QToolTip {{ background: {t.raised}; color: {t.text}; border: 1px solid {t.line}; padding: 4px; }}
    QListWidget#hits {{ background: transparent; }}
    QListWidget#hits::item {{ padding: 4px 6px; border-radius: 4px; }}
    QListWidget#hits::item:selected {{ background: {t.raised}; }}
    QLabel#title {{ font-weight: 600; }}
    QLabel#dim {{ color: {t.dim}; }}
    QLabel#query {{ color: {t.accent}; font-weight: 600; }}
    QPushButton#link {{ background: transparent; border: none; color: {t.accent}; padding: 0; }}
    QPushButton#link:hover, QPushButton#link:focus {{ text-decoration: underline; }}
    QFrame#notice {{ background: {t.raised}; border-radius: 8px; }}
    """
