"""Parts of an evaluation as files of their own: tables (.csv, .json) and pictures (.png, .svg), by their ending."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from resnext.errors import OutputError, UsageError
from resnext.outputs.pictures import confusion_picture, coverage_picture, reliability_picture, require_plots
from resnext.outputs.places import check_apart, check_folder, real_path, replace_file

PICTURES = (".png", ".svg")
TABLES = (".csv", ".json")
_MOST_CELLS = 10_000_000  # of a confusion matrix with its zeros


class Parts(NamedTuple):
    """What can be written: a confusion matrix by its names and cells (row, column, photos), the rows of two curves.

    The rows of the matrix are the first `shown` of the names.
    """

    names: Sequence[str]
    shown: int
    cells: Sequence[tuple[int, int, int]]
    reliability: Sequence[dict[str, Any]]
    ece: float
    coverage: Sequence[dict[str, Any]]


def check_report_files(files: Mapping[str, Path], *, overwrite: bool) -> list[tuple[str, Path]]:
    """Refuse files that can't be written, before a model is loaded; gives what each is. The keys are the options.

    Raises:
        UsageError: the ending names no format; a file exists, and `overwrite` was not asked for; two are one.
        OutputError: a folder is not there; matplotlib is not installed.
    """
    written = []
    for option, path in files.items():
        ending = path.suffix.lower()
        if ending not in (*PICTURES, *TABLES):
            raise UsageError(f"{option} {path}: the ending names no format; use one of {', '.join(PICTURES + TABLES)}")
        if ending in PICTURES:
            require_plots(f"{option} {path}")
        check_folder(f"{option} {path}", path)
        if path.is_dir():
            raise UsageError(f"{option} {path}: is a folder")
        if path.is_file() and not overwrite:
            raise UsageError(f"{option} {path}: exists already; --overwrite replaces it")
        written.append((f"the {option} file", path))
    check_apart(written)
    return written


def write_report_files(files: Mapping[str, Path], parts: Parts) -> None:
    """Write each file whole; the keys are "--confusion", "--reliability" and "--coverage".

    Raises:
        OutputError: one can't be written.
    """
    makers = {"--confusion": _confusion, "--reliability": _reliability, "--coverage": _coverage}
    for option, path in files.items():
        content = makers[option](parts, path.suffix.lower())
        try:
            replace_file(real_path(str(path), path), content)
        except OSError as error:
            raise OutputError(f"{option} {path}: can't be written: {error.strerror or error}") from error


def _confusion(parts: Parts, ending: str) -> bytes:
    names, cells = parts.names, parts.cells
    if ending in PICTURES:
        return confusion_picture(names, parts.shown, cells, ending[1:])
    if ending == ".json":
        found = [{"truth": names[row], "answer": names[column], "photos": photos} for row, column, photos in cells]
        return _json({"shown": list(names[: parts.shown]), "answered": list(names), "cells": found})
    if parts.shown * len(names) > _MOST_CELLS:
        raise OutputError(f"--confusion: {len(names):,} classes are too many for a matrix; .json has no zeros in it")

    def lines() -> Iterator[list[Any]]:
        yield ["truth", *names]
        rows: dict[int, dict[int, int]] = {}
        for row, column, photos in cells:
            rows.setdefault(row, {})[column] = photos
        for row, name in enumerate(names[: parts.shown]):
            yield [name, *(rows.get(row, {}).get(column, 0) for column in range(len(names)))]

    return _csv(lines())


def _reliability(parts: Parts, ending: str) -> bytes:
    if ending in PICTURES:
        return reliability_picture(parts.reliability, parts.ece, ending[1:])
    return _json({"ece": parts.ece, "bins": parts.reliability}) if ending == ".json" else _flat(parts.reliability)


def _coverage(parts: Parts, ending: str) -> bytes:
    if ending in PICTURES:
        return coverage_picture(parts.coverage, ending[1:])
    return _json(list(parts.coverage)) if ending == ".json" else _flat(parts.coverage)


def _flat(rows: Sequence[dict[str, Any]]) -> bytes:
    """Rows as CSV; a share with its limits is three columns."""
    flat = []
    for row in rows:
        cells: dict[str, Any] = {}
        for name, value in row.items():
            if isinstance(value, dict):
                cells |= {name if part == "share" else f"{name}_{part}": number for part, number in value.items()}
            else:
                cells[name] = value
        flat.append(cells)
    return _csv(iter([list(flat[0]) if flat else [], *(list(cells.values()) for cells in flat)]))


def _csv(lines: Iterator[list[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue().encode("utf-8", "backslashreplace")


def _json(document: Any) -> bytes:
    return (json.dumps(document, indent=1) + "\n").encode()
