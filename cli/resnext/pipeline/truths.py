"""What photos show, by their names: from the folders that they lie in, or from a table."""

import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from resnext.answers.real_labels import RealLabels
from resnext.answers.truth import Names
from resnext.disk import open_regular
from resnext.errors import FailureCode, InputError, UsageError
from resnext.outputs.done import DIGEST_BYTES, name_digest
from resnext.outputs.writers.rows import exact_name, valid_text
from resnext.records import Label, Source
from resnext.sources.config import FolderConfig
from resnext.sources.folders import Tree, is_dir, walk
from resnext.sources.labelled import labelled_rows
from resnext.sources.skipped import SkippedFiles
from resnext.sources.splits import splits

MOST_NAMES = 100_000
MOST_ROWS = 20_000_000  # 400 MB
_TWO_NAMES = 0xFFFFFFFF
# The classes of a name that no class bears: none of the model's is right.
NO_CLASS = (-1,)


class Truth(Protocol):
    """Says what photos show."""

    def of_classes(self, names: Iterable[str]) -> "Truth":
        """The same for a model with classes of these names."""

    def names(self) -> Iterator[str]:
        """Every name that may come, each once."""

    def of(self, file: str) -> str:
        """The name of what a file shows.

        Raises:
            InputError: nothing says what.
        """


class FolderTruth:
    """What a photo shows is the name of the folder below the one that was named; `nested`: with those in it, as a/b."""

    def __init__(self, folders: Sequence[str], config: FolderConfig, *, nested: bool = False) -> None:
        self._folders, self._config, self._nested = folders, config, nested

    def of_classes(self, names: Iterable[str]) -> "FolderTruth":
        """The same for a model of these classes: nested where one is called a/b."""
        return FolderTruth(self._folders, self._config, nested=any("/" in name for name in names))

    def names(self) -> Iterator[str]:
        """The names of the folders that hold a picture: an empty one, or one of notes, is no class."""
        found = set[str]()
        for path in self._paths():
            pictures = (item for item in walk(path, self._config, SkippedFiles()) if isinstance(item, Source))
            # Of a folder that is a class with all that is in it one picture is enough.
            for picture in pictures if self._nested else islice(pictures, 1):
                name = self.of(picture.file)
                if name not in found:
                    found.add(name)
                    yield name

    def of(self, file: str) -> str:
        """The name of what a file shows.

        Raises:
            InputError: it lies in no folder below those that were named.
        """
        for folder in self._folders:
            *folders, _ = Path(os.path.relpath(file, folder)).parts
            if folders and folders[0] not in (os.pardir, os.curdir):
                return valid_text("/".join(folders) if self._nested else folders[0])
        raise InputError(FailureCode.BAD_ENTRY, "it lies in no folder that says what it shows")

    def _paths(self) -> Iterator[str]:
        for folder in self._folders:
            with os.scandir(folder) as entries:
                below = sorted((entry.name, entry.path) for entry in entries if is_dir(entry))
            yield from (path for name, path in below if not Tree(self._config).leaves_out(name))


class ListedTruth:
    """What a table says of each file: 20 bytes a row, however long the names.

    A file is looked for by its whole path, then by its path below one of `folders`. `silent` rows say nothing.

    Raises:
        UsageError: it can't be read, says nothing at all, or has too many names or rows.
    """

    def __init__(self, table: Path, file_column: str | None, label_column: str | None, folders: Sequence[str]) -> None:
        self._folders = folders
        self._names: dict[str, int] = {}
        self.silent, self.first_silent = 0, ""
        digests, numbers = bytearray(), array("I")
        _check_file(table)
        for row in labelled_rows(str(table), file_column, label_column):
            if row.problem:
                self.silent += 1
                self.first_silent = self.first_silent or f"row {row.number}: {row.problem}"
                continue
            digests += name_digest(exact_name(row.file))
            numbers.append(self._names.setdefault(row.name, len(self._names)))
            if len(self._names) > MOST_NAMES:
                raise UsageError(f"--truth {table}: more than {MOST_NAMES:,} different names; which column has them?")
            if len(numbers) > MOST_ROWS:
                raise UsageError(f"--truth {table}: more than {MOST_ROWS:,} rows; cut it into parts")
        if not numbers:
            raise UsageError(f"--truth {table}: {self.first_silent or 'it has no rows'}")
        self._listed = list(self._names)
        self._digests, self._numbers = _sorted(digests, numbers)

    def of_classes(self, names: Iterable[str]) -> "ListedTruth":
        """The same: a table says what it says."""
        return self

    def names(self) -> Iterator[str]:
        """The names of the table, each once."""
        return iter(self._names)

    def of(self, file: str) -> str:
        """The name of what a file shows.

        Raises:
            InputError: no row is of this file, or several say different things.
        """
        for name in self._spellings(file):
            digest = name_digest(exact_name(name)).rstrip(b"\0")  # as numpy gives them back
            place = int(self._digests.searchsorted(digest))
            if place < len(self._digests) and self._digests[place] == digest:
                number = int(self._numbers[place])
                if number == _TWO_NAMES:
                    raise InputError(FailureCode.BAD_ENTRY, "the list says two different things of it")
                return self._listed[number]
        raise InputError(FailureCode.BAD_ENTRY, "the list does not say what it shows")

    def _spellings(self, file: str) -> Iterator[str]:
        whole = file.partition("#frame=")[0]
        yield from dict.fromkeys((file, whole))
        for folder in self._folders:
            below = os.path.relpath(whole, folder)
            if not below.startswith(os.pardir):
                yield below


