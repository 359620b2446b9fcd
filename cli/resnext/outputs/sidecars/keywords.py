"""Which values belong into which list of a sidecar: our tags, and whatever a new list would hide of the user's."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from resnext.outputs.sidecars.packet import HIERARCHICAL, SUBJECT, TAGS_LIST

_LEVELS = {HIERARCHICAL: "|", TAGS_LIST: "/"}


class Wish(NamedTuple):
    """What shall stand in a sidecar: tags as paths, broadest name first, under `root` (or none); `flat`: also plain."""

    tags: tuple[tuple[str, ...], ...]
    root: str = "auto"
    flat: bool = True

    def names(self) -> tuple[str, ...]:
        """The tags as a|b|c, as people read them in a row."""
        return tuple("|".join(path) for path in self._paths())

    def values(self, name: str) -> list[str]:
        """Our tags as they stand in one list."""
        return values_of(name, self.names()) if self.flat or name != SUBJECT else []

    def _paths(self) -> list[tuple[str, ...]]:
        root = (self.root,) if self.root else ()
        return [tuple(map(_level, (*root, *path))) for path in self.tags]


def values_of(name: str, tags: Sequence[str]) -> list[str]:
    """How tags, as a|b|c, stand in one list."""
    if name == SUBJECT:
        return [tag.rpartition("|")[2] for tag in tags]
    return [tag.replace("|", _LEVELS[name]) for tag in tags]


def additions(
    wish: Wish, sidecar: Mapping[str, Sequence[str]], photo: Mapping[str, Sequence[str]]
) -> dict[str, tuple[str, ...]]:
    """Give what to add to each list, by what the sidecar and the photo itself have.

    A list that the sidecar lacks would hide the photo's own keywords, and those in lists that a program looks at later:
    a new one begins with all of them.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name in (SUBJECT, HIERARCHICAL, TAGS_LIST):
        ours = wish.values(name)
        if not ours:
            continue
        there = list(sidecar.get(name, ()))
        users = [] if name in sidecar else _users(name, {**photo, **sidecar})
        new = _new([*users, *ours], there)
        if new:
            found[name] = new
    return found


def _users(name: str, lists: Mapping[str, Sequence[str]]) -> list[str]:
    """The user's keywords in the form of one list, from that list or those that say the same in another form."""
    flat = list(lists.get(SUBJECT, ()))
    trees = {each: [value.split(mark) for value in lists.get(each, ())] for each, mark in _LEVELS.items()}
    if name == SUBJECT:
        return flat or [path[-1] for path in trees[HIERARCHICAL] or trees[TAGS_LIST]]
    other = TAGS_LIST if name == HIERARCHICAL else HIERARCHICAL
    paths = trees[name] or trees[other]
    levels = {key(level) for path in paths for level in path}
    values = [_LEVELS[name].join(path) for path in paths]
    return [*values, *(word for word in flat if key(word) not in levels)]


def _new(values: Iterable[str], there: Iterable[str]) -> tuple[str, ...]:
    """The values that are not there, each once. Tags that differ only in case are a plague: such a one is there."""
    seen = {key(value) for value in there}
    new = []
    for value in values:
        if value and key(value) not in seen:
            seen.add(key(value))
            new.append(value)
    return tuple(new)


def key(value: str) -> str:
    """What is equal in two spellings of a keyword."""
    return unicodedata.normalize("NFC", value).strip().casefold()


def _level(name: str) -> str:
    """A name as one level: without the marks that part levels, and what XML can't carry."""
    kept = "".join(char if char.isprintable() else " " for char in name)
    return kept.replace("|", "-").replace("/", "-").strip() or "-"
