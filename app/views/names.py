"""Where names go on the map: beside their points, none over another or over a point, each where it was if it can be."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

GAP = 11.0  # from a point to its name
# Half the side of the square that a name leaves free around a point, and around one with a ring.
DOT = 4.0
RING = 8.0


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
    candidates: Sequence[Candidate], before: dict[Hashable, Slot], inside: tuple[float, float, float, float]
) -> dict[Hashable, Slot]:
    """Slots of those candidates for which there is room, the first first; `inside` (left, top, right, bottom) is in view.

    Unmarked ones that can stay where they were come before those that need another slot: names stay while the map is panned.
    """
    taken = len(candidates)
    boxes = np.empty((2 * taken, 4))
    for box, c in zip(boxes, candidates, strict=False):
        room = RING if c.marked else DOT
        box[:] = c.x - room, c.y - room, c.x + room, c.y + room
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


def _slot(
    candidate: Candidate, taken: np.ndarray, before: Slot | None, stay: bool, inside: tuple[float, float, float, float]
) -> Slot | None:
    """A free slot: on the same side as before and, if it is to stay, nowhere else."""
    slots = _slots(candidate)
    if before is not None:
        slots.sort(key=lambda slot: slot.side != before.side)
        slots = slots[:1] if stay else slots
    if candidate.marked:
        slots.sort(key=lambda slot: not _within(_box(candidate, slot), inside))
    for slot in slots:
        left, top, right, bottom = _box(candidate, slot)
        if not ((taken[:, 0] < right) & (taken[:, 2] > left) & (taken[:, 1] < bottom) & (taken[:, 3] > top)).any():
            return slot
    return slots[0] if candidate.always else None


def _slots(candidate: Candidate) -> list[Slot]:
    """Right, left, above, below."""
    width, height = candidate.width, candidate.height
    offsets = ((GAP, -height / 2), (-GAP - width, -height / 2), (-width / 2, -GAP - height), (-width / 2, GAP))
    return [Slot(dx, dy, side) for side, (dx, dy) in enumerate(offsets)]


def _box(candidate: Candidate, slot: Slot) -> tuple[float, float, float, float]:
    left, top = candidate.x + slot.dx, candidate.y + slot.dy
    return left, top, left + candidate.width, top + candidate.height


def _within(box: tuple[float, float, float, float], inside: tuple[float, float, float, float]) -> bool:
    return box[0] >= inside[0] and box[1] >= inside[1] and box[2] <= inside[2] and box[3] <= inside[3]