class Right:
    """The classes that are right of a photo, and the name of what it shows.

    `truth` None: what ReaL says of ImageNet's validation photos. With `lenient` a name that nothing bears is right
    nowhere, and `unknown` has it once it came.

    Raises:
        UsageError: a name is none of the model's; ReaL's labels can't be had, or are of other classes.
    """

    def __init__(self, truth: Truth | None, labels: Sequence[Label], names: Names, *, lenient: bool = False) -> None:
        self._truth = truth and truth.of_classes(label.name for label in labels)
        self._labels, self._names, self._lenient = labels, names, lenient
        self._real = RealLabels(labels) if truth is None else None
        self._classes = names.all_of(self._truth.names()) if self._truth and not lenient else {}
        self.unknown: list[str] = []

    def of(self, file: str) -> tuple[str, tuple[int, ...]] | None:
        """What a file shows, and the classes that are then right; None where ReaL's judges agreed on none.

        Raises:
            InputError: nothing says what.
        """
        if self._truth is None:
            return self._by_real(file)
        name = self._truth.of(file)
        if name not in self._classes:
            found = self._names.find(name)
            if found is None and not self._lenient:  # a folder that was made meanwhile
                raise InputError(FailureCode.BAD_ENTRY, f"{name!r} is no class of the model")
            if found is None:
                self.unknown.append(name)
            self._classes[name] = NO_CLASS if found is None else found
        return name, self._classes[name]

    def _by_real(self, file: str) -> tuple[str, tuple[int, ...]] | None:
        assert self._real is not None
        classes = self._real.of(file)
        if classes is None:
            raise InputError(FailureCode.BAD_ENTRY, "not called as ImageNet's validation photos are")
        return (" or ".join(self._labels[each].name for each in classes), classes) if classes else None


def evaluated_folders(folders: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """The folders that hold a folder a class: of train/, val/ and test/ the last that is there; and what to say of it.

    Raises:
        UsageError: there are only photos to train on.
    """
    found, notes = list[str](), list[str]()
    for folder in folders:
        parts = splits(folder)
        if "test" in parts or "val" in parts:
            chosen = parts["test"] if "test" in parts else parts["val"]
            notes.append(f"{folder}: evaluating {chosen}")
            found.append(chosen)
        elif parts:
            raise UsageError(
                f"{folder}: holds nothing but {parts['train']}, and a model is right on what it was trained on; to"
                " evaluate that all the same, name it"
            )
        else:
            found.append(folder)
    return tuple(found), notes


def _sorted(digests: bytearray, numbers: "array[int]") -> tuple[NDArray[np.bytes_], NDArray[np.uint32]]:
    """Digests in their order, each once, and what each says; two different things are marked."""
    found = np.frombuffer(digests, dtype=f"S{DIGEST_BYTES}")
    order = np.argsort(found, kind="stable")
    found, said = found[order], np.frombuffer(numbers, dtype=np.uint32)[order]
    firsts = np.flatnonzero(np.concatenate([[True], found[1:] != found[:-1]]))
    lowest, highest = np.minimum.reduceat(said, firsts), np.maximum.reduceat(said, firsts)
    return found[firsts], np.where(lowest == highest, lowest, _TWO_NAMES).astype(np.uint32)


def _check_file(table: Path) -> None:
    """Refuse what is no file: a FIFO would block, a device never end, and a list of inputs is read twice."""
    try:
        with open_regular(table):
            pass
    except OSError as error:
        raise UsageError(f"--truth {table}: {error.strerror}") from error
