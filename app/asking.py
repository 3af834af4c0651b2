"""The dialogs by which a query is made that is no row of the map, and who hears them."""

from __future__ import annotations

from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QDialog, QWidget

from app.controller import Controller
from app.views.analogy import AnalogyDialog
from app.views.paste_vector import PasteVectorDialog
from app.views.vector_file import VectorFileDialog

# Where they appear, from the upper left corner of the map: what they ask for shows beside them.
PLACE = QPoint(24, 24)


class Asking:
    def __init__(self, window: QWidget, ground: QWidget, controller: Controller) -> None:
        """The dialogs belong to `window` and appear over `ground`."""
        c = self._controller = controller
        self._ground = ground
        self.analogy = AnalogyDialog(window, c.dataset, c.labels)
        self.paste = PasteVectorDialog(window, c.dataset)
        self.file = VectorFileDialog(window, c.dataset)
        self.analogy.search_wanted.connect(c.labels.look_for)
        self.file.file_wanted.connect(c.open_queries)
        c.queries_opened.connect(self.file.offer)
        c.queries_refused.connect(self.file.refuse)
        for dialog in (self.analogy, self.paste, self.file):
            dialog.asked.connect(c.ask)

    def ask_analogy(self) -> None:
        self._place(self.analogy)
        self.analogy.begin(self._controller.query.row)

    def ask_pasted(self) -> None:
        self._place(self.paste)
        self.paste.begin()

    def ask_file(self) -> None:
        self._place(self.file)
        self.file.begin()

    def _place(self, dialog: QDialog) -> None:
        if not dialog.isVisible():
            dialog.move(self._ground.mapToGlobal(PLACE))
