"""Labels beside a file: found by name, parted into columns, given a header by the number of lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from core.arrow_table import table_from_arrow
from core.errors import Cancelled, UserError
from core.readers import labels_table, labels_text
from core.readers.sidecar import find_sidecar, read_sidecar
from core.table import Table


def table(folder: Path, content: str | bytes, rows: int, suffix: str = ".tsv") -> Table:
    path = folder / f"vectors{suffix}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    read = read_sidecar(path, rows).table
    assert read.rows == rows
    assert read.source == str(path)
    assert all(len(column) == rows for column in read.columns)
    return read


def columns(table: Table) -> dict[str, list[str]]:
    return {c.name: [c.text(row) for row in range(table.rows)] for c in table.columns}


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".txt", ".parquet", ".jsonl"])
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


def test_words_with_vectors_are_no_labels_of_what_was_converted_from_them(tmp_path: Path) -> None:
    converted, text = tmp_path / "glove.npy", tmp_path / "glove.txt"
    text.write_text("".join(f"word{i} {' '.join(['0.5'] * 20)}\n" for i in range(5)))
    assert find_sidecar(converted) is None
    text.write_text("".join(f"thing {i} 2020\n" for i in range(5)))
    assert find_sidecar(converted) == text


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


def test_the_vectors_themselves_in_columns_are_no_labels(tmp_path: Path) -> None:
    found = columns(table(tmp_path, "name,x0,x1,x2,x4\na,1,2,3,4\nb,5,6,7,8\n", 2, ".csv"))
    assert found == {"name": ["a", "b"], "x4": ["4", "8"]}
    assert list(columns(table(tmp_path, "x0\n1\n2\n", 2, ".csv"))) == ["x0"]  # one column is no vectors
    with pytest.raises(UserError, match="no column that could be a label"):
        table(tmp_path, "x0,x1\n1,2\n3,4\n", 2, ".csv")


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
    with pytest.raises(UserError, match="cannot be read"):
        read_sidecar(tmp_path / "gone.tsv", 3)


def test_empty_cells_of_a_column_of_numbers_are_missing_values(tmp_path: Path) -> None:
    (column,) = table(tmp_path, "year\n1990\n\n2001\n", 3).columns
    assert column.kind == "number"
    np.testing.assert_array_equal(column.values, [1990, np.nan, 2001])


@pytest.mark.parametrize(("content", "rows", "wanted"), [("a\nb\n\n", 2, ["a", "b"]), ("name\na\nb\n\n", 2, ["a", "b"])])
def test_a_blank_line_at_the_end_is_not_a_label(tmp_path: Path, content: str, rows: int, wanted: list[str]) -> None:
    (found,) = columns(table(tmp_path, content, rows)).values()
    assert found == wanted


def test_a_column_of_numbers_that_ends_in_words_is_text_to_its_last_digit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later block shows it, when the first ones are numbers already."""
    monkeypatch.setattr(labels_text, "BLOCK_BYTES", 64)
    values = [*(f"{i}.0" for i in range(100)), "none of these"]
    lines = "\n".join(["a,b", *(f"{value},{i}" for i, value in enumerate(values))])
    read = table(tmp_path, lines, 101, ".csv")
    assert [c.kind for c in read.columns] == ["text", "number"]
    assert columns(read)["a"] == values


def test_reading_by_arrow_and_by_python_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels_text, "BLOCK_BYTES", 50)
    monkeypatch.setattr(labels_text, "BLOCK_LINES", 3)
    text = "name,n,kind\n" + "".join(f'"thing, {i}",{i},{"ab"[i % 2]}\n' for i in range(20))
    even = table(tmp_path, text, 20, ".csv")
    uneven = table(tmp_path, text + "one more\n", 21, ".csv")
    assert [c.kind for c in even.columns] == [c.kind for c in uneven.columns] == ["text", "number", "category"]
    assert {name: texts[:20] for name, texts in columns(uneven).items()} == columns(even)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt", ".parquet", ".jsonl"])
