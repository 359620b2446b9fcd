"""Writes tags of photos into sidecars, and removes them; notes each change in a manifest where one is asked for."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from resnext.errors import FailureCode, InputError, OutputError, UsageError
from resnext.outputs.sidecars.edit import Edited, with_tags, without_tags, without_values
from resnext.outputs.sidecars.files import SidecarFile
from resnext.outputs.sidecars.keywords import Wish
from resnext.outputs.sidecars.naming import ENDING, Namer, Naming
from resnext.outputs.sidecars.packet import OURS, lenient_lists
from resnext.outputs.writers.rows import file_keys
from resnext.records import SidecarChange

Lists = Mapping[str, Sequence[str]]


class SidecarRequest(NamedTuple):
    """How tags are written. `root`: the branch under which they stand, or ""; `flat`: also as plain keywords."""

    root: str = "auto"
    flat: bool = True
    naming: Naming = "auto"
    dry_run: bool = False
    manifest: Path | None = None


class Sidecars:
    """Writes tags of photos into their sidecars."""

    def __init__(self, request: SidecarRequest, embedded: Callable[[str], Lists]) -> None:
        """`embedded` gives the keywords inside a photo, by the names of the lists of a packet."""
        self._request, self._embedded = request, embedded
        self._namer = Namer(request.naming)

    def tag(self, photo: str, paths: Sequence[tuple[str, ...]]) -> SidecarChange:
        """Give a photo's sidecar these tags, in place of those of an earlier run; without any, take those away.

        Raises:
            InputError: the sidecar can't be edited safely, or can't be written.
        """
        try:
            path = self._namer.sidecar_of(photo)
        except OSError as error:
            raise InputError(FailureCode.READ_ERROR, f"can't read its folder: {error.strerror}") from None
        file = SidecarFile(path)
        if not paths and file.data is None:
            return SidecarChange("")
        wish = Wish(tuple(paths), self._request.root, self._request.flat)
        edited = with_tags(file.data, wish, self._seen_before(photo, file))
        if not self._request.dry_run and edited.data != file.data:
            self._note(photo, path, edited)
            file.replace(edited.data)
        there = edited.data is not None or self._request.dry_run
        return SidecarChange(str(path) if there else "", edited.added, edited.kept, edited.removed)

    def _seen_before(self, photo: str, file: SidecarFile) -> Lists:
        """The keywords that a new sidecar would hide: the photo's own, or those of a sidecar that it shares."""
        inside = self._embedded(photo)
        _, shared = Namer.candidates(photo)
        if shared == file.path or not os.path.lexists(shared):
            return inside
        is_new = file.data is None or without_tags(file.data).data is None
        beside = SidecarFile(shared).data if is_new else None
        return inside if beside is None else {**inside, **lenient_lists(beside)}

    def _note(self, photo: str, path: Path, edited: Edited) -> None:
        """Note in the manifest what will be put in; before it is, so that a kill leaves no sidecar without its line."""
        if self._request.manifest is None or edited.record is None:
            return
        record = edited.record
        line = {
            **file_keys(str(path.absolute())),
            "photo": file_keys(photo)["file"],
            "tags": record.tags,
            "added": record.added,
            "made": record.made,
        }
        try:
            with self._request.manifest.open("a", encoding="utf-8") as manifest:
                manifest.write(json.dumps(line) + "\n")
        except OSError as error:
            raise OutputError(f"{self._request.manifest}: can't write the manifest: {error.strerror}") from error


def undo(path: Path, *, dry_run: bool, noted: Mapping[str, Any] | None = None) -> SidecarChange:
    """Take out of a sidecar what we put in; `noted` is its line of a manifest, for one that has lost our record.

    Raises:
        InputError: it can't be edited safely, or can't be written; there is none.
    """
    file = SidecarFile(path)
    if file.data is None:
        raise InputError(FailureCode.NOT_FOUND, "no such sidecar")
    if noted is not None and OURS.encode() not in file.data:
        left = without_values(file.data, noted["tags"], noted["added"], noted["made"])
        edited = Edited(left, removed=tuple(noted["tags"]) if left != file.data else ())
    else:
        edited = without_tags(file.data)
    if not dry_run:
        file.replace(edited.data)
    return SidecarChange(str(path) if edited.data is not None else "", removed=edited.removed)


def sidecars_below(paths: Sequence[str]) -> Iterator[str]:
    """The sidecars that these name: files as they are, those of photos, and all in folders, each once and in order.

    Raises:
        UsageError: a path is not there.
    """
    seen: set[str] = set()
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112 - a name is kept to the byte as it was given
            found = _walked(path)
        elif path.lower().endswith(ENDING):
            found = iter([path])
        elif any(os.path.lexists(each) for each in Namer.candidates(path)):
            found = (str(each) for each in Namer.candidates(path) if os.path.lexists(each))
        elif os.path.lexists(path):
            found = iter(())
        else:
            raise UsageError(f"{file_keys(path)['file']}: no such file")
        for each in found:
            if each not in seen:
                seen.add(each)
                yield each


def _walked(folder: str) -> Iterator[str]:
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if name.lower().endswith(ENDING):
                yield os.path.join(place, name)  # noqa: PTH118
