"""Names on the map: none over another, and each where it was while there is room."""

from __future__ import annotations

import numpy as np
import pytest

from app.views.names import DOT, Candidate, Slot, lay_out

INSIDE = (0.0, 0.0, 800.0, 600.0)


def _candidates(seed: int, count: int = 120) -> list[Candidate]:
    rng = np.random.default_rng(seed)
    places = rng.uniform((0, 0), (800, 600), (count, 2))
    widths = rng.uniform(30, 150, count)
    return [Candidate(i, x, y, w, 18.0, i < 10, i == 0) for i, ((x, y), w) in enumerate(zip(places, widths, strict=True))]


def _boxes(candidates: list[Candidate], slots: dict[object, Slot]) -> np.ndarray:
    boxes = []
    for c in candidates:
        if c.key in slots:
            left, top = c.x + slots[c.key].dx, c.y + slots[c.key].dy
            boxes.append((left, top, left + c.width, top + c.height))
    return np.array(boxes)


@pytest.mark.parametrize("seed", range(10))
def test_no_name_covers_another_or_a_point(seed: int) -> None:
    candidates = _candidates(seed)
    slots = lay_out(candidates, {}, INSIDE)
    always = {0}
    boxes = _boxes([c for c in candidates if c.key not in always], slots)
    for i, (left, top, right, bottom) in enumerate(boxes):
        others = np.delete(boxes, i, axis=0)
        assert not ((others[:, 0] < right) & (others[:, 2] > left) & (others[:, 1] < bottom) & (others[:, 3] > top)).any()
        for c in candidates:
            assert not (left < c.x + DOT and right > c.x - DOT and top < c.y + DOT and bottom > c.y - DOT)
    assert 0 in slots
    assert len(slots) > 20


@pytest.mark.parametrize("seed", range(10))
def test_names_stay_when_others_come_and_go(seed: int) -> None:
    candidates = _candidates(seed)
    before = lay_out(candidates[:80], {}, INSIDE)
    gone = set(range(60, 80))
    left = [c for c in candidates if c.key not in gone]
    after = lay_out(left, {k: s for k, s in before.items() if k not in gone}, INSIDE)
    # A newcomer's point, or a marked name that had to make room for one, may be where a name was; all others stay.
    taken = [(c.x - DOT, c.y - DOT, c.x + DOT, c.y + DOT) for c in left if c.key not in range(80)]
    taken += [tuple(box) for box in _boxes([c for c in left if c.marked], after)]
    for c in left:
        if c.key in before and not c.marked:
            box = _boxes([c], before)[0]
            covered = any(box[0] < t[2] and box[2] > t[0] and box[1] < t[3] and box[3] > t[1] for t in taken)
            assert covered or after.get(c.key) == before[c.key]


def test_a_name_at_the_edge_turns_inwards() -> None:
    slots = lay_out([Candidate("query", 790, 300, 100, 18, True, True)], {}, INSIDE)
    assert slots["query"].dx < -100


@pytest.mark.parametrize("seed", range(10))
def test_names_of_points_in_view_are_whole_and_not_under_what_covers_the_map(seed: int) -> None:
    candidates = _candidates(seed, 60)
    covered = (16.0, 16.0, 52.0, 148.0)
    slots = lay_out(candidates, {}, INSIDE, [covered])
    boxes = _boxes(candidates, slots)
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= INSIDE[2:]).all()
    free = boxes[1:] if 0 in slots else boxes
    apart = (free[:, 2] <= covered[0]) | (free[:, 0] >= covered[2]) | (free[:, 3] <= covered[1]) | (free[:, 1] >= covered[3])
    assert apart.all()


@pytest.mark.parametrize(("x", "y"), [(30, 300), (770, 300), (400, 5), (400, 595), (30, 5), (770, 595)])
def test_a_name_that_fits_on_no_side_of_the_rim_moves_along(x: float, y: float) -> None:
    neighbours = [Candidate(i, x + dx, y, 20.0, 18.0, True) for i, dx in enumerate((-20, 20))]
    candidate = Candidate("long", x, y, 200.0, 18.0, True)
    slots = lay_out([candidate, *neighbours], {}, INSIDE)
    left, top, right, bottom = _boxes([candidate], {"long": slots["long"]})[0]
    assert left >= 0
    assert right <= 800
    assert top >= 0
    assert bottom <= 600
    assert left - 20 <= x <= right + 20
