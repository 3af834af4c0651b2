"""Where names go on the map: beside their points, whole, none over another or over a point, each where it was if it can be."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

GAP = 11.0  # from a point to its name
# Half the side of the square that a name leaves free around a point, and around one with a ring.
DOT = 4.0
RING = 8.0

Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class Candidate:
    """A name that wants a place. Pixels, before the map is panned."""

    key: Hashable  # the same for the same point at another time
    x: float
    y: float
    width: float
    height: float
    marked: bool  # whether the point has a ring
    always: bool = False


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a name is placed: its upper left corner relative to its point, and which side of the point that is."""

    dx: float
    dy: float
    side: int


def lay_out(
    candidates: Sequence[Candidate], before: dict[Hashable, Slot], inside: Box, covered: Sequence[Box] = ()
) -> dict[Hashable, Slot]:
    """Slots of those candidates for which there is room, the first first; `inside` is in view, less what is `covered`.

    Unmarked ones that can stay where they were come before those that need another slot: names stay while the map is panned.
    """
    taken = len(candidates) + len(covered)
    boxes = np.empty((taken + len(candidates), 4))
    for box, c in zip(boxes, candidates, strict=False):
        room = RING if c.marked else DOT
        box[:] = c.x - room, c.y - room, c.x + room, c.y + room
    if covered:
        boxes[len(candidates) : taken] = covered
    slots: dict[Hashable, Slot] = {}
    marked = [c for c in candidates if c.marked]
    rest = [c for c in candidates if not c.marked]
    staying = [c for c in rest if c.key in before]
    for some, stay in ((marked, False), (staying, True), (rest, False)):
        for candidate in some:
            if candidate.key in slots:
                continue
            slot = _slot(candidate, boxes[:taken], before.get(candidate.key), stay, inside)
            if slot is not None:
                slots[candidate.key] = slot
                boxes[taken] = _box(candidate, slot)
                taken += 1
    return slots


def _slot(candidate: Candidate, taken: np.ndarray, before: Slot | None, stay: bool, inside: Box) -> Slot | None:
    """A free slot: on the same side as before and, if it is to stay, nowhere else."""
    slots = _slots(candidate, inside)
    if before is not None:
        slots.sort(key=lambda slot: slot.side != before.side)
        slots = slots[:1] if stay else slots
    # Of a point that is out of view nothing is drawn until it comes in: its name may lie anywhere.
    if _within((candidate.x, candidate.y, candidate.x, candidate.y), inside):
        slots = [slot for slot in slots if _within(_box(candidate, slot), inside)] or (slots if candidate.always else [])
    for slot in slots:
        left, top, right, bottom = _box(candidate, slot)
        if not ((taken[:, 0] < right) & (taken[:, 2] > left) & (taken[:, 1] < bottom) & (taken[:, 3] > top)).any():
            return slot
    return slots[0] if candidate.always else None


def _slots(candidate: Candidate, inside: Box) -> list[Slot]:
    """Right, left, above, below; the last two moved to the side as far as the edge of the view demands."""
    width, height = candidate.width, candidate.height
    middle = min(max(-width / 2, inside[0] - candidate.x), inside[2] - candidate.x - width)
    if not -width <= middle <= 0:  # no longer above or below its point
        middle = -width / 2
    offsets = ((GAP, -height / 2), (-GAP - width, -height / 2), (middle, -GAP - height), (middle, GAP))
    return [Slot(dx, dy, side) for side, (dx, dy) in enumerate(offsets)]


def _box(candidate: Candidate, slot: Slot) -> Box:
    left, top = candidate.x + slot.dx, candidate.y + slot.dy
    return left, top, left + candidate.width, top + candidate.height


def _within(box: Box, inside: Box) -> bool:
    return box[0] >= inside[0] and box[1] >= inside[1] and box[2] <= inside[2] and box[3] <= inside[3]
