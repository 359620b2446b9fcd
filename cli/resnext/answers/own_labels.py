"""`--labels FILE`: class names from a user's file, in place of those of the model (ImageNet's: imagenet_labels)."""

import json
import re
from pathlib import Path
from typing import Any

from resnext.disk import read_regular
from resnext.errors import UsageError
from resnext.records import Label

_MAX_BYTES = 64 << 20
# What was meant as JSON, sound or not; a label may begin with a bracket too.
_JSON = re.compile(r"""\s*(?:\[\s*["'\[{\]]|\{\s*["'}])""")


def read_labels(path: Path, num_classes: int) -> tuple[Label, ...]:
    """Read one label a class: a text file with a line each, or JSON: a list, or an object {"0": label, …}.

    Raises:
        UsageError: it can't be read, or does not name each of the model's classes.
    """
    try:
        text = read_regular(path, _MAX_BYTES).decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise UsageError(f"{path}: can't read the labels: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: the labels are not UTF-8 text") from error
    names = _from_json(path, text) if _JSON.match(text) else _from_lines(text)
    if len(names) != num_classes:
        raise UsageError(f"{path}: {len(names)} labels, but the model has {num_classes} classes")
    return tuple(Label(index, name, name) for index, name in enumerate(names))


def _from_lines(text: str) -> list[str]:
    lines = text.split("\n")  # not splitlines(): a label may hold other separators
    while lines and not lines[-1].strip():
        lines.pop()
    return [line.strip() for line in lines]


def _from_json(path: Path, text: str) -> list[str]:
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: the labels are not valid JSON") from error
    if isinstance(data, dict):
        if set(data) != {str(index) for index in range(len(data))}:
            raise UsageError(f"{path}: the keys of a JSON object of labels are the class indices, from 0 on")
        data = [data[str(index)] for index in range(len(data))]
    if not isinstance(data, list) or not all(isinstance(name, str) for name in data):
        raise UsageError(f"{path}: labels are text: a JSON list of strings, or an object of index and string")
    return data
