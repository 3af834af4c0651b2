"""What neighbours can be asked of: parsed, named, read from a file, answered as by float64 NumPy, or refused in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.compute.service import Service
from core.dataset import Dataset
from core.errors import UserError
from core.queries import AnalogyQuery, FileQuery, MeanQuery, Query, RowQuery, VectorQuery, parse_vector
from core.readers import open_queries
from core.types import (
    METRICS,
    DistancesRequest,
    DistancesResult,
    Metric,
    NeighboursRequest,
    NeighboursResult,
    ProjectRequest,
    ProjectResult,
)
from tests.core.conftest import Quiet
from tests.core.test_knn import Doubles, normal, order_of

NAMES = ("king", "man", "woman", "queen")


@pytest.fixture
def dataset() -> Dataset:
    return Dataset(Path("x.npy"), normal(900, 6), "npy", "float32")


@pytest.fixture
def other(tmp_path: Path) -> Dataset:
    np.save(tmp_path / "other.npy", normal(5, 6, dtype=np.float64) * 3)
    return open_queries(tmp_path / "other.npy")


def queries(other: Dataset) -> list[tuple[Query, object]]:
    """Queries, and what makes the vector of each."""
    return [
        (RowQuery(4), lambda x: x[4]),
        (MeanQuery(np.array([1, 5, 9])), lambda x: x[[1, 5, 9]].mean(axis=0)),
        (AnalogyQuery((0, 2), (1,)), lambda x: x[0] - x[1] + x[2]),
        (VectorQuery(np.arange(6.0), "pasted vector"), lambda x: np.arange(6.0)),
        (FileQuery(other, 3), lambda x: np.asarray(other.array[3], np.float64)),
    ]


@pytest.mark.parametrize("metric", METRICS)
def test_neighbours_and_distances_are_those_of_the_vector(
    service: Service, dataset: Dataset, other: Dataset, metric: Metric
) -> None:
    x = dataset.array.astype(np.float64)
    for query, make in queries(other):
        vector = make(x)  # type: ignore[operator]
        order = np.asarray(order_of(x, vector, metric))
        result = service.handle(NeighboursRequest(dataset, query, 12, metric), Quiet())
        assert isinstance(result, NeighboursResult)
        expected = [row for row in np.argsort(order, kind="stable").tolist() if row not in query.own_rows][:12]
        assert result.ids.tolist() == expected
        assert result.query == query
        assert result.vector is not None
        np.testing.assert_allclose(result.vector, vector, rtol=1e-12)
        measured = service.handle(DistancesRequest(dataset, query, metric), Quiet())
        assert isinstance(measured, DistancesResult)
        right = np.sqrt(order) if metric == "l2" else -order if metric == "inner_product" else order
        np.testing.assert_allclose(measured.distances, right, rtol=1e-4, atol=1e-4)


def test_an_analogy_leaves_out_its_rows_and_the_others_do_not(service: Service, dataset: Dataset) -> None:
    analogy = service.handle(NeighboursRequest(dataset, AnalogyQuery((0, 2), (1, 2)), 10**6, "l2"), Quiet())
    assert isinstance(analogy, NeighboursResult)
    assert sorted(analogy.ids.tolist()) == list(range(3, 900))
    own = VectorQuery(dataset.array[7].astype(np.float64), "pasted vector")
    result = service.handle(NeighboursRequest(dataset, own, 5, "l2"), Quiet())
    assert isinstance(result, NeighboursResult)
    assert (result.ids[0], result.distances[0]) == (7, 0.0)


def refusals(other: Dataset) -> list[tuple[Query, Metric, tuple[str, ...]]]:
    short = VectorQuery(np.ones(4), "pasted vector")
    return [
        (short, "l2", ("4 dimensions", "have 6", "pasted vector")),
        (VectorQuery(np.array([1.0, np.nan, 0, 0, 0, 0]), "v"), "l2", ("NaN or infinity",)),
        (VectorQuery(np.array([1.0, np.inf, 0, 0, 0, 0]), "v"), "cosine", ("NaN or infinity",)),
        (VectorQuery(np.zeros(6), "v"), "cosine", ("all zeros", "cosine")),
        (AnalogyQuery((1, 2), (2, 1)), "cosine", ("all zeros", "row 1 − row 2")),
        (AnalogyQuery((1, 900), (2,)), "l2", ("no row 900",)),
        (AnalogyQuery((1, 3), (-1,)), "l2", ("no row -1",)),
        (FileQuery(other, 5), "l2", ("no row 5", "0 to 4")),
        (RowQuery(900), "l2", ("no row 900",)),
    ]


def test_what_has_no_neighbours_is_refused_in_one_sentence(service: Service, dataset: Dataset, other: Dataset) -> None:
    for query, metric, parts in refusals(other):
        for request in (NeighboursRequest(dataset, query, 3, metric), DistancesRequest(dataset, query, metric)):
            with pytest.raises(UserError) as error:
                service.handle(request, Quiet())
            assert all(part in str(error.value) for part in parts)
    zeros = VectorQuery(np.zeros(6), "v")
    assert isinstance(service.handle(NeighboursRequest(dataset, zeros, 3, "l2"), Quiet()), NeighboursResult)


def test_a_file_cut_meanwhile_is_refused(service: Service, dataset: Dataset, other: Dataset) -> None:
    other.path.write_bytes(other.path.read_bytes()[:200])
    with pytest.raises(UserError, match="shrunk"):
        service.handle(NeighboursRequest(dataset, FileQuery(other, 3), 3, "l2"), Quiet())


@pytest.mark.parametrize("centre", [True, False])
@pytest.mark.parametrize("unit", [True, False])
def test_the_map_puts_vectors_where_it_puts_equal_rows(service: Service, dataset: Dataset, centre: bool, unit: bool) -> None:
    scaled = Dataset(Path("x.npy"), dataset.array * 1e8 + 1e7, "npy", "float32")  # so that vectors are kept in other units
    for some in (dataset, scaled):
        result = service.handle(ProjectRequest(some, (0, 2), centre, unit), Quiet())
        assert isinstance(result, ProjectResult)
        assert result.map is not None
        places = np.array([result.map.place(row) for row in some.array])
        np.testing.assert_allclose(places, result.coords, rtol=1e-3, atol=2e-5 * float(np.abs(result.coords).max()))


def test_queries_say_what_they_are(other: Dataset, tmp_path: Path) -> None:
    label = NAMES.__getitem__
    assert RowQuery(3).name(label) == "queen"
    assert AnalogyQuery((0, 2), (1,)).name(label) == "king − man + woman"
    assert MeanQuery(np.arange(1200)).name(label) == "mean of 1,200 rows"
    assert parse_vector("1 2", 2).name(label) == "pasted vector"
    assert FileQuery(other, 3).name(label) == "row 3 of other.npy"
    np.save(tmp_path / "alone.npy", np.ones(6))
    assert FileQuery(open_queries(tmp_path / "alone.npy"), 0).name(label) == "alone.npy"


finite = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=30)


@given(finite, st.sampled_from([", ", ",", " ", "\n", ";", "\t", " ,\n"]))
def test_numbers_parted_in_any_way_are_read_as_they_are(values: list[float], between: str) -> None:
    texts = [between.join(map(repr, values)), json.dumps(values), json.dumps([values]), f" [{' '.join(map(repr, values))}]\n"]
    for text in texts:
        assert parse_vector(text, len(values)).vector.tolist() == values


@given(st.text(max_size=300))
def test_any_text_is_a_vector_or_told_in_one_sentence(text: str) -> None:
    try:
        vector = parse_vector(text, 3).vector
    except UserError as error:
        told = str(error)
    else:
        told = "" if np.isfinite(vector).all() else "\n"
    assert "\n" not in told


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "holds 0 numbers, the vectors have 3 dimensions"),
        ("1, 2", "holds 2 numbers, the vectors have 3 dimensions"),
        ("1 2 x", "'x' is not a number"),
        ("[1, 2, null]", "not a number"),
        ("[[1, 2], [3]]", "not a number"),
        ('{"a": 1}', "not a number"),
        ("1 nan 2", "NaN or infinity"),
        ("[1, 1e999, 2]", "NaN or infinity"),
        (f"[1, 2, 1{'0' * 200}]", None),
        ("[" * 250, "holds 0 numbers"),
        ("1 " * 200, "far longer"),
    ],
)
def test_texts_that_are_no_vector_are_refused(text: str, reason: str | None) -> None:
    if reason is None:
        assert parse_vector(text, 3).vector[2] == 1e200
        return
    with pytest.raises(UserError, match=reason):
        parse_vector(text, 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ">f8", np.int8])
def test_a_vector_alone_in_a_file_is_one_row(tmp_path: Path, dtype: object) -> None:
    vector: Doubles = np.arange(7).astype(dtype)  # type: ignore[call-overload]
    np.save(tmp_path / "alone.npy", vector)
    opened = open_queries(tmp_path / "alone.npy")
    assert (opened.rows, opened.dims) == (1, 7)
    np.testing.assert_array_equal(opened.read(np.array([0]))[0], vector)


def test_files_that_hold_no_vectors_are_refused(tmp_path: Path) -> None:
    arrays = (("d0", np.array(3.0), "0-d"), ("d3", np.zeros((2, 2, 2)), "3-d"), ("text", np.array(["a", "b"]), "text"))
    for name, array, reason in arrays:
        np.save(tmp_path / name, array)
        with pytest.raises(UserError, match=reason):
            open_queries(tmp_path / f"{name}.npy")
    (tmp_path / "cut.npy").write_bytes((tmp_path / "d3.npy").read_bytes()[:90])
    with pytest.raises(UserError):
        open_queries(tmp_path / "cut.npy")
    with pytest.raises(UserError, match="does not exist"):
        open_queries(tmp_path / "nowhere.npy")
