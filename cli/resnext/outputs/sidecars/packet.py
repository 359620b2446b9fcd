"""An XMP packet as bytes with positions: where its lists of keywords stand, and whether they can be edited safely."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.parsers import expat

from resnext.errors import FailureCode, InputError

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DC = "http://purl.org/dc/elements/1.1/"
LR = "http://ns.adobe.com/lightroom/1.0/"
DIGIKAM = "http://www.digikam.org/ns/1.0/"
OURS = "urn:resnext:xmp:tags:1.0/"
RECORD = f"{OURS} record"
# The lists that photo managers read: how their levels are parted, as what kind of list they are written, and prefix.
SUBJECT, HIERARCHICAL, TAGS_LIST = f"{DC} subject", f"{LR} hierarchicalSubject", f"{DIGIKAM} TagsList"
LISTS = (SUBJECT, HIERARCHICAL, TAGS_LIST)

MAX_BYTES = 8 << 20  # darktable keeps whole histories here: some 100 KB
_MAX_DEPTH = 64
_MAX_ELEMENTS = 200_000
_CONTAINERS = {f"{RDF} {kind}" for kind in ("Bag", "Seq", "Alt")}
_LANG = "http://www.w3.org/XML/1998/namespace lang"
_TAG = re.compile(rb"""<(?:[^"'>]|"[^"]*"|'[^']*')*>""")
_NAME = re.compile(rb"<([^\s/>]+)")


def refuse(what: str) -> InputError:
    """The error of a sidecar that stays as it is."""
    return InputError(FailureCode.SIDECAR, f"the sidecar stays as it is: {what}")


@dataclass(slots=True)
class Element:
    """One element at bytes `start` to `end`; what it holds at `inside` to `inside_end`. Names are "URI local"."""

    name: str
    attributes: dict[str, str]
    start: int
    inside: int
    inside_end: int = 0
    end: int = 0
    text: list[str] = field(default_factory=list)
    children: "list[Element]" = field(default_factory=list)

    @property
    def is_closed_at_once(self) -> bool:
        return self.inside == self.end

    @property
    def value(self) -> str:
        return "".join(self.text)


class KeywordList(NamedTuple):
    """One list of keywords: the property that holds it (`holder`), the container, and its items."""

    holder: Element
    container: Element
    items: list[Element]

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(item.value for item in self.items)


class Packet(NamedTuple):
    """A packet that can be edited. `prefixes`: namespace -> the prefix that the file declares first for it."""

    data: bytes
    rdf: Element
    descriptions: list[Element]
    prefixes: dict[str, str]
    lists: dict[str, KeywordList]
    record: str | None

    def raw_name(self, element: Element) -> str:
        """The name as it is written in the file, with its prefix."""
        match = _NAME.match(self.data, element.start)
        assert match is not None
        return match[1].decode()

    @property
    def about(self) -> str:
        """What all that is described is about; a packet has one value."""
        return next((about for each in self.descriptions if (about := _about(each)) is not None), "")


def parse(data: bytes) -> Packet:
    """Parse a whole sidecar.

    Raises:
        InputError: it can't be edited safely: why.
    """
    root, prefixes = _tree(data)
    (rdf,) = _only_rdf(root)
    for node in rdf.children:
        if node.name != f"{RDF} Description":
            raise refuse("it describes things in a form that is rare (a typed node)")
    lists = {name: found for name in LISTS if (found := _list(rdf.children, name)) is not None}
    return Packet(data, rdf, rdf.children, prefixes, lists, _record(rdf.children))


def lenient_lists(data: bytes) -> dict[str, tuple[str, ...]]:
    """What lists of keywords a packet inside a photo has, whatever their form; none where it can't be read."""
    try:
        root, _ = _tree(data)
    except InputError:
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for element in _all(root):
        if element.name in LISTS:
            texts = [each.value.strip() for each in _all(element) if not each.children]
            found[element.name] = (*found.get(element.name, ()), *(text for text in texts if text))
        for name, value in element.attributes.items():
            if name in LISTS and value.strip():
                found[name] = (*found.get(name, ()), value.strip())
    return found


def _tree(data: bytes) -> tuple[Element, dict[str, str]]:
    if len(data) > MAX_BYTES:
        raise refuse(f"it has more than {MAX_BYTES >> 20} MB")
    if b"\0" in data or data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise refuse("it is not UTF-8 (UTF-16, or binary)")
    try:
        data.decode()
    except UnicodeDecodeError:
        raise refuse("it is not UTF-8") from None
    builder = _Builder(data)
    parser = expat.ParserCreate("UTF-8", " ")
    parser.buffer_text = True
    parser.XmlDeclHandler = builder.declaration
    parser.StartDoctypeDeclHandler = builder.doctype
    parser.StartNamespaceDeclHandler = builder.namespace
    parser.StartElementHandler = lambda name, attributes: builder.start(parser.CurrentByteIndex, name, attributes)
    parser.EndElementHandler = lambda name: builder.finish(parser.CurrentByteIndex)
    parser.CharacterDataHandler = builder.text
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise refuse(f"it is not well-formed XML ({expat.ErrorString(error.code)}, line {error.lineno})") from None
    return builder.root, builder.prefixes


class _Builder:
    """Builds the tree from expat's events."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._open: list[Element] = []
        self._count = 0
        self.prefixes: dict[str, str] = {}
        self.root: Element

    def declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.casefold() not in ("utf-8", "utf8", "us-ascii", "ascii"):
            raise refuse(f"its encoding is {encoding[:20]}, not UTF-8")

    def doctype(self, *_: object) -> None:
        raise refuse("it has a DOCTYPE")

    def namespace(self, prefix: str | None, uri: str | None) -> None:
        if prefix and uri:
            self.prefixes.setdefault(uri, prefix)

    def start(self, at: int, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if len(self._open) >= _MAX_DEPTH or self._count > _MAX_ELEMENTS:
            raise refuse("it is nested too deeply, or has too many elements")
        element = Element(name, attributes, at, _end_of_tag(self._data, at))
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def finish(self, at: int) -> None:
        element = self._open.pop()
        if self._data[element.inside - 2 : element.inside] == b"/>":
            element.inside_end = element.end = element.inside
        else:
            element.inside_end, element.end = at, self._data.index(b">", at) + 1

    def text(self, data: str) -> None:
        self._open[-1].text.append(data)


def _end_of_tag(data: bytes, at: int) -> int:
    """Give where the tag that begins at `at` ends; a ">" in quotes does not end it."""
    match = _TAG.match(data, at)
    assert match is not None
    return match.end()


def _only_rdf(root: Element) -> list[Element]:
    found = [element for element in _all(root) if element.name == f"{RDF} RDF"]
    if len(found) != 1 or (found[0] is not root and found[0] not in root.children):
        raise refuse("it is no XMP packet with one rdf:RDF in it")
    return found


def _all(root: Element) -> Iterator[Element]:
    waiting = [root]
    while waiting:
        element = waiting.pop()
        yield element
        waiting.extend(reversed(element.children))


def _list(descriptions: list[Element], name: str) -> KeywordList | None:
    short = name.rpartition(" ")[2]
    if any(name in each.attributes for each in descriptions):
        raise refuse(f"{short} is an attribute in it")
    properties = [child for each in descriptions for child in each.children if child.name == name]
    if not properties:
        return None
    if len(properties) > 1:
        raise refuse(f"{short} stands in it twice")
    (found,) = properties
    containers = found.children
    if found.attributes or len(containers) != 1 or containers[0].name not in _CONTAINERS or found.value.strip():
        raise refuse(f"{short} is no plain list in it")
    (container,) = containers
    items = container.children
    plain = all(item.name == f"{RDF} li" and not item.children and item.attributes.keys() <= {_LANG} for item in items)
    if container.attributes or not plain or container.value.strip():
        raise refuse(f"{short} holds more than plain texts in it")
    return KeywordList(found, container, items)


def _record(descriptions: list[Element]) -> str | None:
    texts = [each.attributes[RECORD] for each in descriptions if RECORD in each.attributes]
    texts += [child.value for each in descriptions for child in each.children if child.name == RECORD]
    if len(texts) > 1:
        raise refuse("it holds two records of ours")
    return texts[0] if texts else None


def _about(description: Element) -> str | None:
    return description.attributes.get(f"{RDF} about", description.attributes.get("about"))
