"""Results of runs, as their readers have them."""

import gzip
import json
from pathlib import Path
from typing import Any


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file with its content and when it was last written."""
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir() if path.is_file()}


def rows_of(path: Path) -> list[dict[str, Any]]:
    opened = gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")
    with opened as lines:
        return [json.loads(line) for line in lines]


def files_in(output: Path) -> list[str]:
    """The names in a result of either command."""
    if output.suffix == ".parquet":
        import pyarrow.parquet

        names: list[str] = pyarrow.parquet.read_table(output).column("file").to_pylist()
        return names
    if output.suffix in (".npy", ".npz"):
        return [row["file"] for row in rows_of(output.with_name(f"{output.name}.jsonl"))]
    if output.suffix == ".json":
        return [row["file"] for row in json.loads(output.read_bytes())]
    if output.suffix == ".csv":
        return [line.split(",")[0] for line in output.read_text().splitlines()[1:]]
    return [row["file"] for row in rows_of(output)]
