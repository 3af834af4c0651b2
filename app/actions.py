"""Every action of the window in one table: id, title, shortcut, menu, when it is enabled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Condition = Literal[
    "always",
    "data",
    "query",
    "neighbours",
    "back",
    "forward",
    "undo",
    "redo",
    "selection",
    "several",
    "part",
    "busy",
    "compiler",
    "uint16",
    "truth",
    "map",
    "mapped",
    "labels",
    "filters",
]


@dataclass(frozen=True)
class ActionSpec:
    id: str
    title: str
    menu: str
    shortcut: str = ""  # several with '; ' between them
    enabled: Condition = "always"
    about: str = ""
    checkable: bool = False

    @property
    def tip(self) -> str:
        keys = f"({self.shortcut.replace('; ', ' or ')})" if self.shortcut else ""
        return " ".join(filter(None, [self.about or self.title.replace("&", ""), keys]))


ACTIONS: tuple[ActionSpec, ...] = (
    ActionSpec("open", "&Open…", "&File", "Ctrl+O", about="Open a file of vectors"),
    ActionSpec("sample", "Open the &sample", "&File"),
    ActionSpec("bfloat16", "Reopen as bfloat16", "&File", "", "uint16", "Read the uint16 values as bits of bfloat16"),
    ActionSpec("labels", "Choose &labels…", "&File", "Ctrl+L", "data", "Read the labels of the rows from another file"),
    ActionSpec("join", "&Join labels by a column…", "&File", "", "labels", "Choose what says which row a line is about"),
    ActionSpec("screenshot", "Save a &picture of the window…", "&File", "Ctrl+Shift+S"),
    ActionSpec("export_all", "Export all &vectors…", "&File", "", "data", "Write all vectors in another format"),
    ActionSpec("export_map", "Export the &map…", "&File", "", "map", "Write where each row is on the map"),
    ActionSpec("quit", "&Quit", "&File", "Ctrl+Q"),
    ActionSpec("undo", "&Undo", "&Edit", "Ctrl+Z", "undo", "Undo the last change of selection or view"),
    ActionSpec("redo", "&Redo", "&Edit", "Ctrl+Shift+Z; Ctrl+Y", "redo", "Redo what was undone"),
    ActionSpec("clear", "&Clear", "&Edit", "Esc", "data", "Give up the tool, then the selection, then the query"),
    ActionSpec("find", "&Find…", "&Edit", "Ctrl+F", "data", "Find rows by what their fields hold"),
    ActionSpec("filter", "Fi&lter…", "&Edit", "Ctrl+Shift+F", "data", "Show only rows with some values"),
    ActionSpec("unfilter", "Clear all f&ilters", "&Edit", "", "filters", "Let all rows be shown"),
    ActionSpec("tool_pan", "&Pan", "&Select", "V", "data", "Drag to move the map", True),
    ActionSpec("tool_box", "&Box", "&Select", "B", "data", "Drag a box: Shift adds, Ctrl takes away", True),
    ActionSpec("tool_lasso", "&Lasso", "&Select", "L", "data", "Draw around points: Shift adds, Ctrl takes away", True),
    ActionSpec("select_all", "&All", "&Select", "Ctrl+A", "data", "Select all points that are shown"),
    ActionSpec("select_none", "&None", "&Select", "Ctrl+Shift+A", "selection", "Let go of the selection"),
    ActionSpec("select_invert", "&Invert", "&Select", "Ctrl+I", "data", "Select what is not, of the points that are shown"),
    ActionSpec("select_neighbours", "The &neighbours", "&Select", "Ctrl+Shift+N", "neighbours", "Select the neighbours listed"),
    ActionSpec("project_selected", "&Map only these", "&Select", "Ctrl+Shift+M", "several", "Project the selected rows alone"),
    ActionSpec("project_all", "Map all &rows", "&Select", "", "part", "Project all rows again"),
    ActionSpec(
        "mean", "Neighbours of their m&ean", "&Select", "M", "selection", "Find what is nearest to the mean of the selected rows"
    ),
    ActionSpec("export_labels", "Export &labels…", "&Select", "Ctrl+Shift+E", "selection", "Write their rows and fields"),
    ActionSpec("export_vectors", "Export &vectors…", "&Select", "", "selection", "Write their vectors"),
    ActionSpec("export_coordinates", "Export c&oordinates…", "&Select", "", "mapped", "Write where they are on the map"),
    ActionSpec("analogy", "Ana&logy…", "&Query", "A", "data", "Find what is nearest to a − b + c, three rows picked by label"),
    ActionSpec("paste_vector", "Paste a &vector…", "&Query", "Ctrl+V", "data", "Find what is nearest to a vector given as text"),
    ActionSpec("vector_file", "Vector from a f&ile…", "&Query", "", "data", "Find what is nearest to a vector of another file"),
    ActionSpec("back", "&Back", "&Query", "Alt+Left", "back", "The query before"),
    ActionSpec("forward", "&Forward", "&Query", "Alt+Right", "forward", "The query after"),
    ActionSpec("export_neighbours", "&Export the neighbours…", "&Query", "", "neighbours", "Write those that are listed"),
    ActionSpec(
        "follow",
        "Neighbours follow the &cursor",
        "&Query",
        "N",
        "data",
        "Show the neighbours of the point under the cursor",
        True,
    ),
    ActionSpec("compile", "&Compile", "&Compute", "C", "compiler", "Run compiled or uncompiled, and ask the query again", True),
    ActionSpec("race", "&Race both ways", "&Compute", "R", "query", "Run the query 30 times compiled and 30 times not"),
    ActionSpec("recall", "Check &recall", "&Compute", "", "truth", "Compare our neighbours with the true ones in the file"),
    ActionSpec("cancel", "Cancel what is r&unning", "&Compute", "Ctrl+.", "busy"),
    ActionSpec("fit", "&Fit the map", "&View", "F", "data", "Show all points; again: all but the few that lie far out"),
    ActionSpec("zoom_in", "Zoom &in", "&View", "+; =", "data"),
    ActionSpec("zoom_out", "Zoom &out", "&View", "-", "data"),
    ActionSpec("lab", "&Lab", "&View", "Ctrl+Shift+L", about="Run the examples of compiling, measured", checkable=True),
    ActionSpec("axes", "&Axes", "&View", "", "data", "Show the axes of the map", True),
    ActionSpec("reset", "&Reset the layout", "&View", about="Put every panel back in its place"),
)
