"""A vocabulary: the names that people use for a model's classes, and the groups that these stand in.

A file is an outline. A line is a group or a class, and belongs to the group above it that is indented less:

    animal
     dog + pet
      n02110958 pug
     -n02116738 african wild dog

A class begins with its synset, or is the name that the model gives it, alone or as "its name = another name". Behind
" + " stand further groups that the line belongs to. What begins with "-", and what stands below it, is never a tag; its
classes still count for the groups above.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from resnext.errors import UsageError
from resnext.records import Label

_MAX_BYTES = 4 << 20
_MAX_DEPTH = 32
_SYNSET = re.compile(r"(n\d{8})(?:\s+(.*))?", re.DOTALL)
_BUILT_IN = "vocabulary.txt"
# Photo managers part the levels of a tag by these, and this file its groups.
_SEPARATORS = frozenset("|/,")


class Entry(NamedTuple):
    """One name that can be a tag.

    `path`: the names of the broader groups, broadest first, then its own. `classes`: the model's classes that it
    stands for, ascending. `synset`: of a class that has one, else "".
    """

    path: tuple[str, ...]
    classes: tuple[int, ...]
    synset: str = ""

    @property
    def name(self) -> str:
        return self.path[-1]


class _Line(NamedTuple):
    number: int
    depth: int  # columns of indentation
    ignored: bool
    text: str
    also: tuple[str, ...]  # the groups behind " + "


class _Node(NamedTuple):
    line: _Line
    parent: int | None
    name: str
    label: Label | None  # None: a group
    ignored: bool


def built_in_text() -> str:
    """The vocabulary of ImageNet's 1000 classes, as `info --vocabulary` prints it."""
    # Not importlib.resources: to import it takes longer than to read all of this.
    return Path(__file__).with_name(_BUILT_IN).read_text(encoding="utf-8")


def read_vocabulary(path: Path | None, labels: Sequence[Label]) -> tuple[Entry, ...]:
    """Read what can be a tag of a model with these classes: from a file, or where there is none the built-in one.

    The built-in vocabulary serves every model whose classes are all among ImageNet's 1000; for any other model without
    a file, each class is a tag of its own.

    Raises:
        UsageError: the file can't be read, or has a fault: where, and what to do.
    """
    if path is not None:
        return parse_vocabulary(_content(path), labels, str(path))
    if knows_imagenet(labels):
        return parse_vocabulary(built_in_text(), labels, None)
    return tuple(Entry((label.name,), (label.index,), label.synset or "") for label in labels)


def knows_imagenet(labels: Sequence[Label]) -> bool:
    """Whether the built-in vocabulary names every class of the model."""
    if not labels or any(label.synset is None for label in labels):
        return False
    named = set(re.findall(r"^\s*-?\s*(n\d{8})\b", built_in_text(), re.MULTILINE))
    return all(label.synset in named for label in labels)


def parse_vocabulary(text: str, labels: Sequence[Label], file: str | None) -> tuple[Entry, ...]:
    """Parse an outline; gives what can be a tag, the narrowest first. `file` None: what the model lacks is passed over.

    Raises:
        UsageError: a fault, with `file` and the number of the line.
    """
    return _Reading(labels, file).entries(text)


