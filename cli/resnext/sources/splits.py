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
    """Give the parts of a folder by what they are for, as paths; none where it is not divided.

    It is where train/ lies beside val/ or test/, whatever else does; or where it holds parts alone, which hold folders
    themselves: a train/ with photos in it is a class.
    """
    found: dict[Split, str] = {}
    names = _folders_in(folder)
    for name in names:
        split = _SPELLINGS.get(name.casefold())
        if split in found:
            return {}
        if split is not None:
            found[split] = os.path.join(folder, name)  # noqa: PTH118 - a name is kept to the byte
    alone = len(found) == len(names)
    return (
        found if all(map(_folders_in, found.values())) and (alone or len({"train", *found}) == len(found) > 1) else {}
    )


def _folders_in(folder: str) -> list[str]:
    """The names of the folders in a folder, less the hidden ones; none where it can't be read: its photos will tell."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        return []
