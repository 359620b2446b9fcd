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
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and entry.name[0] != ".")
    except OSError:  # reading the photos says what is wrong
        return {}
    for name in names:
        split = _SPELLINGS.get(name.casefold())
        if split is None or split in found:
            return {}
        found[split] = os.path.join(folder, name)  # noqa: PTH118 - a name is kept to the byte
    if not all(_holds_folders(path) for path in found.values()):
        return {}
    return found


def _holds_folders(folder: str) -> bool:
    try:
        return any(entry.is_dir() and entry.name[0] != "." for entry in os.scandir(folder))
    except OSError:
        return False
