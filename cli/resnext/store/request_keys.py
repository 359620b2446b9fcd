"""What was asked of the shelf, as the text under which the store notes which entry answered it."""

import os
import re
from pathlib import Path

from resnext.errors import ModelError
from resnext.models.catalog import ModelName

CLASSIFIER = "classifier"
_FILE_REQUEST = re.compile(r"(?:graph \S+ )?file \S+ (?P<state>\([\d, ]+\)) (?P<path>.+)", re.DOTALL)


def published(name: ModelName, graph: str = CLASSIFIER) -> str:
    """A model with the weights it was published with; `graph` says what is computed."""
    return f"{_prefix(graph)}published {name.timm_name}"


def checkpoint(name: ModelName | None, path: Path, graph: str = CLASSIFIER) -> str:
    """A checkpoint by path and state, so that a changed file is looked at again; hashing it would cost 50 ms.

    `name` None leaves the architecture to the checkpoint.

    Raises:
        ModelError: the file can't be read.
    """
    try:
        state = _state(path)
    except OSError as error:
        raise ModelError(f"{path}: can't read the weights file: {error.strerror}") from error
    return f"{_prefix(graph)}file {name.timm_name if name else 'any'} {state} {os.path.realpath(path)}"


def can_come_again(request: str) -> bool:
    """Whether `request` can be asked again: a checkpoint can't once its file was changed, moved or removed."""
    match = _FILE_REQUEST.fullmatch(request)
    if match is None:
        return re.match(r"(?:graph \S+ )?published ", request) is not None
    try:
        return str(_state(Path(match["path"]))) == match["state"]
    except (OSError, ValueError):
        return False


def _prefix(graph: str) -> str:
    return "" if graph == CLASSIFIER else f"graph {graph} "


def _state(path: Path) -> tuple[int, int, int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
