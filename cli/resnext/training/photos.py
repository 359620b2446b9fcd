"""Where labels are from: the folders that photos lie in, or a table. Gives names alone; nothing is read of a photo."""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from resnext.errors import FailureCode, UsageError
from resnext.records import Failure, Source
from resnext.sources import find
from resnext.sources.config import FolderConfig, SourceConfig
from resnext.sources.folders import is_dir, is_picture, listing, walk
from resnext.sources.skipped import SkippedFiles
from resnext.sources.splits import Split, splits
from resnext.training.labelled import Named

_SHOWN = 5


@dataclass(slots=True)
class FoundPhotos:
    """What was found: photos with the names of their classes by split; what can't be found; what people are told."""

    named: dict[Split, list[Named]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def of(self, split: Split) -> list[Named]:
        return self.named.get(split, [])


def in_folders(root: str, config: FolderConfig, *, nested: bool) -> FoundPhotos:
    """Find photos in folders that are called as their classes; below train/, val/ and test/ where there is a train/.

    `nested`: a folder in the folder of a class is a class too, called a/b; without it its photos are of class a.

    Raises:
        UsageError: it is no folder, or can't be listed.
    """
    found = FoundPhotos()
    parts = splits(root)
    if "train" not in parts:
        found.named["train"] = list(_classes(root, config, found, nested=nested))
    else:
        others = [each.name for each in _folders(root, config) if each.path not in parts.values()]
        if others:
            found.notes.append(f"{root}: {_listed(others)} beside train/ left out")
        for split, folder in parts.items():
            found.named[split] = list(_classes(folder, config, found, nested=nested))
    found.notes += _namesakes({each.name for split in found.named.values() for each in split})
    return found


def in_table(table: str, config: SourceConfig, file_column: str | None, label_column: str | None) -> FoundPhotos:
    """Find the photos that a table lists, with the names that it gives them.

    A relative path is one from the working folder, as in a list of inputs. A row without a label that is of a photo
    which another row names goes by its number, and takes nothing from that photo.

    Raises:
        UsageError: the table can't be read, or lacks a column.
    """
    from resnext.sources.labelled import Labelled, labelled_rows

    found, without_label = FoundPhotos({"train": []}), list[Labelled]()
    for row in labelled_rows(table, file_column, label_column):
        if row.problem:
            without_label.append(row)
            continue
        for item in find([row.file], config):
            if isinstance(item, Failure):
                found.failures.append(item)
            else:
                found.named["train"].append(Named(item, row.name))
    files = {"", *(each.source.file for each in found.named["train"])}
    for row in without_label:
        file = f"{table}:{row.number}" if row.file in files else row.file
        found.failures.append(Failure(Source(file), FailureCode.BAD_ENTRY, row.problem))
    found.notes += _namesakes({each.name for each in found.named["train"]})
    return found


def _classes(root: str, config: FolderConfig, found: FoundPhotos, *, nested: bool) -> Iterator[Named]:
    loose: list[str] = []
    hidden: list[str] = []
    try:
        entries = list(listing(root))
    except OSError as error:
        raise UsageError(f"{root}: can't list this folder: {error.strerror}") from error
    for entry in entries:
        if not is_dir(entry):
            if is_picture(entry.name) and not entry.name.startswith("."):
                loose.append(entry.name)
        elif _is_left_out(entry.name, config):
            hidden.append(entry.name)
        else:
            yield from _class(entry.path, valid_name(entry.name), config, found, nested=nested)
    if loose:
        found.notes.append(f"{root}: {_listed(loose)}: in no folder of a class, left out")
    if hidden:
        found.notes.append(f"{root}: {_listed(hidden)}: hidden or of other programs, left out")


def _class(folder: str, name: str, config: FolderConfig, found: FoundPhotos, *, nested: bool) -> Iterator[Named]:
    below: dict[str, int] = defaultdict(int)  # photos of the folders in the folder of the class
    count = 0
    for item in walk(folder, config, SkippedFiles()):
        if isinstance(item, Failure):
            if item.source.file != folder or item.code != FailureCode.NO_IMAGES:
                found.failures.append(item)
            continue
        inner = Path(os.path.relpath(item.file, folder)).parts[:-1]
        if inner:
            below[inner[0]] += 1
        own = "/".join([name, *map(valid_name, inner)]) if nested else name
        count += 1
        yield Named(item, own)
    if not count:
        found.notes.append(f"{folder}: holds no photo, is no class")
    if below and not nested:
        found.notes.append(
            f"{folder}: the {sum(below.values())} photos in its {_listed(list(below))} count as {name!r};"
            " --nested makes classes of such folders"
        )


def _folders(root: str, config: FolderConfig) -> list[os.DirEntry[str]]:
    try:
        return [each for each in listing(root) if is_dir(each) and not _is_left_out(each.name, config)]
    except OSError as error:
        raise UsageError(f"{root}: can't list this folder: {error.strerror}") from error


def _is_left_out(name: str, config: FolderConfig) -> bool:
    return name in config.excluded_dirs or (name.startswith(".") and not config.include_hidden)


def valid_name(name: str) -> str:
    """The name of a folder as text: bytes that are not UTF-8 are written out."""
    return unicodedata.normalize("NFC", os.fsencode(name).decode(errors="backslashreplace"))


def _namesakes(names: set[str]) -> list[str]:
    """Classes that differ in case or blanks alone: two classes, but hardly meant so."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        alike[" ".join(name.casefold().replace("_", " ").split())].append(name)
    return [f"{_listed(each)} are different classes; is that meant?" for each in alike.values() if len(each) > 1]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
