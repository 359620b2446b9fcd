"""ReaL: what ImageNet's validation photos really show, by several people's judgement; timm's package brings it.

Beyer et al., Are we done with ImageNet?, arXiv 2006.07159. Only the file is read: timm is not imported.
"""

import json
import re
from collections.abc import Sequence
from importlib.machinery import PathFinder
from pathlib import Path

from resnext.errors import UsageError
from resnext.records import Label

_FILE = ("data", "_info", "imagenet_real_labels.json")
_PHOTO = re.compile(r"ILSVRC2012_val_(\d{8})(?:\.\w+)?", re.ASCII)
_CLASSES = 1000


class RealLabels:
    """The classes that are right of each validation photo, by its file's name.

    Raises:
        UsageError: the installed timm has no such file; the model's classes are not ImageNet's 1000.
    """

    def __init__(self, labels: Sequence[Label]) -> None:
        if len(labels) != _CLASSES or any(label.synset is None for label in labels):
            raise UsageError("--real is about ImageNet's 1000 classes; the model has others")
        self._classes: list[list[int]] = _content()

    def of(self, file: str) -> tuple[int, ...] | None:
        """The classes that are right, none where the judges agreed on none; None for a file of another name."""
        found = _PHOTO.fullmatch(re.split(r"[/\\]", file)[-1])
        number = int(found[1]) if found else 0
        return tuple(self._classes[number - 1]) if 0 < number <= len(self._classes) else None


def _content() -> list[list[int]]:
    spec = PathFinder.find_spec("timm")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        try:
            return [list(map(int, each)) for each in json.loads(Path(place, *_FILE).read_bytes())]
        except (OSError, ValueError, TypeError):
            break
    raise UsageError("--real needs ReaL's labels, which the installed timm lacks; a timm from 0.9 on has them")
