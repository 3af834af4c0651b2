"""Labels found in order of how well they match, as a plain look at every label finds them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import UserError
from core.labels import LabelIndex, row_called
from core.table import Table
from tests.made import make_column

texts = st.text(st.sampled_from("aAbßé \nK"), max_size=6)


def _plain(label: str) -> str:
    return label.replace("\n", " ").casefold()


@given(st.lists(texts, min_size=1, max_size=30), texts.filter(str.strip))
def test_all_labels_that_hold_the_text_are_found_best_first(labels: list[str], text: str) -> None:
    found = LabelIndex(labels).find(text, 100)
    wanted = _plain(text.strip())
    assert sorted(found) == [row for row, label in enumerate(labels) if wanted in _plain(label)]

    def rank(row: int) -> int:
        label = _plain(labels[row])
        return 0 if label == wanted else 1 if label.startswith(wanted) else 2 if f" {wanted}" in label else 3

    assert found == sorted(found, key=lambda row: (rank(row), row))
    assert LabelIndex(labels).find(text, 3) == found[:3]


def test_nothing_finds_nothing() -> None:
    assert LabelIndex(["a", "", "b"]).find("  ", 10) == []
    assert LabelIndex([]).find("a", 10) == []


def _table(*labels: str) -> Table:
    return Table("x.tsv", len(labels), (make_column("name", list(labels)),))


def test_the_exact_label_goes_before_one_in_other_letters() -> None:
    table = _table("Polish", "polish", "nail polish")
    assert row_called(table, "polish") == 1
    assert row_called(table, "Polish") == 0
    assert row_called(table, "NAIL POLISH") == 2


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("king", ("2 rows", "0, 2", "--row")),
        ("QUEEN", ("2 rows", "1, 3")),
        ("quee", ("No row is called 'quee'", "'queen', 'Queen' hold it")),
        ("zebra", ("No row is called 'zebra';",)),
    ],
)
def test_a_label_of_no_or_several_rows_is_refused_with_candidates(text: str, parts: tuple[str, ...]) -> None:
    with pytest.raises(UserError) as error:
        row_called(_table("king", "queen", "king", "Queen"), text)
    assert all(part in str(error.value) for part in parts)
