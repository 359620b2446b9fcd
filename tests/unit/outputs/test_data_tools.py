"""Rows as data tools read them, with their defaults: 30,000 of which only the last one failed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resnext.errors import FailureCode
from resnext.outputs.vectors.index import index_line
from resnext.outputs.writers import WRITERS, OutputConfig
from resnext.outputs.writers.lines import listed
from resnext.outputs.writers.parquet import write_parquet
from resnext.records import Classified, Failure, Label, Prediction, Source

COUNT = 30_000
LABELS = (Label(967, "espresso", "espresso", "n07920052"), Label(1, "my cat", "my cat"))
CONFIG = OutputConfig(model="a_model", top_k=2)
FIRST = ("photos/0.jpg", "", "")
LAST = (f"photos/{COUNT - 1}.jpg", "truncated", "the file ends too early")
FORMATS = ["jsonl", "csv", "tsv", "parquet", "index", "listing"]


def record_of(number: int) -> Classified | Failure:
    source = Source(f"photos/{number}.jpg")
    if number == COUNT - 1:
        return Failure(source, FailureCode.TRUNCATED, "the file ends too early")
    return Classified(source, tuple(Prediction(label, 0.25) for label in LABELS))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rows in every format."""
    folder = tmp_path_factory.mktemp("rows")
    records = [record_of(number) for number in range(COUNT)]
    for format in ("jsonl", "csv", "tsv"):
        with (folder / f"rows.{format}").open("w", newline="", encoding="utf-8") as stream:
            writer = WRITERS[format](stream, CONFIG)
            writer.begin()
            for record in records:
                writer.write(record)
    with (folder / "rows.jsonl").open() as lines:
        write_parquet((json.loads(line) for line in lines), folder / "rows.parquet")
    (folder / "rows.index").write_bytes(b"".join(index_line(record, row) for row, record in enumerate(records)))
    found = [record if isinstance(record, Failure) else record.source for record in records]
    (folder / "rows.listing").write_bytes(b"".join(listed(each, as_json=True, terminal=False) for each in found))
    return folder


def with_polars(path: Path) -> list[tuple[Any, ...]]:
    polars = pytest.importorskip("polars")
    readers: dict[str, Callable[[Path], Any]] = {
        ".parquet": polars.read_parquet,
        ".csv": polars.read_csv,
        ".tsv": lambda path: polars.read_csv(path, separator="\t"),
    }
    frame = readers.get(path.suffix, polars.read_ndjson)(path)
    found: list[tuple[Any, ...]] = frame.select("file", "error_code", "error").fill_null("").rows()
    return found


def with_duckdb(path: Path) -> list[tuple[Any, ...]]:
    duckdb = pytest.importorskip("duckdb")
    readers = {".parquet": "read_parquet", ".csv": "read_csv", ".tsv": "read_csv"}
    read = readers.get(path.suffix, "read_json")
    found: list[tuple[Any, ...]] = duckdb.sql(
        f"select file, coalesce(error_code, ''), coalesce(error, '') from {read}('{path}')"
    ).fetchall()
    return found


def with_pyarrow(path: Path) -> list[tuple[Any, ...]]:
    pytest.importorskip("pyarrow")
    from pyarrow import csv, json, parquet

    readers: dict[str, Callable[[Path], Any]] = {
        ".parquet": parquet.read_table,
        ".csv": csv.read_csv,
        ".tsv": lambda path: csv.read_csv(path, parse_options=csv.ParseOptions(delimiter="\t")),
    }
    table = readers.get(path.suffix, json.read_json)(path)
    return list(zip(*(table.column(name).to_pylist() for name in ("file", "error_code", "error")), strict=True))


def with_pandas(path: Path) -> list[tuple[Any, ...]]:
    pandas = pytest.importorskip("pandas")
    readers: dict[str, Callable[[Path], Any]] = {
        ".parquet": pandas.read_parquet,
        ".csv": pandas.read_csv,
        ".tsv": lambda path: pandas.read_csv(path, sep="\t"),
    }
    frame = readers.get(path.suffix, lambda path: pandas.read_json(path, lines=True))(path)
    return list(frame[["file", "error_code", "error"]].fillna("").itertuples(index=False, name=None))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("read", [with_polars, with_duckdb, with_pyarrow, with_pandas])
def test_the_failure_of_the_last_row_is_read(
    folder: Path, format: str, read: Callable[[Path], list[tuple[Any, ...]]]
) -> None:
    rows = read(folder / f"rows.{format}")
    assert (len(rows), rows[0], rows[-1]) == (COUNT, FIRST, LAST)


def test_every_row_has_the_same_keys_of_the_same_types(folder: Path) -> None:
    for name in ("rows.jsonl", "rows.index", "rows.listing"):
        rows = [json.loads(line) for line in (folder / name).read_bytes().splitlines()]
        keys = [list(row) for row in rows]
        assert keys == keys[:1] * COUNT
        for key in keys[0]:
            types = {type(row[key]) for row in rows}
            assert types == {str} or key in ("predictions", "row"), key
    predictions = json.loads((folder / "rows.jsonl").read_bytes().splitlines()[0])["predictions"]
    assert [each["synset"] for each in predictions] == ["n07920052", ""]
