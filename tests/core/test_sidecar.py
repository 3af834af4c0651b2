"""Labels beside a file: found by name, parted into columns, given a header by the number of lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import UserError
from core.readers.sidecar import find_sidecar, read_sidecar
from core.table import Table


def table(folder: Path, content: str | bytes, rows: int, suffix: str = ".tsv") -> Table:
    path = folder / f"vectors{suffix}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    read = read_sidecar(path, rows)
    assert read.rows == rows
    assert read.source == str(path)
    assert all(len(column) == rows for column in read.columns)
    return read


def columns(table: Table) -> dict[str, list[str]]:
    return {c.name: [c.text(row) for row in range(table.rows)] for c in table.columns}


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".txt"])
def test_labels_are_found_beside_the_vectors(tmp_path: Path, suffix: str) -> None:
    vectors = tmp_path / "vectors.npy"
    assert find_sidecar(vectors) is None
    (tmp_path / f"vectors{suffix}").touch()
    (tmp_path / "other.tsv").touch()
    assert find_sidecar(vectors) == tmp_path / f"vectors{suffix}"


def test_tabs_are_preferred_to_commas_to_plain_text(tmp_path: Path) -> None:
    for suffix in (".txt", ".csv", ".tsv"):
        path = tmp_path / f"vectors{suffix}"
        path.touch()
        assert find_sidecar(tmp_path / "vectors.npy") == path


def test_a_folder_or_the_vectors_themselves_are_no_labels(tmp_path: Path) -> None:
    (tmp_path / "vectors.tsv").mkdir()
    vectors = tmp_path / "vectors.txt"
    vectors.touch()
    assert find_sidecar(vectors) is None


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".txt"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_as_many_lines_as_rows_have_no_header(tmp_path: Path, suffix: str, end: str) -> None:
    assert columns(table(tmp_path, f"ant\nbee{end}", 2, suffix)) == {"label": ["ant", "bee"]}


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".txt"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_one_line_more_is_the_header(tmp_path: Path, suffix: str, end: str) -> None:
    assert columns(table(tmp_path, f"insect\nant\nbee{end}", 2, suffix)) == {"insect": ["ant", "bee"]}


@pytest.mark.parametrize(("suffix", "delimiter"), [(".tsv", "\t"), (".csv", ","), (".txt", "\t")])
def test_several_columns_keep_their_names_and_order(tmp_path: Path, suffix: str, delimiter: str) -> None:
    text = "name,legs,kind\nant,6,insect\nspider,8,arachnid\n".replace(",", delimiter)
    read = table(tmp_path, text, 2, suffix)
    assert columns(read) == {"name": ["ant", "spider"], "legs": ["6", "8"], "kind": ["insect", "arachnid"]}
    assert [c.kind for c in read.columns] == ["text", "number", "text"]


def test_several_columns_without_a_header_are_numbered(tmp_path: Path) -> None:
    assert columns(table(tmp_path, "a\tb\nc\td\n", 2)) == {"column 1": ["a", "c"], "column 2": ["b", "d"]}


def test_a_column_without_a_name_is_numbered(tmp_path: Path) -> None:
    assert list(columns(table(tmp_path, "\tb\n1\t2\t3\n4\t5\n", 2))) == ["column 1", "b", "column 3"]


def test_short_lines_are_filled_with_nothing(tmp_path: Path) -> None:
    assert columns(table(tmp_path, "x\ty\na\tb\nc\n", 2)) == {"x": ["a", "c"], "y": ["b", ""]}


@pytest.mark.parametrize(("suffix", "delimiter"), [(".tsv", "\t"), (".csv", ",")])
def test_quoted_fields_hold_delimiters_line_ends_and_quotes(tmp_path: Path, suffix: str, delimiter: str) -> None:
    text = f'x{delimiter}y\n"a{delimiter}b"{delimiter}"two\nlines"\n"say ""hi"""{delimiter}plain\n'
    expected = {"x": [f"a{delimiter}b", 'say "hi"'], "y": ["two\nlines", "plain"]}
    assert columns(table(tmp_path, text, 2, suffix)) == expected


