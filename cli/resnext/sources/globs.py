"""Quoted patterns: `*`, `?`, `[…]` and `**`, matched lazily in natural order, one folder's listing at a time."""

import os
import re
from collections.abc import Iterator
from fnmatch import translate

from resnext.errors import FailureCode
from resnext.records import Failure, Source
from resnext.sources.config import FolderConfig
from resnext.sources.folders import is_dir, is_picture, natural_key

_MAGIC = re.compile(r"[*?[]")
_ANY_DEPTH = "**"
_Identity = tuple[int, int]


def is_pattern(argument: str) -> bool:
    """Whether a name that no file bears holds a wildcard."""
    return _MAGIC.search(argument) is not None


def expand(pattern: str, config: FolderConfig) -> Iterator[str | Failure]:
    """Give the paths that match, files and folders; a pattern that matches nothing as a Failure in its place.

    A pattern with an ending (`*.png`) takes every file that matches; one without (`*`, `IMG_*`) pictures alone, as a
    folder does. A folder that matches is given whole and not searched further, so that nothing comes twice.
    """
    found = False
    for match in _Search(pattern, config).run():
        found = True
        yield match
    if not found:
        yield Failure(Source(pattern), FailureCode.NO_IMAGES, "nothing matches this pattern")


class _Search:
    def __init__(self, pattern: str, config: FolderConfig) -> None:
        self._config = config
        # The leading part without wildcards is taken as it is: "/photos/2024" of "/photos/2024/**/*.jpg".
        parts = pattern.split("/") if os.sep == "/" else re.split(r"[\\/]", pattern)
        literal = next(index for index, part in enumerate(parts) if is_pattern(part))
        self._root = "/".join(parts[:literal])
        if literal and not self._root:
            self._root = os.sep
        given = [part for part in parts[literal:] if part]
        self._parts = [
            part for part, before in zip(given, ["", *given], strict=False) if (part, before) != ("**", "**")
        ]
        self._only_folders = parts[-1] == ""
        self._any_ending = bool(os.path.splitext(self._parts[-1])[1])  # noqa: PTH122

    def run(self) -> Iterator[str | Failure]:
        return self._match(self._root, 0, ())

    def _match(self, folder: str, depth: int, ancestors: tuple[_Identity, ...]) -> Iterator[str | Failure]:
        """Match the parts from `depth` on below `folder` ("" is the working directory)."""
        part = self._parts[depth]
        last = depth == len(self._parts) - 1
        if not is_pattern(part):
            path = os.path.join(folder, part)  # noqa: PTH118 - names are kept to the byte
            if last and os.path.lexists(path):
                yield path
            elif not last and os.path.isdir(path):  # noqa: PTH112
                yield from self._match(path, depth + 1, ancestors)
            return
        any_depth = part == _ANY_DEPTH
        if any_depth:
            identity = _identity(folder)
            if identity is None or identity in ancestors:
                return  # a symbolic link back to a folder that is being searched
            ancestors = (*ancestors, identity)
        # What follows a ** is matched here, and again in every folder below; a ** at the end takes all files.
        following = depth + 1 if any_depth and not last else depth
        pattern = self._parts[following]
        at_end = following == len(self._parts) - 1
        matches = re.compile(translate(pattern)).match
        entries = self._entries(folder, pattern)
        if isinstance(entries, Failure):
            yield entries
            return
        for entry in entries:
            path = os.path.join(folder, entry.name)  # noqa: PTH118
            matched = matches(entry.name) is not None
            if not is_dir(entry):
                if matched and at_end and not self._only_folders and (self._any_ending or is_picture(entry.name)):
                    yield path
                continue
            if entry.name in self._config.excluded_dirs and is_pattern(pattern):
                continue
            descends = any_depth and not self._is_left_out(entry.name)
            if matched and at_end and pattern != _ANY_DEPTH:
                yield path
                continue
            if matched and not at_end:
                yield from self._match(path, following + 1, ancestors)
                descends = descends and self._parts[following + 1] != _ANY_DEPTH  # that has just looked there
            if descends:
                yield from self._match(path, depth, ancestors)

    def _entries(self, folder: str, pattern: str) -> "list[os.DirEntry[str]] | Failure":
        try:
            with os.scandir(folder or os.curdir) as listing:
                names_may_be_hidden = self._config.include_hidden or pattern.startswith(".")
                return sorted(
                    (entry for entry in listing if names_may_be_hidden or not entry.name.startswith(".")),
                    key=lambda entry: natural_key(entry.name),
                )
        except PermissionError:
            return Failure(Source(folder), FailureCode.PERMISSION, "no permission to list this folder")
        except OSError:  # no such folder, or none: nothing below it matches
            return []

    def _is_left_out(self, name: str) -> bool:
        return name in self._config.excluded_dirs or (name.startswith(".") and not self._config.include_hidden)


def _identity(folder: str) -> _Identity | None:
    try:
        status = os.stat(folder or os.curdir)  # noqa: PTH116
    except OSError:
        return None
    return status.st_dev, status.st_ino
