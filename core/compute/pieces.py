"""How a search is cut into pieces, some queries by some rows of a chunk.

On a CPU they are small enough for malloc to reuse their memory, large enough for products to be fast, and several are selected
from at once, each on one core. On a GPU only memory counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.compute.vectors import ROW_MULTIPLE
from core.types import DeviceKind

# A larger array of scores comes as fresh pages each time, which cost as much as the product: malloc keeps what is below 32 MB.
# But each product copies all rows into a form of its own, so that fewer queries than these, or than half the dimensions, are not
# worth one: then larger arrays cost less.
KEPT_SCORES, FEW_QUERIES = 4 << 20, 64
# From so many queries on the rows are cut too, and copied into one piece each, so that more queries share a product; wider rows
# are not worth the copy. A part has so many rows for each candidate, for each part is selected from by itself.
MANY_QUERIES, WIDE, PART_ROWS, ROWS_PER_CANDIDATE = 512, 256, 1 << 14, 1 << 10


@dataclass(frozen=True)
class Pieces:
    """Each batch of queries meets each part of a chunk."""

    batches: tuple[slice, ...]
    part_rows: int
    at_once: int  # pieces

    def parts(self, width: int) -> list[slice]:
        """The parts of a chunk of so many rows."""
        return [slice(start, min(start + self.part_rows, width)) for start in range(0, width, self.part_rows)]


def pieces(
    kind: DeviceKind, queries: int, dims: int, width: int, wanted: int, most_scores: int, lanes: int, one_core: bool
) -> Pieces:
    """For chunks of up to `width` rows of `dims` values, of which `wanted` are to be candidates.

    All scores that are held are at most `most_scores`, or one query's. `lanes` is how many pieces may be worked on at once;
    `one_core` says that bounds, too, are computed on one core each, for there is no product to give them.
    """
    part_rows = width
    if kind == "cpu" and not one_core and queries >= MANY_QUERIES and dims <= WIDE:
        least = max(PART_ROWS, ROWS_PER_CANDIDATE * wanted)
        part_rows = -(-width // (max(1, width // least) * ROW_MULTIPLE)) * ROW_MULTIPLE
    step = min(queries, max(1, most_scores // part_rows))
    if kind == "cpu":
        step = min(step, -(-queries // lanes)) if one_core else min(step, max(FEW_QUERIES, dims // 2, KEPT_SCORES // part_rows))
    at_once = max(1, min(lanes, most_scores // (step * part_rows)))
    if step < queries:  # as many batches of one length as a whole number of rounds takes
        rounds = -(-queries // (step * at_once))
        step = -(-queries // (rounds * at_once))
    return Pieces(tuple(slice(start, min(start + step, queries)) for start in range(0, queries, step)), part_rows, at_once)
