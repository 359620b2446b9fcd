"""Rows of `tag`: what became of the sidecar of each photo."""

import json
from typing import Any, TextIO

from resnext.console.terminal import printable
from resnext.outputs.writers.rows import error_keys, file_keys, valid_text
from resnext.records import Classified, Failure, SidecarChange


class SidecarWriter:
    """JSON Lines, a row a photo; or `for_people`, a line of what was added (+) and taken away (-)."""

    def __init__(self, stream: TextIO, *, for_people: bool) -> None:
        self._stream, self._for_people = stream, for_people

    def begin(self) -> None:
        return

    def write(self, record: Classified | Failure) -> None:
        if self._for_people:
            self._stream.write(f"{printable(record.source.file)}  {_in_words(record)}\n")
        else:
            self._stream.write(json.dumps(_row(record), allow_nan=False) + "\n")

    def end(self) -> None:
        return


def _row(record: Classified | Failure) -> dict[str, Any]:
    change = _change(record)
    return {
        **file_keys(record.source.file),
        "status": "error" if isinstance(record, Failure) else "ok",
        "sidecar": file_keys(change.sidecar)["file"],
        "added": [valid_text(each) for each in change.added],
        "kept": [valid_text(each) for each in change.kept],
        "removed": [valid_text(each) for each in change.removed],
        **error_keys(record),
    }


def _in_words(record: Classified | Failure) -> str:
    if isinstance(record, Failure):
        return f"{record.code}: {printable(record.message)}"
    change = _change(record)
    marked = [*(f"+ {each}" for each in change.added), *(f"- {each}" for each in change.removed)]
    return ", ".join(printable(each) for each in marked) or "nothing to change"


def _change(record: Classified | Failure) -> SidecarChange:
    found = None if isinstance(record, Failure) else record.sidecar
    return found or SidecarChange("")
