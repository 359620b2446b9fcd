"""Quoted patterns: `*`, `?`, `[…]` and `**`, matched lazily in natural order, one folder's listing at a time."""

import os
import re
from collections.abc import Iterator
from fnmatch import translate
from typing import NamedTuple

from resnext.errors import FailureCode
from resnext.records import Failure, Source
from resnext.sources.config import FolderConfig
from resnext.sources.folders import Tree, device, is_dir, is_picture, listing, unlisted
from resnext.sources.skipped import SkippedFiles

_MAGIC = re.compile(r"[*?[]")
_ANY_DEPTH = "**"


def is_pattern(argument: str) -> bool:
    """Whether a name that no file bears holds a wildcard."""
    return _MAGIC.search(argument) is not None


def expand(pattern: str, config: FolderConfig, skipped: SkippedFiles) -> Iterator[str | Failure]:
    """Give the paths that match, files and folders; a pattern that matches nothing as a Failure in its place.

    A pattern with an ending (`*.png`) takes every file that matches; one without (`*`, `IMG_*`) pictures alone, as a
    folder does. A folder that matches is given whole and not searched further, so that nothing comes twice.
    """
    search = _Search(pattern, config, skipped)
    found = False
    searching = [search.first()]  # a tree may be deeper than calls go
    while searching:
        step = next(searching[-1], None)
        if step is None:
            searching.pop()
        elif isinstance(step, _Folder):
            searching.append(search.within(step))
        else:
            found = True
            yield step
    if not found:
        yield Failure(Source(pattern), FailureCode.NO_IMAGES, "nothing matches this pattern")


class _Folder(NamedTuple):
    """A folder to search, and which parts of the pattern its entries may match, by their numbers."""

    path: str
    parts: frozenset[int]


class _Search:
    def __init__(self, pattern: str, config: FolderConfig, skipped: SkippedFiles) -> None:
        self._config, self._skipped = config, skipped
        # The leading part without wildcards is taken as it is: "/photos/2024" of "/photos/2024/**/*.jpg".
        names = pattern.split("/") if os.sep == "/" else re.split(r"[\\/]", pattern)
        literal = next(index for index, name in enumerate(names) if is_pattern(name))
        self._top = "/".join(names[:literal]) or (os.sep if literal else "")
        given = [name for name in names[literal:] if name]
        self._parts = [
            part
            for part, before in zip(given, ["", *given], strict=False)
            if (part, before) != (_ANY_DEPTH, _ANY_DEPTH)
        ]
        self._last = len(self._parts) - 1
        self._matchers = [re.compile(translate(part)).match for part in self._parts]
        # Each ** has a tree of its own: what one has searched, another may still have to.
        self._trees = {number: Tree(config) for number, part in enumerate(self._parts) if part == _ANY_DEPTH}
        self._only_folders = names[-1] == "" and self._last not in self._trees
        self._any_ending = bool(os.path.splitext(self._parts[-1])[1])  # noqa: PTH122

    def first(self) -> Iterator[_Folder | str | Failure]:
        return self.within(_Folder(self._top, self._begun(self._top, {0})))

    def within(self, folder: _Folder) -> Iterator[_Folder | str | Failure]:
        """Give what matches in one folder, and the folders in it that are to be searched, in their order."""
        (first, *more) = folder.parts
        if not more and not is_pattern(self._parts[first]):
            path = os.path.join(folder.path, self._parts[first])  # noqa: PTH118 - names are kept to the byte
            if first == self._last and os.path.lexists(path):
                yield path
            elif first != self._last and os.path.isdir(path):  # noqa: PTH112
                yield _Folder(path, self._begun(path, {first + 1}))
            return
        try:
            entries = listing(folder.path)
        except PermissionError as error:
            yield unlisted(folder.path, error)
            return
        except OSError:  # no such folder, or none: nothing below it matches
            return
        here = device(folder.path)
        for entry in entries:
            path = os.path.join(folder.path, entry.name)  # noqa: PTH118
            if is_dir(entry):
                yield from self._folder(path, entry, folder.parts, here)
            elif not self._only_folders and self._matches(self._last, entry.name, folder.parts):
                if self._any_ending or is_picture(entry.name):
                    yield path
                else:
                    self._skipped.add(entry.name)

    def _folder(
        self, path: str, entry: os.DirEntry[str], parts: frozenset[int], here: int
    ) -> Iterator[_Folder | str | Failure]:
        excluded = entry.name in self._config.excluded_dirs
        matched = {
            number
            for number in parts - self._trees.keys()
            if self._matches(number, entry.name, parts) and not (excluded and is_pattern(self._parts[number]))
        }
        if self._last in matched:
            yield path
            return
        deeper = {
            number
            for number in parts & self._trees.keys()
            if not self._trees[number].leaves_out(entry.name) and self._trees[number].enters(entry, here)
        }
        searched = deeper | {number + 1 for number in deeper if number != self._last}
        behind = self._begun(path, {number + 1 for number in matched} - deeper)
        # What stands in a folder comes before what stands in folders that a ** finds in it; but where another ** is
        # still to come, both could find the same, and are looked for at once.
        if behind and max(self._trees, default=-1) < min(behind):
            yield _Folder(path, behind)
        else:
            searched |= behind
        if searched:
            yield _Folder(path, frozenset(searched))

    def _begun(self, folder: str, parts: set[int]) -> frozenset[int]:
        """Those parts, and where one is ** that begins here, also the part behind it: it may stand for no folder."""
        begun = {number for number in parts if number not in self._trees or self._trees[number].begin(folder)}
        return frozenset(begun | {number + 1 for number in begun if number in self._trees and number != self._last})

    def _matches(self, number: int, name: str, parts: frozenset[int]) -> bool:
        hidden = name.startswith(".") and not (self._config.include_hidden or self._parts[number].startswith("."))
        return number in parts and not hidden and self._matchers[number](name) is not None
