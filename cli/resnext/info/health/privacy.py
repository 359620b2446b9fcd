"""Takes private names out of what people paste into bug reports: home folder, user name, our own folders."""

import getpass
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from resnext.models.hub import hub_cache_folder


def private_names(cache: Path) -> list[tuple[str, str]]:
    """What must not be seen and what stands in its place, longest first."""
    places = [
        (str(cache), "<cache>"),
        (str(hub_cache_folder()), "<hub cache>"),
        (sys.prefix, "<python>"),
        (str(Path(__file__).resolve().parents[3]), "<project>"),
        (tempfile.gettempdir(), "<tmp>"),
        (str(Path.home()), "~"),
        (os.environ.get("HF_ENDPOINT", ""), "<hub>"),
    ]
    places += [(os.path.realpath(path), mark) for path, mark in places if path.startswith(os.sep)]
    return sorted({place for place in places if len(place[0]) > 1}, key=lambda place: -len(place[0]))


def redacted(value: Any, names: Sequence[tuple[str, str]]) -> Any:
    """The same plain data with every private name replaced, in keys and values alike."""
    if isinstance(value, str):
        for name, mark in names:
            value = value.replace(name, mark)
        return _without_user(value)
    if isinstance(value, dict):
        return {redacted(key, names): redacted(each, names) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(each, names) for each in value]
    return value


def _without_user(text: str) -> str:
    """A user's name is replaced where it stands as a part of a path: elsewhere "root" and "max" are plain words."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # no such user in the system's list, as in many containers
        return text
    return re.sub(rf"(?<=[/\\]){re.escape(user)}(?=[/\\\s:;,)]|$)", "<user>", text)
