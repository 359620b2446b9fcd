"""train/, val/ and test/: the parts that a folder of photos is divided into."""

import os
from typing import Literal

Split = Literal["train", "val", "test"]

_SPELLINGS: dict[str, Split] = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


def splits(folder: str) -> dict[Split, str]:
    """Give the parts of a folder by what they are for, as paths. None where any other folder lies beside them.

    A folder of one part is divided only if that part holds folders itself: train/ with photos in it is a class.
    """
    found: dict[Split, str] = {}
    for name in _folders_in(folder):
        split = _SPELLINGS.get(name.casefold())
        if split is None or split in found:
            return {}
        found[split] = os.path.join(folder, name)  # noqa: PTH118 - a name is kept to the byte
    return found if all(map(_folders_in, found.values())) else {}


def _folders_in(folder: str) -> list[str]:
    """The names of the folders in a folder, less the hidden ones; none where it can't be read: its photos will tell."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        return []