@pytest.mark.parametrize("suffix", [".tsv", ".csv"])
def test_a_lone_quote_is_a_plain_character(tmp_path: Path, suffix: str) -> None:
    """Read as a quoted field, the first would swallow the rest of the file."""
    assert columns(table(tmp_path, '"tis\nant\nbee\n', 3, suffix)) == {"label": ['"tis', "ant", "bee"]}


def test_inches_are_no_quotes(tmp_path: Path) -> None:
    assert columns(table(tmp_path, '5" disk\n3" disk\n', 2)) == {"label": ['5" disk', '3" disk']}


def test_plain_text_keeps_quotes_and_commas(tmp_path: Path) -> None:
    assert columns(table(tmp_path, '"a", b\nc\n', 2, ".txt")) == {"label": ['"a", b', "c"]}


def test_tabs_in_some_lines_of_plain_text_belong_to_the_text(tmp_path: Path) -> None:
    assert columns(table(tmp_path, "a\tb\nc\nd\te\tf\n", 3, ".txt")) == {"label": ["a\tb", "c", "d\te\tf"]}


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".txt"])
def test_a_byte_order_mark_is_no_part_of_the_first_label(tmp_path: Path, suffix: str) -> None:
    assert columns(table(tmp_path, b"\xef\xbb\xbfant\r\nbee\r\n", 2, suffix)) == {"label": ["ant", "bee"]}


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".txt"])
def test_line_ends_of_windows_are_no_part_of_a_label(tmp_path: Path, suffix: str) -> None:
    assert columns(table(tmp_path, b"name\r\nant\r\nbee\r\n", 2, suffix)) == {"name": ["ant", "bee"]}


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".txt"])
def test_bytes_that_are_not_utf_8_do_not_cost_the_other_labels(tmp_path: Path, suffix: str) -> None:
    labels = columns(table(tmp_path, b"caf\xe9\nbee\n", 2, suffix))["label"]
    assert labels[0].startswith("caf")
    assert labels[1] == "bee"


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".txt"])
@pytest.mark.parametrize("separator", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_only_line_feeds_end_a_line(tmp_path: Path, suffix: str, separator: str) -> None:
    text = f"a{separator}b\nc\n"
    assert columns(table(tmp_path, text, 2, suffix)) == {"label": [f"a{separator}b", "c"]}


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".txt"])
@pytest.mark.parametrize("lines", [1, 2, 5, 100])
def test_a_number_of_lines_that_fits_neither_way_is_refused(tmp_path: Path, suffix: str, lines: int) -> None:
    with pytest.raises(UserError, match=rf"{lines} lines.* 3 rows"):
        table(tmp_path, "label\n" * lines, 3, suffix)


def test_a_text_longer_than_the_csv_module_allows_by_itself_is_read(tmp_path: Path) -> None:
    long = "x" * 200_000
    assert columns(table(tmp_path, f"{long}\nshort\n", 2)) == {"label": [long, "short"]}


def test_an_empty_line_is_an_empty_label(tmp_path: Path) -> None:
    for suffix in (".tsv", ".csv", ".txt"):
        assert columns(table(tmp_path, "a\n\nb\n", 3, suffix)) == {"label": ["a", "", "b"]}


def test_labels_that_vanish_are_a_users_problem(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="without labels"):
        read_sidecar(tmp_path / "gone.tsv", 3)


def test_empty_cells_of_a_column_of_numbers_are_missing_values(tmp_path: Path) -> None:
    (column,) = table(tmp_path, "year\n1990\n\n2001\n", 3).columns
    assert column.kind == "number"
    np.testing.assert_array_equal(column.values, [1990, np.nan, 2001])


@pytest.mark.parametrize(("content", "rows", "wanted"), [("a\nb\n\n", 2, ["a", "b"]), ("name\na\nb\n\n", 2, ["a", "b"])])
def test_a_blank_line_at_the_end_is_not_a_label(tmp_path: Path, content: str, rows: int, wanted: list[str]) -> None:
    (found,) = columns(table(tmp_path, content, rows)).values()
    assert found == wanted