def test_an_empty_file_is_told(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(UserError, match=r"vectors.*\.$"):
        table(tmp_path, "", 3, suffix)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_reading_is_given_up_when_it_is_no_longer_wanted(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"vectors{suffix}"
    arrow = pa.table({"name": ["a", "b"]})
    parquet.write_table(arrow, path) if suffix == ".parquet" else path.write_text("name\na\nb\n")

    def poll() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        read_sidecar(path, 2, poll=poll)


# Parquet and JSON


def test_parquet_is_read_with_its_types_and_without_its_vectors(tmp_path: Path) -> None:
    path = tmp_path / "vectors.parquet"
    arrow = pa.table({"name": ["a", "b"], "code": ["007", "1"], "n": [1.5, None], "v": [[1.0, 2.0], [3.0, 4.0]]})
    parquet.write_table(arrow, path)
    read = read_sidecar(path, 2).table
    assert [(c.name, c.kind) for c in read.columns] == [("name", "text"), ("code", "text"), ("n", "number")]
    assert columns(read)["code"] == ["007", "1"]


def test_json_is_read_line_by_line(tmp_path: Path) -> None:
    lines = '{"name": "a", "year": 1990}\n{"name": "b\\nc", "tags": ["x"]}\n'
    assert columns(table(tmp_path, lines, 2, ".jsonl")) == {"name": ["a", "b\nc"], "year": ["1990", ""], "tags": ["", '["x"]']}


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
@pytest.mark.parametrize("content", [b"PAR1 and no more", b'{"a": 1}\n{"a": ', b"\xff\xfe\x00"])
def test_damaged_tables_are_told_in_a_sentence(tmp_path: Path, suffix: str, content: bytes) -> None:
    with pytest.raises(UserError) as raised:
        table(tmp_path, content, 3, suffix)
    assert "\n" not in str(raised.value)
    assert str(raised.value).endswith(".")


def test_a_parquet_that_unpacks_to_more_than_there_is_room_for_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "vectors.parquet"
    parquet.write_table(pa.table({"name": ["x" * 100_000] * 5000}), path)
    assert path.stat().st_size < 200_000
    monkeypatch.setattr(labels_table, "MEMORY_SHARE", 1e-5)
    with pytest.raises(UserError, match=r"'name'.* unpacks to more"):
        read_sidecar(path, 5000)


def test_a_file_without_a_label_column_is_told(tmp_path: Path) -> None:
    path = tmp_path / "vectors.parquet"
    parquet.write_table(pa.table({"v": [[1.0], [2.0]]}), path)
    with pytest.raises(UserError, match="no column"):
        read_sidecar(path, 2)


# Joining


def joined(folder: Path, text: str, rows: int, by: str | None = None, own: Table | None = None) -> tuple[list[str], str | None]:
    path = folder / "labels.csv"
    path.write_text(text)
    labels = read_sidecar(path, rows, own, by)
    assert labels.table.rows == rows
    assert all(len(column) == rows for column in labels.table.columns)
    return columns(labels.table)["name"], labels.note


def test_fewer_lines_are_joined_by_the_numbers_of_their_rows(tmp_path: Path) -> None:
    names, note = joined(tmp_path, "name,row\nd,3\nb,1\n", 5)
    assert names == ["", "b", "", "d", ""]
    assert note is not None
    assert note.endswith("labels.csv is joined by its column 'row': 3 of 5 rows have no line.")


def test_as_many_lines_are_joined_in_order_unless_a_column_is_named(tmp_path: Path) -> None:
    text = "name,id\nb,1\nc,2\na,0\n"
    assert joined(tmp_path, text, 3) == (["b", "c", "a"], None)
    names, note = joined(tmp_path, text, 3, by="id")
    assert names == ["a", "b", "c"]
    assert note is not None
    assert note.endswith("is joined by its column 'id'.")


def test_lines_are_joined_by_a_column_that_the_vectors_file_has_too(tmp_path: Path) -> None:
    own = table_from_arrow("v.parquet", pa.table({"key": ["x", "y", "z"]}))
    names, note = joined(tmp_path, "key,name\nz,third\nw,stray\nx,first\nv,stray too\n", 3, own=own)
    assert names == ["first", "", "third"]
    assert note is not None
    assert note.endswith("1 of 3 rows have no line and 2 of 4 lines belong to no row.")


@pytest.mark.parametrize("ids", ["0 0", "0 9", "0 1.5", "0 x"], ids=["twice", "too large", "not whole", "no number"])
def test_a_column_that_does_not_tell_rows_is_told(tmp_path: Path, ids: str) -> None:
    first, second = ids.split()
    text = f"name,id\na,{first}\nb,{second}\n"
    with pytest.raises(UserError, match=r"3 lines.* 5 rows.* no column"):
        joined(tmp_path, text, 5)
    with pytest.raises(UserError, match=r"'id'.* does not tell"):
        joined(tmp_path, text, 5, by="id")
    with pytest.raises(UserError, match=r"no column 'nr'; it has name, id\."):
        joined(tmp_path, text, 5, by="nr")


def test_numbers_that_are_not_said_to_be_rows_join_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no column"):
        joined(tmp_path, "name,legs\na,2\nb,4\n", 9)