class _Reading:
    """One reading of one outline."""

    def __init__(self, labels: Sequence[Label], file: str | None) -> None:
        self._file = file
        self._synsets = {label.synset: label for label in labels if label.synset}
        self._names = {label.name: label for label in reversed(labels) if not label.synset}

    def entries(self, text: str) -> tuple[Entry, ...]:
        nodes = self._nodes(text)
        members = self._members(nodes)
        found = [
            Entry(self._path(nodes, node), classes, (node.label and node.label.synset) or "")
            for node, classes in zip(nodes, members, strict=True)
            if classes and not node.ignored
        ]
        # Of those that stand for the same classes, the deeper first.
        return tuple(sorted(found, key=lambda entry: (len(entry.classes), -len(entry.path))))

    def _nodes(self, text: str) -> list[_Node]:
        lines = list(self._lines(text))
        nodes: list[_Node] = []
        open_groups: list[int] = []  # positions in nodes, the innermost last
        names: dict[str, int] = {}
        classes: dict[int, int] = {}
        for line, following in zip(lines, [*lines[1:], None], strict=True):
            while open_groups and nodes[open_groups[-1]].line.depth >= line.depth:
                open_groups.pop()
            parent = open_groups[-1] if open_groups else None
            label, name = self._meaning(line, holds=following is not None and following.depth > line.depth)
            if label is None and name is None:
                continue  # the model lacks it
            name = self._checked(line, name or "")
            if label is not None and classes.setdefault(label.index, line.number) != line.number:
                first = classes[label.index]
                self._fault(line, f"this class stands in line {first} already; further groups go there, behind ' + '")
            if names.setdefault(name.casefold(), line.number) != line.number:
                self._fault(line, f"the name {name!r} is used twice, first in line {names[name.casefold()]}")
            ignored = line.ignored or (parent is not None and nodes[parent].ignored)
            nodes.append(_Node(line, parent, name, label, ignored))
            if label is None:
                open_groups.append(len(nodes) - 1)
                if len(open_groups) > _MAX_DEPTH:
                    self._fault(line, f"stands more than {_MAX_DEPTH} groups deep")
        return nodes

    def _lines(self, text: str) -> Iterator[_Line]:
        for number, raw in enumerate(text.split("\n"), 1):
            line = raw.expandtabs().rstrip()
            content = line.lstrip()
            if not content or content[0] == "#":
                continue
            depth, ignored = len(line) - len(content), content[0] == "-"
            content, plus, groups = content[ignored:].partition(" + ")
            also = tuple(map(str.strip, groups.replace(" + ", ",").split(","))) if plus else ()
            yield _Line(number, depth, ignored, content.strip(), also)

    def _meaning(self, line: _Line, *, holds: bool) -> tuple[Label | None, str | None]:
        """The class that a line names and its name for people, or no class and the group's; neither: to be left out."""
        if (match := _SYNSET.fullmatch(line.text)) is not None:
            label = self._synsets.get(match[1])
            if label is None and self._file is None:
                return None, None
            if label is None:
                self._fault(line, f"the model has no class {match[1]}")
            name = match[2] or label.name
        elif " = " in line.text:
            known, name = (part.strip() for part in line.text.split(" = ", 1))
            label = self._names.get(known)
            if label is None:
                self._fault(line, f"the model has no class {known!r}")
        else:
            name = line.text
            label = None if holds else self._names.get(name)
        if label is not None and holds:
            self._fault(line, "a class can't hold other lines: these are indented too far")
        return label, name

    def _checked(self, line: _Line, name: str) -> str:
        name = unicodedata.normalize("NFC", name)
        if not name:
            self._fault(line, "has no name")
        if not name.isprintable():
            self._fault(line, f"the name {name!r} holds what can't be printed")
        if not _SEPARATORS.isdisjoint(name):
            self._fault(line, f"the name {name!r} holds one of | / , which part tags")
        return name

    def _members(self, nodes: list[_Node]) -> list[tuple[int, ...]]:
        """The classes of each line: its own, or those of all that belongs to it, through however many groups."""
        groups = {node.name.casefold(): at for at, node in enumerate(nodes) if node.label is None}
        belongs: list[list[int]] = []
        for node in nodes:
            above = [] if node.parent is None else [node.parent]
            for name in node.line.also:
                at = groups.get(unicodedata.normalize("NFC", name).casefold())
                if at is None:
                    self._fault(node.line, f"no group is called {name!r}")
                above.append(at)
            belongs.append(above)
        classes: list[set[int]] = [set() if node.label is None else {node.label.index} for node in nodes]
        inside = [0] * len(nodes)  # how many lines of a group are not yet counted into it
        for above in belongs:
            for at in above:
                inside[at] += 1
        ready = [at for at, count in enumerate(inside) if not count]
        done = 0
        while ready:
            at = ready.pop()
            done += 1
            for group in belongs[at]:
                classes[group] |= classes[at]
                inside[group] -= 1
                if not inside[group]:
                    ready.append(group)
        if done < len(nodes):
            self._fault_of_cycle(nodes, belongs, inside)
        if self._file is not None:
            for node, found in zip(nodes, classes, strict=True):
                if not found:
                    self._fault(node.line, f"{node.name!r} is no class of the model, and a group without classes")
        return [tuple(sorted(found)) for found in classes]

    def _fault_of_cycle(self, nodes: list[_Node], belongs: list[list[int]], inside: list[int]) -> NoReturn:
        """Name the first line of a cycle: of what was not counted, something inside it was not counted either."""
        at = next(at for at, count in enumerate(inside) if count)
        way: list[int] = []
        while at not in way:
            way.append(at)
            at = next(member for member, above in enumerate(belongs) if at in above and inside[member])
        cycle = way[way.index(at) :]
        first = min(cycle, key=lambda position: nodes[position].line.number)
        names = " > ".join(nodes[position].name for position in (*cycle, at))
        self._fault(nodes[first].line, f"these groups go round in a circle: {names}")

    @staticmethod
    def _path(nodes: list[_Node], node: _Node) -> tuple[str, ...]:
        path = [node.name]
        while node.parent is not None:
            node = nodes[node.parent]
            if not node.ignored:
                path.insert(0, node.name)
        return tuple(path)

    def _fault(self, line: _Line, what: str) -> NoReturn:
        raise UsageError(f"{self._file or _BUILT_IN}:{line.number}: {what}")


def _content(path: Path) -> str:
    """The text of a user's file.

    Raises:
        UsageError: it is not a regular file, too large, not UTF-8, or can't be read.
    """
    try:
        if path.exists() and not path.is_file():  # a FIFO would block, a device never end
            raise UsageError(f"{path}: can't read the vocabulary: not a regular file")
        if path.stat().st_size > _MAX_BYTES:
            raise UsageError(f"{path}: too large for a vocabulary")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: can't read the vocabulary: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: the vocabulary is not UTF-8 text") from error
