"""What `classify` wrote -> answers again: the classes of a photo, from a row of any of its formats."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, NamedTuple

from resnext.records import Label

_MOST_CLASSES = 100_000
_LONGEST = 1000  # characters of a label


class Written(NamedTuple):
    """One photo as a row has it: its classes with their scores, best first; none where it failed or abstained.

    `file` and `exact` are the row's `file` and `file_b64`; `error` is "" where the photo worked.
    """

    number: int
    file: Any
    exact: Any
    model: str
    classes: tuple[tuple[Label, float], ...]
    error: str


class NoRow(ValueError):
    """What was read is no row of `classify`; the text says why."""


def written_rows(rows: Iterable[tuple[int, Any, str]]) -> Iterator[Written]:
    """Give the photos of rows (number, cells, problem), in their order; rows of the long form are put together.

    Raises:
        NoRow: one is none that `classify` writes.
    """
    checked = (_checked(*row) for row in rows)
    # In the long form a photo's classes follow each other; a photo that is there twice begins anew at rank 1.
    place = 0

    def of_photo(row: tuple[int, dict[str, Any]]) -> int:
        nonlocal place
        if str(row[1].get("rank") or 1) == "1":
            place += 1
        return place

    for _, together in groupby(checked, of_photo):
        first, *further = together
        number, cells = first
        classes = [pair for row in (first, *further) for pair in _classes(*row)]
        if [score for _, score in classes] != sorted((score for _, score in classes), reverse=True):
            raise NoRow(f"row {number}: its classes are not the best first")
        error = "" if cells["status"] == "ok" else str(cells.get("error") or "it was not labelled")
        model = str(cells.get("model") or "")
        yield Written(number, cells.get("file"), cells.get("file_b64"), model, tuple(classes), error)


def _checked(number: int, cells: Any, problem: str) -> tuple[int, dict[str, Any]]:
    if problem or not isinstance(cells, dict):
        raise NoRow(f"row {number}: {problem or 'not a row with columns'}")
    if cells.get("status") not in ("ok", "error"):
        raise NoRow(f"row {number}: no 'status' in it, which every row of classify has")
    return number, cells


def _classes(number: int, cells: Mapping[str, Any]) -> list[tuple[Label, float]]:
    """The classes of one row: a list of predictions; one of the long form; or numbered columns."""
    if "predictions" in cells:
        found = cells["predictions"]
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise NoRow(f"row {number}: 'predictions' is no list of classes")
    elif "label" in cells:
        found = [cells] if cells["label"] else []
    elif "label_1" in cells:
        ranks = range(1, 1 + sum(name.startswith("label_") for name in cells))
        found = [
            {key: cells.get(f"{key}_{rank}") for key in ("label", "score", "index", "synset")}
            for rank in ranks
            if cells.get(f"label_{rank}")
        ]
    else:
        raise NoRow(f"row {number}: no predictions in it")
    return [_class(number, each) for each in found]


def _class(number: int, cells: Mapping[str, Any]) -> tuple[Label, float]:
    try:
        index, score = int(cells["index"]), float(cells["score"])
        name, synset = cells["label"], cells.get("synset") or None
        if not isinstance(name, str) or not isinstance(synset, str | None) or not 0 <= index < _MOST_CLASSES:
            raise TypeError
        if score != score or len(name) > _LONGEST:
            raise ValueError
    except (KeyError, TypeError, ValueError, OverflowError):
        raise NoRow(f"row {number}: a class without label, score and index") from None
    return Label(index, name, name, synset), score
