"""Rows as a Parquet file (extra `parquet`), written and read a row group at a time."""

import importlib
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from resnext.errors import OutputError

_ROWS_A_GROUP = 10_000  # as Python objects about 20 MB


def require_parquet() -> None:
    """Refuse before the run what could not be written after it.

    What writes is imported here: an interrupted run has two seconds for its file, and not for an import as well.

    Raises:
        OutputError: pyarrow is not installed.
    """
    try:
        importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise OutputError("--format parquet needs pyarrow; pip install 'resnext[parquet]'") from error


def write_parquet(rows: Iterable[dict[str, Any]], path: Path) -> None:
    """Write all rows, with the columns of the JSON row; of the keys that not every run has, those of the first row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    prediction = pa.struct(
        [("label", pa.string()), ("score", pa.float64()), ("index", pa.int32()), ("synset", pa.string())]
    )
    tag = pa.struct(
        [
            ("label", pa.string()),
            ("score", pa.float64()),
            ("path", pa.list_(pa.string())),
            ("synset", pa.string()),
            ("classes", pa.list_(pa.int32())),
        ]
    )
    iterator = iter(rows)
    first = next(iterator, {})
    schema = pa.schema(
        [
            ("file", pa.string()),
            ("file_b64", pa.string()),
            ("status", pa.string()),
            ("model", pa.string()),
            ("predictions", pa.list_(prediction)),
            *([("tags", pa.list_(tag))] if "tags" in first else []),
            ("error_code", pa.string()),
            ("error", pa.string()),
        ]
    )
    rows = chain([first] if first else [], iterator)
    with pq.ParquetWriter(path, schema) as writer:
        while group := list(islice(rows, _ROWS_A_GROUP)):
            writer.write_table(pa.Table.from_pylist(group, schema))


def read_parquet(path: Path) -> Iterator[dict[str, Any]]:
    """Give back the rows of `write_parquet`.

    Raises:
        ValueError: it is no Parquet file, or a damaged one.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_ROWS_A_GROUP):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise ValueError("no Parquet file that can be read") from error
