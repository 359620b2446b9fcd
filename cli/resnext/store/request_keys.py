"""What was asked of the shelf, as the text under which the store notes which entry answered it."""

import os
import re
from pathlib import Path

from resnext.errors import ModelError
from resnext.models.catalog import CONFIG_FILENAME, OWN_WEIGHTS, ModelName

CLASSIFIER = "classifier"
_STATE = r"\([\d, ]+\)"
_REQUEST = re.compile(
    rf"(?:graph \S+ )?(?:size \S+ )?(?:published .+|(?:file \S+|folder) (?P<state>{_STATE}) (?P<path>.+))", re.DOTALL
)


def published(name: ModelName, graph: str = CLASSIFIER, size: str = "") -> str:
    """A model with the weights it was published with; `graph` says what is computed, `size` of how many pixels.

    `size` is empty for the model's own.
    """
    return f"{_prefix(graph, size)}published {name.timm_name or name.name}"


def checkpoint(name: ModelName | None, path: Path, graph: str = CLASSIFIER, size: str = "") -> str:
    """A checkpoint by path and state, so that a changed file is read again; hashing it would cost 50 ms.

    `name` None leaves the architecture to the checkpoint.

    Raises:
        ModelError: the file can't be read.
    """
    try:
        state = _state(path)
    except OSError as error:
        raise ModelError(f"{path}: can't read the weights file: {error.strerror}") from error
    return f"{_prefix(graph, size)}file {name.timm_name if name else 'any'} {state} {os.path.realpath(path)}"


def folder(path: Path, graph: str = CLASSIFIER, size: str = "") -> str:
    """A model's folder by its path and the state of all files that may be its configuration and weights.

    Raises:
        ModelError: there is no such folder.
    """
    try:
        state = _state_of_folder(path)
    except OSError as error:
        raise ModelError(
            f"{path}: can't read this folder of a model: {error.strerror};"
            " a model of the hub is called hf-hub:OWNER/NAME"
        ) from error
    return f"{_prefix(graph, size)}folder {state} {os.path.realpath(path)}"


def can_come_again(request: str) -> bool:
    """Whether `request` can be asked again: a checkpoint can't once its file was changed, moved or removed."""
    match = _REQUEST.fullmatch(request)
    if match is None or match["path"] is None:
        return match is not None
    path = Path(match["path"])
    try:
        return str(_state_of_folder(path) if path.is_dir() else _state(path)) == match["state"]
    except (OSError, ValueError):
        return False


def _prefix(graph: str, size: str) -> str:
    return ("" if graph == CLASSIFIER else f"graph {graph} ") + (f"size {size} " if size else "")


def _state(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _state_of_folder(path: Path) -> tuple[int, ...]:
    with os.scandir(path) as entries:
        names = sorted(entry.name for entry in entries)
    files = [path / name for name in names if name == CONFIG_FILENAME or name in OWN_WEIGHTS]
    return tuple(number for file in files for number in _state(file))
