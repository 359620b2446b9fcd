"""Tables that say what photos show: a column of files, and one of names. Rows of `classify` are such a table too."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from resnext.errors import UsageError
from resnext.sources.lists import named
from resnext.sources.tables import EXACT_COLUMN, FILE_COLUMN, MAX_ROW_BYTES, file_rows

LABEL_COLUMN = "label"
_SHOWN = 40  # characters of a column in a message
_LONGEST_NAME = 1000  # characters; what is longer is no name of a class
# What classify calls its best class, by the form of its rows: a synset, where it has one, is told from its namesakes.
_BEST = ("synset_1", "label_1")
_PREDICTIONS = "predictions"
_LONG = ("rank", "synset", "label")  # a row a class, the best first


class Labelled(NamedTuple):
    """One photo and the name of what it shows. `problem`: why the row of this number does not say it; else ""."""

    number: int
    file: str
    name: str
    problem: str = ""


def labelled_rows(table: str, file_column: str | None = None, label_column: str | None = None) -> Iterator[Labelled]:
    """Give the rows of a CSV, TSV, JSON Lines or Parquet file, in its order.

    Without `file_column` the names stand under `file` (their exact bytes under `file_b64`, if that is there); without
    `label_column` the labels stand under `label`, or are the best classes of what classify wrote.

    Raises:
        UsageError: it can't be read, or lacks such a column.
    """
    reading = _Reading(table, file_column, label_column)
    for number, cells, problem in file_rows(table, reading.choose, MAX_ROW_BYTES):
        if problem:
            yield Labelled(number, "", "", problem)
        elif (row := reading.row(number, cells)) is not None:
            yield row


class _Reading:
    """How one table is read: which of its columns say what."""

    def __init__(self, table: str, file_column: str | None, label_column: str | None) -> None:
        self._table = table
        self._file, self._label = file_column or FILE_COLUMN, label_column or LABEL_COLUMN
        self._exact = file_column is None
        self._by_default = label_column is None

    def choose(self, columns: Sequence[str]) -> list[str]:
        if self._file not in columns:
            raise UsageError(f"{self._table}: no column {self._file!r} of files; it has {_listed(columns)}")
        chosen = [self._file, *([EXACT_COLUMN] if self._exact and EXACT_COLUMN in columns else [])]
        if not self._by_default or self._label in columns:
            if self._label not in columns:
                raise UsageError(f"{self._table}: no column {self._label!r} of labels; it has {_listed(columns)}")
            extra = [each for each in _LONG if each in columns] if self._by_default and "rank" in columns else []
            return list(dict.fromkeys([*chosen, self._label, *extra]))
        written = [each for each in (*_BEST, _PREDICTIONS) if each in columns]
        if not written:
            raise UsageError(f"{self._table}: no column {self._label!r} of labels; it has {_listed(columns)}")
        return [*chosen, *written]

    def row(self, number: int, cells: Any) -> Labelled | None:
        """One row; None for the further classes of a photo in the long form."""
        if not isinstance(cells, dict):
            return Labelled(number, "", "", "not a row with columns")
        file = named(cells.get(self._file), cells.get(EXACT_COLUMN) if self._exact else None)
        if file is None:
            return Labelled(number, "", "", f"no name of a file under {self._file!r}")
        name = self._name(cells)
        if name is None:
            return None
        if not name.strip() or len(name) > _LONGEST_NAME:
            return Labelled(number, file, "", f"no label under {self._label!r}")
        return Labelled(number, file, name.strip())

    def _name(self, cells: dict[str, Any]) -> str | None:
        """The name of what a photo shows, "" where the row does not say; None for a class that is not the best."""
        if not self._by_default:
            return _text(cells.get(self._label))
        if "rank" in cells and self._label in cells:
            if str(cells["rank"] or 1) != "1":
                return None
            return _text(cells.get("synset")) or _text(cells.get(self._label))
        if self._label in cells:
            return _text(cells[self._label])
        predictions = cells.get(_PREDICTIONS)
        if isinstance(predictions, list):
            best = predictions[0] if predictions and isinstance(predictions[0], dict) else {}
            return _text(best.get("synset")) or _text(best.get("label"))
        return next(filter(None, (_text(cells.get(each)) for each in _BEST)), "")


def _text(value: object) -> str:
    """A label as text; tables of other programs hold numbers of classes as numbers."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    try:
        str(value).encode()
    except (UnicodeEncodeError, ValueError):  # half of a pair of surrogates; more digits than Python writes
        return ""
    return str(value)


def _listed(columns: Sequence[str]) -> str:
    more = f" and {len(columns) - 20} more" if len(columns) > 20 else ""
    return ", ".join(name[:_SHOWN] for name in columns[:20]) + more
