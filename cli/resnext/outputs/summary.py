"""`--summary-file`: a run in numbers, for scripts."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from resnext.errors import OutputError, UsageError
from resnext.outputs.places import check_apart, replace_file

_MARK = "photos_per_second"


def check_summary_file(path: Path, others: Iterable[tuple[str, Path]] = ()) -> None:
    """Refuse a summary file that can't be, before the run. An older summary is replaced, nothing else is.

    `others` are what the run writes besides, each file as what it is and its path.

    Raises:
        UsageError: something else stands there; it is one of the others.
        OutputError: its folder does not exist.
    """
    check_apart([*others, ("the --summary-file", path)])
    try:
        if not path.is_char_device() and path.exists() and _MARK not in json.loads(path.read_bytes()):
            raise ValueError("no summary")
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise UsageError(
            f"{path}: exists already and is no summary of a run; give --summary-file another name"
        ) from error
    if not path.parent.is_dir():
        raise OutputError(f"{path}: can't write the summary: its folder does not exist")


def write_summary(path: Path, figures: dict[str, Any]) -> None:
    """Write the numbers of a run.

    Raises:
        OutputError: they can't be written.
    """
    try:
        content = (json.dumps(figures, indent=2) + "\n").encode()
        if path.exists() and not path.is_file():
            path.write_bytes(content)
        else:
            replace_file(path, content)
    except OSError as error:
        raise OutputError(f"{path}: can't write the summary: {error.strerror or error}") from error
