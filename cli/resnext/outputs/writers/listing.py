"""`--dry-run`: the inputs themselves as lines."""

import re

from resnext.console.terminal import printable
from resnext.outputs.writers.lines import json_line
from resnext.outputs.writers.rows import error_keys, exact_name, file_keys
from resnext.records import Failure, Source

_CONTROL = re.compile("[\x00-\x1f\x7f]")


def listed(item: Source | Failure, *, as_json: bool, terminal: bool) -> bytes:
    """One input as a line: JSON, or its exact name where that fits a line and no terminal reads it."""
    file = (item.source if isinstance(item, Failure) else item).file
    if as_json:
        return f"{json_line({**file_keys(file), **error_keys(item)}, terminal=terminal)}\n".encode()
    if terminal:
        return f"{printable(file)}\n".encode()
    return exact_name(_CONTROL.sub(lambda match: printable(match[0]), file)) + b"\n"
