"""Digests of the files of the store: XXH3, which finds damage but does not protect from a forger."""

import json
import mmap
import os
from pathlib import Path
from typing import Any

from resnext.disk import open_regular
from resnext.threads import in_thread

_PIECE_BYTES = 32 << 20


def digest_of(body: Any) -> str:
    """The digest of what JSON can say."""
    import xxhash

    return xxhash.xxh3_128_hexdigest(json.dumps(body, sort_keys=True).encode())


def digest_and_size(path: Path) -> list[str | int]:
    """The digest of a file's bytes and how many they are.

    Raises:
        OSError: it can't be read, or is no regular file.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if not size:
            return [digest_of_bytes(b""), 0]
        # Mapped, not copied: half the time, and OpenVINO maps the same pages afterwards.
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return [digest_of_bytes(content), size]


def digest_of_bytes(content: bytes | memoryview | mmap.mmap) -> str:
    """The digest of the digests of its pieces: of 775 MB 89 ms in one thread, 51 in two."""
    import xxhash

    with memoryview(content) as view:
        places = range(0, len(view), _PIECE_BYTES)
        digests = [b""] * len(places)

        def digest(first: int) -> None:
            for number in range(first, len(places), 2):
                with view[places[number] : places[number] + _PIECE_BYTES] as piece:
                    digests[number] = xxhash.xxh3_128_digest(piece)

        if len(places) <= 1:
            digest(0)
        else:
            other = in_thread(lambda: digest(1), name="digest")
            try:
                digest(0)
            finally:
                other.result()  # it looks at the same pages
        return xxhash.xxh3_128_hexdigest(b"".join(digests))
