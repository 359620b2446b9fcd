"""Which sidecar belongs to a photo: `IMG.jpg.xmp`, as darktable and digiKam name it, or `IMG.xmp`, as Adobe does."""

import os
from collections import Counter
from pathlib import Path
from typing import Literal

from resnext.outputs.sidecars.packet import refuse

Naming = Literal["auto", "full", "stem"]

ENDING = ".xmp"
# What stands beside pictures and is none.
_NO_PICTURES = frozenset(
    f".{ending}" for ending in "xmp json txt md xml html aae pp3 dop thm wav mp3 m4a mp4 mov avi gpx".split()
)


class Namer:
    """Names the sidecars of photos; looks into each folder at most once."""

    def __init__(self, naming: Naming) -> None:
        self._naming = naming
        self._stems: dict[str, Counter[str]] = {}

    def sidecar_of(self, photo: str) -> Path:
        """The sidecar of a photo, that is there or shall be made.

        Raises:
            InputError: by the naming that was asked for, two photos would share it.
            OSError: the folder can't be read.
        """
        full, stem = Path(photo + ENDING), self._stem(photo)
        if self._naming == "full":
            return full
        if self._naming == "stem":
            if not self._is_alone(photo):
                raise refuse(f"{stem.name} would belong to several pictures; --naming full keeps them apart")
            return stem
        if not os.path.lexists(full) and os.path.lexists(stem) and self._is_alone(photo):
            return stem
        return full

    @staticmethod
    def candidates(photo: str) -> tuple[Path, ...]:
        """Every place where a sidecar of the photo may stand."""
        return Path(photo + ENDING), Namer._stem(photo)

    @staticmethod
    def _stem(photo: str) -> Path:
        return Path(os.path.splitext(photo)[0] + ENDING)  # noqa: PTH122 - the name may be no UTF-8, and stays as it is

    def _is_alone(self, photo: str) -> bool:
        folder, name = os.path.split(photo)
        if folder not in self._stems:
            with os.scandir(folder or ".") as entries:
                split = [os.path.splitext(entry.name) for entry in entries]  # noqa: PTH122
            self._stems[folder] = Counter(stem for stem, ending in split if ending.lower() not in _NO_PICTURES)
        return self._stems[folder][os.path.splitext(name)[0]] <= 1  # noqa: PTH122
