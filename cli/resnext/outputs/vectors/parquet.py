"""Vectors beside their files as a Parquet table (extra `parquet`), written and read a row group at a time."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnext.outputs.writers.parquet import require_parquet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ROWS_A_GROUP", "read_vectors", "require_parquet", "write_vectors"]

ROWS_A_GROUP = 1000  # 8 MB of 2048 float32
_TEXTS = ("file", "file_b64", "status", "error_code", "error")


def write_vectors(
    groups: "Iterable[tuple[list[dict[str, Any]], NDArray[np.floating[Any]]]]",
    path: Path,
    dtype: str,
    length: int | None,
) -> None:
    """Write groups of index rows, each with the vectors (n, length) of those that worked, in their order.

    `length` is None where none worked: nobody knows it then.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = pa.from_numpy_dtype(np.dtype(dtype))
    vector = pa.list_(number) if length is None else pa.list_(number, length)
    texts = {name: pa.string() for name in _TEXTS}
    schema = pa.schema({**texts, "vector": vector})
    with pq.ParquetWriter(path, schema) as writer:
        for rows, vectors in groups:
            columns = [pa.array([row[name] for row in rows], type) for name, type in texts.items()]
            if length is None:
                column = pa.nulls(len(rows), vector)
            else:
                worked = np.array([row["row"] is not None for row in rows], bool)
                values = np.zeros((len(rows), length), dtype)
                values[worked] = vectors
                column = pa.FixedSizeListArray.from_arrays(
                    pa.array(values.reshape(-1)), type=vector, mask=pa.array(~worked)
                )
            writer.write_table(pa.Table.from_arrays([*columns, column], schema=schema))


def read_vectors(path: Path, *, vectors: bool) -> "Iterator[tuple[dict[str, Any], NDArray[np.floating[Any]] | None]]":
    """Give back the rows of `write_vectors`, with their vectors if those are wanted.

    Raises:
        ValueError: it is no such file, or a damaged one.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [*_TEXTS, *(["vector"] if vectors else [])]
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=ROWS_A_GROUP, columns=names):
                rows = batch.select(list(_TEXTS)).to_pylist()
                column = batch.column("vector") if vectors else None
                for number, row in enumerate(rows):
                    found = None if column is None or row["status"] != "ok" else column[number].values.to_numpy()
                    yield row, found
    except (pa.ArrowException, OSError) as error:
        raise ValueError("no Parquet file that can be read") from error
