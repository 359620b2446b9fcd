"""What people call what a photo shows -> the classes that are right: synsets, names, indices, tags."""

import difflib
import unicodedata
from collections.abc import Sequence

from resnext.answers.vocabulary import Entry
from resnext.errors import UsageError
from resnext.records import Label

# Photos of nothing that the model knows: every tag is wrong.
NOTHING = "none"
_SHOWN = 3


class Names:
    """Finds the classes of a name: of the model's classes by index, synset, name or synonym, or of a tag."""

    def __init__(self, labels: Sequence[Label], entries: Sequence[Entry]) -> None:
        self._classes: dict[str, set[int]] = {}
        for label in labels:
            self._classes[str(label.index)] = {label.index}
            if label.synset:
                self._classes[label.synset] = {label.index}
        for entry in entries:  # people's words go before the model's
            self._classes.setdefault(_plain(entry.name), set(entry.classes))
        own: dict[str, set[int]] = {}
        for label in labels:
            for name in {label.name, label.description, *label.description.split(",")}:
                own.setdefault(_plain(name), set()).add(label.index)
        for name, classes in own.items():
            self._classes.setdefault(name, classes)

    def classes_of(self, name: str) -> tuple[int, ...]:
        """The classes that are right where a photo shows `name`; none for "none".

        Raises:
            UsageError: nothing is called so.
        """
        if _plain(name) == NOTHING:
            return ()
        found = self._classes.get(name.strip()) or self._classes.get(_plain(name))
        if found is None:
            near = difflib.get_close_matches(_plain(name), self._classes, _SHOWN)
            hint = f"; near to it: {', '.join(near)}" if near else ""
            raise UsageError(
                f"{name!r} is neither a class of the model nor a tag ({NOTHING!r}: nothing it knows){hint}"
            )
        return tuple(sorted(found))


def _plain(name: str) -> str:
    words = unicodedata.normalize("NFC", name).casefold().replace("_", " ").replace("-", " ").split()
    return " ".join(words)
