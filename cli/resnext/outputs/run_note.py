"""The note beside a result file, `<FILE>.run.json`: what its rows were made with.

A run that goes on with the file must have the same settings and the same model, or its rows would not belong together.
Nothing here knows photos: `features` keeps its notes the same way.
"""

import json
import os
import stat
from pathlib import Path
from typing import Any, NamedTuple

from resnext import __version__
from resnext.errors import UsageError

_FORMAT_VERSION = 1
_MAX_BYTES = 1 << 20  # a real one has some hundred; a template may be long


class Settings(NamedTuple):
    """What decides the content of the rows, by the name that people know it by: an option, or "the weights"."""

    command: str
    values: dict[str, str | int | float | bool | None]


def sidecar_of(path: Path) -> Path:
    """Where the note of a result file stands."""
    return path.with_name(f"{path.name}.run.json")


def write_sidecar(path: Path, settings: Settings, *, ended: bool | None = None) -> None:
    """Write the note of the result file `path`, whole or not at all. `ended` says whether its run came to an end.

    Raises:
        OSError: it can't be written.
    """
    note: dict[str, Any] = {
        "version": _FORMAT_VERSION,
        "resnext": __version__,
        "command": settings.command,
        "settings": settings.values,
    }
    if ended is not None:
        note["ended"] = ended
    replace_file(sidecar_of(path), (json.dumps(note, indent=2) + "\n").encode())


def has_ended(path: Path) -> bool:
    """Whether the run that wrote `path` came to an orderly end, as its note says; a killed one did not."""
    try:
        return json.loads(sidecar_of(path).read_bytes())["ended"] is True
    except (OSError, ValueError, KeyError, TypeError):
        return False


def check_sidecar(path: Path, settings: Settings) -> None:
    """Refuse to go on with the rows of `path` if other settings made them.

    Raises:
        UsageError: they did, or nothing says which did.
    """
    sidecar = sidecar_of(path)
    try:
        note = json.loads(_content(sidecar))
        version, command, made_with = note["version"], note["command"], dict(note["settings"])
    except FileNotFoundError as error:
        raise UsageError(
            f"{path}: can't resume: there is no {sidecar.name} beside it to say how it was made;"
            " give another name, or --overwrite"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"{sidecar}: can't resume: it is not readable; give another name, or --overwrite") from error
    if version != _FORMAT_VERSION:
        raise UsageError(f"{sidecar}: can't resume: written by another version of resnext; give another name")
    if command != settings.command:
        raise UsageError(f"{path}: can't resume: it was made by 'resnext {command}'; give another name")
    differences = [
        f"{name} {_shown(made_with.get(name))}, not {_shown(settings.values.get(name))}"
        for name in {**settings.values, **made_with}
        if made_with.get(name) != settings.values.get(name)
    ]
    if differences:
        listed = "; ".join(differences)
        raise UsageError(
            f"{path}: can't resume: it was made with {listed}; give the same, another name, or --overwrite"
        )


def _content(sidecar: Path) -> bytes:
    """The note's bytes. Raises OSError or ValueError for what is no note: a FIFO would block, a device never end."""
    status = sidecar.stat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_BYTES:
        raise ValueError("no note")
    return sidecar.read_bytes()


def replace_file(path: Path, content: bytes) -> None:
    """Write a small file whole or not at all: beside its place, then moved there.

    Raises:
        OSError: it can't be written; what stood there is as it was.
    """
    temporary = path.with_name(f"{path.name}.new")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)
