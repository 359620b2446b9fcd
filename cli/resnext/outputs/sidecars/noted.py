"""What was noted in files: the manifest of an earlier run of `tag`, and the rows of `classify --tags`."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from resnext.disk import open_regular
from resnext.errors import OutputError, UsageError
from resnext.outputs.writers.rows import name_in_row

_LONGEST_LINE = 1 << 20  # bytes; a line of a manifest has some hundred


def check_manifest(path: Path) -> None:
    """Refuse a place for the manifest that holds something else: a photo, a sidecar, rows. An older manifest grows.

    Raises:
        UsageError: it does.
        OutputError: its folder does not exist.
    """
    if not path.parent.is_dir():
        raise OutputError(f"{path}: can't write the manifest: its folder does not exist")
    if not path.exists() or path.is_fifo() or path.is_char_device():
        return
    try:
        with open_regular(path) as file:
            first = file.readline(_LONGEST_LINE)
        if first and "made" not in json.loads(first):
            raise ValueError("no manifest")
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise UsageError(
            f"{path}: exists already and is no manifest of 'resnext tag'; give --manifest another name"
        ) from error


def read_manifest(path: Path) -> dict[str, dict[str, Any]]:
    """The lines of a manifest by the sidecar's path; of several the last.

    Raises:
        UsageError: it can't be read, or is none.
    """
    found: dict[str, dict[str, Any]] = {}
    for number, line in _lines(path):
        try:
            row = json.loads(line)
            texts = [*row["tags"], *row["made"], *(value for values in row["added"].values() for value in values)]
            if not all(isinstance(text, str) for text in texts):
                raise TypeError("not a text")
            found[os.fsdecode(name_in_row(row))] = row
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise UsageError(f"{path}:{number}: not a line of a manifest of 'resnext tag'") from None
    return found


def tagged_rows(path: Path) -> Iterator[tuple[str, str, tuple[tuple[str, ...], ...], dict[str, Any]]]:
    """Give file, status, tags as paths and the row itself for each row of `classify --tags`, as JSON Lines.

    Raises:
        UsageError: it can't be read, or a line is no such row.
    """
    for number, line in _lines(path):
        try:
            row = json.loads(line)
            paths = tuple(tuple(_names(tag["path"])) for tag in row["tags"])
            yield os.fsdecode(name_in_row(row)), str(row["status"]), paths, row
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            message = "not a row of 'resnext classify --tags' as JSON Lines"
            raise UsageError(f"{path}:{number}: {message}") from None


def _names(path: object) -> list[str]:
    if not isinstance(path, list) or not path or not all(isinstance(name, str) and name for name in path):
        raise TypeError("not a path of names")
    return path


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from ((number, line) for number, line in enumerate(file, 1) if line.strip())
    except OSError as error:
        raise UsageError(f"{path}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text") from error
