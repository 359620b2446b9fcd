"""What we put into a sidecar, noted in the sidecar itself: enough to take it out again, exactly where possible."""

import hashlib
import json
from typing import Any, NamedTuple

VERSION = 1
_DIGITS = 64  # of a SHA-256 in hexadecimal
_BLANK = "0" * _DIGITS


class Cut(NamedTuple):
    """At `start` of the new file stand `length` bytes in place of `before`."""

    start: int
    length: int
    before: str


class Record(NamedTuple):
    """`tags`: what was found, as a|b|c. `added`: the values that we put into each list, by the name of
    its property without the namespace. `made`: the lists that were not there.

    `size` and `sha256` are those of the file before, and `cuts` lead back to it, the last of them at `last` up to the
    end of what we put there. A file that only we made has no `size`; its `sha256` is that of itself, with zeros there.
    """

    tags: tuple[str, ...]
    added: dict[str, tuple[str, ...]]
    made: tuple[str, ...]
    cuts: tuple[Cut, ...] = ()
    last: int = 0
    size: int | None = None
    sha256: str = _BLANK

    def text(self) -> str:
        """Give the record as text for the sidecar: JSON, which people can read."""
        return json.dumps(
            {
                "version": VERSION,
                "tags": self.tags,
                "added": self.added,
                "made": self.made,
                "cuts": self.cuts,
                "last": self.last,
                "size": self.size,
                "sha256": self.sha256,
            },
            ensure_ascii=False,
            separators=(",", ":"),
        )


def read_record(text: str) -> Record | None:
    """The record, or None where the text is none of ours: it may have been cut, or be somebody's joke."""
    try:
        noted: dict[str, Any] = json.loads(text)
        if noted["version"] != VERSION:
            return None
        added = {_text(name): _texts(values) for name, values in noted["added"].items()}
        cuts = tuple(Cut(_count(start), _count(length), _text(before)) for start, length, before in noted["cuts"])
        size = None if noted["size"] is None else _count(noted["size"])
        return Record(
            _texts(noted["tags"]),
            added,
            _texts(noted["made"]),
            cuts,
            _count(noted["last"]),
            size,
            _text(noted["sha256"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def before(data: bytes, record: Record) -> bytes | None:
    """Give the file as it was before our change; None where another program wrote it since."""
    if record.size is None:
        return None
    others = sum(len(cut.before.encode()) - cut.length for cut in record.cuts)
    length = len(data) + others - record.size
    if length < 0 or record.last + length > len(data):
        return None
    restored = data[: record.last] + data[record.last + length :]
    for cut in reversed(record.cuts):
        if cut.start + cut.length > len(restored):
            return None
        restored = restored[: cut.start] + cut.before.encode() + restored[cut.start + cut.length :]
    return restored if _digest(restored) == record.sha256 else None


def is_only_ours(data: bytes, record: Record) -> bool:
    """Whether we made the whole file, and nobody wrote in it since."""
    if record.size is not None or len(record.sha256) != _DIGITS:
        return False
    return _digest(data.replace(record.sha256.encode(), _BLANK.encode())) == record.sha256


def sealed(data: bytes) -> bytes:
    """Give a file that only we made, with its own digest in place of the zeros."""
    return data.replace(_BLANK.encode(), _digest(data).encode())


def digest_of(data: bytes) -> str:
    """What `before` checks."""
    return _digest(data)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise TypeError("not a list")
    return tuple(_text(value) for value in values)


def _count(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError("not a count")
    return value
