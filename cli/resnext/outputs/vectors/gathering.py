"""Rows and their index while they are written: they can't drift apart, whenever the process dies.

A record is the bytes of its rows, then its line of the index, then the count in the arrays' headers. Whatever a kill
leaves of a record is cut off again: a row without a line, a line without its row.
"""

import sys
from pathlib import Path

from resnext.errors import UsageError
from resnext.outputs.done import DoneInputs
from resnext.outputs.places import HeldFiles
from resnext.outputs.results.growing_rows import GrowingRows
from resnext.outputs.results.stored import foreign
from resnext.outputs.vectors.growing_npy import GrowingArray
from resnext.outputs.vectors.index import index_line, index_lines, index_rows
from resnext.records import Answer, Failure, Features


class Gathering:
    """Arrays by name, growing, and their index. `read_back` where there may be something, `begin`, `write`.

    No row is taken out of an array. With `unfolds` the caller makes new ones where one must go, because its photo has
    changed since (`must_unfold`); without, all from that photo on is done again.
    """

    def __init__(self, arrays: dict[str, Path], index: Path, dtype: str, *, unfolds: bool) -> None:
        self._arrays = {each: GrowingArray(path, dtype) for each, path in arrays.items()}
        self.index = GrowingRows(index, index_rows)
        self._unfolds = unfolds
        self.must_unfold = False
        self._whole = (0, 0)  # rows, and bytes of the index; set in one step, so that an interrupt can't part them

    @property
    def arrays(self) -> dict[str, Path]:
        return {name: each.path for name, each in self._arrays.items()}

    @property
    def paths(self) -> list[Path]:
        return [*self.arrays.values(), self.index.path]

    def holds_rows(self) -> bool:
        """Whether there is anything in them."""
        return any(path.exists() and path.stat().st_size > 0 for path in self.paths)

    def read_back(self, done: DoneInputs) -> None:
        """Note what is done, and which rows stay. Changes nothing.

        Raises:
            UsageError: it was not written by a run; the index is gone, or an array of it.
        """
        index = self.index.old_path or self.index.path
        limit = self._stored_rows(index)
        if not index.exists():
            return
        rows, self.must_unfold = 0, False
        self.index.keep_nothing()
        with index.open("rb") as stream:
            for line in index_lines(stream, index, limit):
                if done.add(line.name, ok=line.row is not None):
                    self.index.keep(line.start, line.end)
                    rows += 1
                elif line.row is not None:
                    self.must_unfold = self._unfolds
                    if not self._unfolds:
                        break
        self._whole = (rows, self.index.size)

    def _stored_rows(self, index: Path) -> int:
        """How many rows all arrays have."""
        stored = []
        for each in self._arrays.values():
            try:
                stored.append(each.stored_rows())
            except FileNotFoundError as error:
                if index.exists() and _names_rows(index):
                    raise gone(each.path, index) from error
                stored.append(0)
            except ValueError as error:
                raise foreign(each.path, "what is in it") from error
        if any(stored) and not index.exists():
            raise gone(index, next(iter(self.arrays.values())))
        return min(stored)

    def begin(self, held: HeldFiles) -> None:
        """Open everything for more records; what need not stay is gone.

        Raises:
            OSError, OutputError: it can't be written; another run is writing it.
        """
        rows = self._whole[0]
        self.index.begin(held)
        self._whole = (rows, self.index.size)
        for each in self._arrays.values():
            each.begin(held.descriptor(each.path), rows)

    def write(self, record: Answer | Failure) -> None:
        """Add one record.

        Raises:
            OSError: the disk is full, or whatever else keeps it from its place; `trim` then takes back its part.
        """
        rows, size = self._whole
        line = index_line(record, rows)
        if not isinstance(record, Features):
            self.index.append(line)
            self._whole = (rows, size + len(line))
            return
        for name, each in self._arrays.items():
            each.append(record.arrays[name])
        self.index.append(line)
        self._whole = (rows + 1, size + len(line))
        for each in self._arrays.values():
            each.count(rows + 1)

    def trim(self) -> None:
        """Take back what was written of a record that is not whole."""
        rows, self.index.size = self._whole
        self.index.trim()
        for each in self._arrays.values():
            each.trim(rows)

    def sync(self) -> None:
        """Wait until the disk has everything."""
        self.index.sync()
        for each in self._arrays.values():
            each.sync()

    def remove(self) -> None:
        """Remove its files, those that are there."""
        for path in self.paths:
            path.unlink(missing_ok=True)


def _names_rows(index: Path) -> bool:
    with index.open("rb") as stream:
        return any(line.row is not None for line in index_lines(stream, index, sys.maxsize))


def gone(missing: Path, left: Path) -> UsageError:
    return UsageError(
        f"{missing}: is gone, and {left.name} tells nothing without it; bring it back, or give another name"
        " or --overwrite"
    )
