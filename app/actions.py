"""Every action of the window in one table: id, title, shortcut, menu, when it is enabled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Condition = Literal["always", "data", "query", "back", "forward", "busy", "compiler", "uint16"]


@dataclass(frozen=True)
class ActionSpec:
    id: str
    title: str
    menu: str
    shortcut: str = ""
    enabled: Condition = "always"
    about: str = ""


ACTIONS: tuple[ActionSpec, ...] = (
    ActionSpec("open", "&Open…", "&File", "Ctrl+O", about="Open a file of vectors"),
    ActionSpec("sample", "Open the &sample", "&File"),
    ActionSpec("bfloat16", "Reopen as bfloat16", "&File", "", "uint16", "Read the uint16 values as bits of bfloat16"),
    ActionSpec("screenshot", "Save a &picture of the window…", "&File", "Ctrl+Shift+S"),
    ActionSpec("quit", "&Quit", "&File", "Ctrl+Q"),
    ActionSpec("back", "&Back", "&Query", "Alt+Left", "back", "The query before"),
    ActionSpec("forward", "&Forward", "&Query", "Alt+Right", "forward", "The query after"),
    ActionSpec("clear", "&Clear the query", "&Query", "Esc", "query"),
    ActionSpec("compile", "&Compile", "&Compute", "C", "compiler", "Run compiled or uncompiled, and ask the query again"),
    ActionSpec("race", "&Race both ways", "&Compute", "R", "query", "Run the query 30 times compiled and 30 times not"),
    ActionSpec("cancel", "Cancel what is r&unning", "&Compute", "Ctrl+.", "busy"),
    ActionSpec("fit", "&Fit the map", "&View", "F", "data", "Show all points"),
    ActionSpec("zoom_in", "Zoom &in", "&View", "+", "data"),
    ActionSpec("zoom_out", "Zoom &out", "&View", "-", "data"),
    ActionSpec("reset", "&Reset the layout", "&View", about="Put every panel back in its place"),
)
