"""The note beside a result, `<FILE>.run.json`: what its rows were made with, and when the last run began.

A run that goes on with a result must have the same settings and the same model, or its rows would not belong together.
"""

import json
import os
import stat
from pathlib import Path
from typing import Any, Literal, NamedTuple

from resnext import __version__
from resnext.errors import UsageError
from resnext.outputs.places import replace_file

_FORMAT_VERSION = 2
_MAX_BYTES = 1 << 20  # a real one has some hundred; a template may be long

# Of parts: nothing in them counts yet; they grow; they are complete and only have to take their places.
State = Literal["begun", "growing", "ended"]


Values = dict[str, str | int | float | bool | None]


class Settings(NamedTuple):
    """What decides the content of the rows, by the name that people know it by: an option, or "the weights"."""

    command: str
    values: Values


class RunNote(NamedTuple):
    """`began`: when the last run began, in seconds since 1970; a photo that changed later is done again."""

    settings: Settings
    state: State = "growing"
    began: float = 0.0
    version: int = _FORMAT_VERSION


def note_of(path: Path) -> Path:
    """The path of the note of a result file."""
    return path.with_name(f"{path.name}.run.json")


def write_note(path: Path, note: RunNote) -> None:
    """Write the note of the result file `path`, whole or not at all.

    Raises:
        OSError: it can't be written.
    """
    content: dict[str, Any] = {
        "version": note.version,
        "resnext": __version__,
        "command": note.settings.command,
        "settings": note.settings.values,
        "state": note.state,
        "began": note.began,
    }
    replace_file(note_of(path), (json.dumps(content, indent=2) + "\n").encode())


def read_note(path: Path) -> RunNote | None:
    """Give the note of the result file `path`, None where there is none.

    Raises:
        UsageError: what stands there is no note.
    """
    try:
        content = json.loads(_content(note_of(path)))
        version, command, values = content["version"], content["command"], dict(content["settings"])
        state: State = content.get("state", "ended" if content.get("ended") is True else "growing")
        if not isinstance(command, str) or state not in ("begun", "growing", "ended"):
            raise ValueError("no note")
        if version == 1:  # which told how an option was understood
            values["--frames"] = values.get("--frames") or "all"
            values["--precision"] = "auto" if values.get("--exact") else values.get("--precision")
        return RunNote(Settings(command, values), state, float(content.get("began", 0)), version)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise UsageError(
            f"{note_of(path)}: can't resume: it is not readable; give another name, or --overwrite"
        ) from error


def check_note(path: Path, note: RunNote | None, settings: Settings, *, versions: tuple[int, ...] = ()) -> RunNote:
    """Refuse to continue the rows of `path` if other settings made them; give the note.

    `versions` are those of earlier notes that are understood.

    Raises:
        UsageError: they did, or nothing says which did.
    """
    if note is None:
        raise UsageError(
            f"{path}: can't resume: there is no {note_of(path).name} beside it to say how it was made;"
            " give another name, or --overwrite"
        )
    if note.version not in (_FORMAT_VERSION, *versions):
        raise UsageError(
            f"{note_of(path)}: can't resume: written by another version of resnext; give another name, or --overwrite"
        )
    if note.settings.command != settings.command:
        raise UsageError(f"{path}: can't resume: it was made by 'resnext {note.settings.command}'; give another name")
    refuse_other(str(path), note.settings.values, settings.values)
    return note


def refuse_other(result: str, then: Values, now: Values) -> None:
    """Refuse to go on with a result whose rows were made with other settings.

    Raises:
        UsageError: they were; it says which.
    """
    differences = [_difference(name, then.get(name), now.get(name)) for name in {**now, **then}]
    if listed := "; ".join(filter(None, differences)):
        raise UsageError(
            f"{result}: can't resume: it was made otherwise: {listed}; give the same, another name, or --overwrite"
        )


def model_in_note(path: Path) -> str | None:
    """The model that the rows of `path` were made with, also those of an unfinished run; None if nothing tells."""
    path = Path(os.path.realpath(path))
    for each in (path.with_name(f"{path.name}.part"), path):
        try:
            note = read_note(each)
        except UsageError:
            continue
        model = note.settings.values.get("--model") if note is not None and note.state != "begun" else None
        if isinstance(model, str) and model:
            return model
    return None


def _difference(name: str, then: Any, now: Any) -> str:
    """How a setting differs, in the words of a command line; empty if it does not."""
    if then == now:
        return ""
    if now is None or now is False:
        return f"{name}{'' if then is True else _shown(then)} was given then"
    if then is None or then is False:
        return f"{name} was not given then"
    return f"other {name}" if _is_digest(then) else f"{name}{_shown(then)}, not{_shown(now)}"


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("sha256:")


def _shown(value: Any) -> str:
    return "" if _is_digest(value) else f" {value}"


def _content(note: Path) -> bytes:
    """The note's bytes. Raises OSError or ValueError for what is no note: a FIFO would block, a device never end."""
    status = note.stat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_BYTES:
        raise ValueError("no note")
    return note.read_bytes()
