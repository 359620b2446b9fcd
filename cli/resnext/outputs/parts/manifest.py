"""What the parts of a folder were made with, so that a later run goes on with them or refuses to; and of which inputs
each finished part is."""

import json
import time
from typing import NamedTuple

from resnext import __version__
from resnext.errors import UsageError
from resnext.outputs.parts.folder import UNFINISHED, PartFolder, foreign
from resnext.outputs.run_note import Settings, Values, refuse_other

MANIFEST = "_manifest.json"
_RECORDS = "_parts"
_VERSION = 1


class Manifest(NamedTuple):
    """`shard_size`: inputs a part. `complete`: the last run came to its end, and this is what it left."""

    settings: Settings
    shard_size: int
    complete: bool = False
    parts: int = 0
    rows: int = 0
    failed: int = 0

    def write(self, folder: PartFolder) -> None:
        """Put it into the folder; raises OutputError."""
        content = {
            "version": _VERSION,
            "resnext": __version__,
            "command": self.settings.command,
            "settings": self.settings.values,
            "shard_size": self.shard_size,
            "complete": self.complete,
            **({"parts": self.parts, "rows": self.rows, "failed": self.failed} if self.complete else {}),
        }
        folder.write(MANIFEST, (json.dumps(content, indent=2) + "\n").encode())


class PartRecord(NamedTuple):
    """One finished part: the digest of the names of its inputs, rows, how many of them failed, when it was begun."""

    digest: str
    rows: int
    failed: int
    began: float

    def write(self, folder: PartFolder, part: str) -> None:
        """Note that the part stands in its place; raises OutputError."""
        folder.write(record_name(part), (json.dumps(self._asdict()) + "\n").encode())


def record_name(part: str) -> str:
    """The name of the record of a part."""
    return f"{_RECORDS}/{part}.json"


def read_record(folder: PartFolder, part: str) -> PartRecord | None:
    """Give what is known of a part; None where it is not finished. Raises OutputError."""
    try:
        fields = json.loads(folder.read(record_name(part)) or b"")
        record = PartRecord(str(fields["digest"]), int(fields["rows"]), int(fields["failed"]), float(fields["began"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return record if record.began <= time.time() + 86400 else None


def read_manifest(folder: PartFolder) -> Manifest | None:
    """Give the manifest of a folder; None where there is none.

    Raises:
        UsageError: what stands in its place is none.
        OutputError: the folder can't be read.
    """
    content = folder.read(MANIFEST)
    if content is None:
        return None
    try:
        fields = json.loads(content)
        values: Values = dict(fields["settings"])
        if fields["version"] != _VERSION:
            raise ValueError("another version")
        return Manifest(Settings(str(fields["command"]), values), int(fields["shard_size"]), bool(fields["complete"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"{folder.name}: its {MANIFEST} is none of this version; give another name") from error


def check_folder(folder: PartFolder, *, overwrite: bool, resume: bool) -> Manifest | None:
    """Refuse a folder that can't take the parts, before a model is loaded; gives the manifest to go on with.

    Raises:
        UsageError: it holds a result and nothing was said of that, or files that are none of ours.
        OutputError: it can't be read or written.
    """
    if resume and overwrite:
        raise UsageError("--resume and --overwrite contradict each other")
    manifest = read_manifest(folder)
    if manifest is None:
        other = next(iter(folder.names()), None)
        if other not in (None, _RECORDS):
            raise UsageError(f"{folder.name}: holds {other} and is no result of a cluster; give an empty or new folder")
    elif overwrite:
        if (other := foreign(folder)) is not None:
            raise UsageError(f"{folder.name}: also holds {other}, which no run has made; move it away")
        return None
    elif not resume:
        raise UsageError(f"{folder.name}: exists already; give --resume, --overwrite, or another name")
    return manifest


def check_settings(folder: PartFolder, then: Manifest, now: Manifest) -> None:
    """Refuse to go on with parts that were made otherwise, or cut otherwise.

    Raises:
        UsageError: they were.
    """
    if then.settings.command != now.settings.command:
        raise UsageError(
            f"{folder.name}: can't resume: it was made by 'resnext {then.settings.command}'; give another name"
        )
    before, today = ({**each.settings.values, "--shard-size": each.shard_size} for each in (then, now))
    refuse_other(folder.name, before, today)


def clear(folder: PartFolder, first: int) -> None:
    """Remove the parts from number `first` on, their records before them; raises OutputError."""
    for under in (_RECORDS, ""):
        for name in list(folder.names(under)):
            number = name.removeprefix("part-").split(".")[0]
            if name.startswith("part-") and number.isdecimal() and int(number) >= first:
                folder.remove(f"{under}/{name}" if under else name)


def sweep(folder: PartFolder) -> None:
    """Remove what machines that were killed left behind; raises OutputError."""
    for under in (_RECORDS, ""):
        for name in list(folder.names(under)):
            if name.startswith(".") and name.endswith(UNFINISHED):
                folder.remove(f"{under}/{name}" if under else name)
