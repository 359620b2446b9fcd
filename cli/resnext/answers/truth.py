"""What people call what a photo shows -> the classes that are right: synsets, names, indices, tags."""

import difflib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from resnext.answers.vocabulary import Entry
from resnext.errors import UsageError
from resnext.records import Label

# Photos of nothing that the model knows: every tag is wrong.
NOTHING = "none"
_SHOWN = 3
_LONGEST = 80  # characters of a name in a message


class Names:
    """Finds the classes of a name: of the model's classes by name, synset, synonym or index, or of a tag.

    A name is first looked for as it is spelled, then without regard to case, hyphens and underscores. Where several
    classes bear it, each of them is right.
    """

    def __init__(self, labels: Sequence[Label], entries: Sequence[Entry]) -> None:
        own = _by_name((label.name, label.index) for label in labels)
        synonyms = _by_name(
            (name.strip(), label.index)
            for label in labels
            for name in {label.name, label.description, *label.description.split(",")}
        )
        words = _by_name((entry.name, index) for entry in entries for index in entry.classes)
        synsets = {label.synset: {label.index} for label in labels if label.synset}
        # Where classes are called by numbers, a number is a name and no index.
        numbers = any(label.name.strip().isdecimal() for label in labels)
        indices = {} if numbers else {str(label.index): {label.index} for label in labels}
        # Of ImageNet's classes people's words go first, of own ones the names that their owner gave them.
        ways = (words, own, synonyms) if synsets else (own, words, synonyms)
        self._exact = _merged(synsets, *ways, indices)
        self._plain = _merged(*(_plain_names(way) for way in ways))

    def find(self, name: str) -> tuple[int, ...] | None:
        """The classes that are right where a photo shows `name`: none for "none", None where nothing is called so."""
        spelled = unicodedata.normalize("NFC", name).strip()
        found = self._exact.get(spelled) or self._plain.get(_plain(name))
        if found is None:
            return () if _plain(name) == NOTHING else None
        return tuple(sorted(found))

    def classes_of(self, name: str) -> tuple[int, ...]:
        """The classes that are right where a photo shows `name`; none for "none".

        Raises:
            UsageError: nothing is called so.
        """
        return self.all_of([name])[name]

    def all_of(self, names: Iterable[str]) -> dict[str, tuple[int, ...]]:
        """The classes of each name.

        Raises:
            UsageError: there are names that nothing bears; the first of them with what is near to them.
        """
        found, unknown = dict[str, tuple[int, ...]](), list[str]()
        for name in names:
            classes = self.find(name)
            if classes is None:
                unknown.append(name)
            else:
                found[name] = classes
        if unknown:
            raise UsageError(self._refusal(unknown))
        return found

    def _refusal(self, unknown: Sequence[str]) -> str:
        shown = ", ".join(repr(name[:_LONGEST]) for name in unknown[:_SHOWN])
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        near = difflib.get_close_matches(_plain(unknown[0][:_LONGEST]), self._plain, _SHOWN)
        hint = f"; near to it: {', '.join(near)}" if near and len(unknown) == 1 else ""
        are = "is neither a class of the model nor a tag" if len(unknown) == 1 else "are no classes of the model"
        return f"{shown}{more} {are} ({NOTHING!r}: nothing it knows){hint}"


def _by_name(pairs: Iterable[tuple[str, int]]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for name, index in pairs:
        found.setdefault(unicodedata.normalize("NFC", name).strip(), set()).add(index)
    return found


def _plain_names(names: Mapping[str, set[int]]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for name, classes in names.items():
        found.setdefault(_plain(name), set()).update(classes)
    return found


def _merged(*ways: Mapping[str, set[int]]) -> dict[str, set[int]]:
    """One dictionary, in which the earlier ones go before the later."""
    merged: dict[str, set[int]] = {}
    for way in reversed(ways):
        merged.update(way)
    return merged


def _plain(name: str) -> str:
    words = unicodedata.normalize("NFC", name).casefold().replace("_", " ").replace("-", " ").split()
    return " ".join(words)
