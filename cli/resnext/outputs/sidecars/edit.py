"""Tags into a sidecar's bytes, and out again. Pure: bytes in, bytes out; every byte that is not ours stays."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

from resnext.outputs.sidecars.keywords import Wish, additions, values_of
from resnext.outputs.sidecars.packet import (
    DC,
    DIGIKAM,
    HIERARCHICAL,
    LISTS,
    LR,
    OURS,
    RDF,
    RECORD,
    SUBJECT,
    TAGS_LIST,
    Element,
    KeywordList,
    Packet,
    parse,
    refuse,
)
from resnext.outputs.sidecars.record import Cut, Record, before, digest_of, is_only_ours, read_record, sealed

_PREFIXES = {DC: "dc", LR: "lr", DIGIKAM: "digiKam", OURS: "resnext", RDF: "rdf"}
_KINDS = {SUBJECT: "Bag", HIERARCHICAL: "Bag", TAGS_LIST: "Seq"}
# The packet of a new sidecar; programs look for the marks at its ends.
_HEAD = "<?xpacket begin='\ufeff' id='W5M0MpCehiHzreSzNTczkc9d'?>\n<x:xmpmeta xmlns:x='adobe:ns:meta/'>\n"
_NEW = f"{_HEAD}<rdf:RDF xmlns:rdf='{RDF}'>\n</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end='w'?>\n".encode()


class Patch(NamedTuple):
    """Put `text` in the place of the bytes from `start` to `end`."""

    start: int
    end: int
    text: bytes


class Edited(NamedTuple):
    """A sidecar's bytes, None where there shall be no file, and what became of keywords.

    `added`: our tags that were not there; `removed`: those of an earlier run that are gone; `kept`: what the user has.
    `record`: what was put in, as the sidecar itself notes it.
    """

    data: bytes | None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    record: Record | None = None


def with_tags(data: bytes | None, wish: Wish, photo: Mapping[str, Sequence[str]]) -> Edited:
    """Give the sidecar with these tags in it, in place of those that an earlier run of ours left.

    `data` None: there is none. `photo`: the keywords inside the photo, by the names of the lists.

    Raises:
        InputError: it can't be edited safely.
    """
    base = without_tags(data) if data is not None else Edited(None)
    earlier = base.removed
    if not wish.tags:
        return base
    packet = parse(base.data if base.data is not None else _NEW)
    there = {name: each.values for name, each in packet.lists.items()}
    new = additions(wish, there, photo)
    names = wish.names()
    kept = tuple(dict.fromkeys(value for values in {**photo, **there}.values() for value in values))
    if not new:  # the user has them all
        return Edited(base.data, (), earlier, kept)
    written, record = _written(packet, names, new, is_new=base.data is None)
    return Edited(
        written,
        tuple(name for name in names if name not in earlier),
        tuple(name for name in earlier if name not in names),
        kept,
        record,
    )


def without_tags(data: bytes) -> Edited:
    """Give the sidecar without our changes: as it was before, or, if another program wrote since, without our values.

    Raises:
        InputError: it can't be edited safely.
    """
    if OURS.encode() not in data:
        return Edited(data)
    packet = parse(data)
    record = None if packet.record is None else read_record(packet.record)
    if packet.record is None:
        return Edited(data)
    if record is None:
        raise refuse("its record of our tags can't be read")
    if is_only_ours(data, record):
        return Edited(None, removed=record.tags)
    restored = before(data, record)
    if restored is not None:
        return Edited(restored, removed=record.tags)
    return Edited(_without(packet, record.tags, record.added, record.made), removed=record.tags)


def without_values(data: bytes, tags: Sequence[str], added: Mapping[str, Sequence[str]], made: Sequence[str]) -> bytes:
    """Remove what a manifest lists from a sidecar that has lost our record; give the same bytes if none is there.

    Raises:
        InputError: it can't be edited safely.
    """
    return _without(parse(data), tags, added, made)


def _written(
    packet: Packet, names: tuple[str, ...], new: dict[str, tuple[str, ...]], *, is_new: bool
) -> tuple[bytes, Record]:
    """The packet with values in its lists; lists that it lacks and our record go to the end, into one Description."""
    if packet.rdf.is_closed_at_once:
        raise refuse("its rdf:RDF is empty")
    patches = sorted(_into_list(packet, packet.lists[name], new[name]) for name in new if name in packet.lists)
    made = tuple(name for name in new if name not in packet.lists)
    data, cuts = packet.data, []
    for patch in reversed(patches):
        data = data[: patch.start] + patch.text + data[patch.end :]
    shift = 0
    for patch in patches:
        cuts.append(Cut(patch.start + shift, len(patch.text), packet.data[patch.start : patch.end].decode()))
        shift += len(patch.text) - (patch.end - patch.start)
    at = packet.rdf.inside_end
    at -= len(_space_before(packet.data, at).rpartition(b"\n")[2])  # before what indents the end of rdf:RDF
    record = Record(
        names,
        {_short(name): values for name, values in new.items()},
        tuple(map(_short, made)),
        tuple(cuts),
        at + shift,
        None if is_new else len(packet.data),
        *(() if is_new else (digest_of(packet.data),)),
    )
    last = _description(packet, {name: new[name] for name in made}, record)
    result = data[: at + shift] + last + data[at + shift :]
    return sealed(result) if is_new else result, record


def _into_list(packet: Packet, found: KeywordList, values: Sequence[str]) -> Patch:
    """The patch that adds values behind the last item of a list that is there."""
    container = found.container
    if found.items:
        last = found.items[-1]
        name, space, at = packet.raw_name(last), _space_before(packet.data, last.start), last.end
    else:
        name = packet.raw_name(container).rpartition(":")[0]
        name = f"{name}:li" if name else "li"
        space, at = _space_before(packet.data, container.start) + b" ", container.inside
    items = b"".join(space + f"<{name}>{escape(value)}</{name}>".encode() for value in values)
    if found.items or not container.is_closed_at_once:
        return Patch(at, at, items)
    close = _space_before(packet.data, container.start) + f"</{packet.raw_name(container)}>".encode()
    return Patch(container.inside - 2, container.inside, b">" + items + close)


def _description(packet: Packet, lists: Mapping[str, Sequence[str]], record: Record) -> bytes:
    """A Description with new lists and our record, as a program would lay it out, in the file's own line ends."""
    rdf = _prefix(packet, RDF)
    names = {name: f"{_prefix(packet, name.partition(' ')[0])}:{name.partition(' ')[2]}" for name in (*lists, RECORD)}
    spaces = dict.fromkeys(name.partition(" ")[0] for name in names)
    lines = [f" <{rdf}:Description {rdf}:about={quoteattr(packet.about)}"]
    lines += [f"  xmlns:{_prefix(packet, uri)}={quoteattr(uri)}" for uri in spaces]
    lines[-1] += ">"
    for name, values in lists.items():
        kind = f"{rdf}:{_KINDS[name]}"
        lines += [f"  <{names[name]}>", f"   <{kind}>"]
        lines += [f"    <{rdf}:li>{escape(value)}</{rdf}:li>" for value in values]
        lines += [f"   </{kind}>", f"  </{names[name]}>"]
    lines += [f"  <{names[RECORD]}>{escape(record.text())}</{names[RECORD]}>", f" </{rdf}:Description>"]
    end = "\r\n" if b"\r\n" in packet.data else "\n"
    return "".join(line + end for line in lines).encode()


def _prefix(packet: Packet, uri: str) -> str:
    """The prefix that the file has for a namespace, else the usual one, unless that means something else in it."""
    if uri in packet.prefixes:
        return packet.prefixes[uri]
    prefix, taken = _PREFIXES[uri], set(packet.prefixes.values())
    while prefix in taken:
        prefix += "_"
    return prefix


def _without(packet: Packet, tags: Sequence[str], added: Mapping[str, Sequence[str]], made: Sequence[str]) -> bytes:
    """The packet without those values, without lists that are empty then and that we made, and without our record."""
    gone: list[Element] = []
    for name in LISTS:
        found = packet.lists.get(name)
        if found is None:
            continue
        recorded = set(added.get(_short(name), ()))
        items = [item for item in found.items if item.value in recorded]
        if _short(name) in made and items and len(items) == len(found.items):
            gone.append(found.holder)
        elif (
            _short(name) in made
        ):  # others use the list now: the user's words that it began with would be hidden without it
            gone += [item for item in items if item.value in values_of(name, tags)]
        else:
            gone += items
    gone += [child for each in packet.descriptions for child in each.children if child.name == RECORD]
    emptied = [
        each
        for each in packet.descriptions
        if each.children and all(any(child is one for one in gone) for child in each.children)
        and all(name.endswith("about") or name == RECORD for name in each.attributes)
    ]  # fmt: skip
    kept = [one for one in gone if not any(one in each.children for each in emptied)]
    cuts = [_cut(packet.data, element) for element in (*kept, *emptied)]
    cuts += [_attribute(packet, each) for each in packet.descriptions if RECORD in each.attributes]
    data = packet.data
    for start, end in sorted(cuts, reverse=True):
        data = data[:start] + data[end:]
    return data


def _cut(data: bytes, element: Element) -> tuple[int, int]:
    return element.start - len(_space_before(data, element.start)), element.end


def _attribute(packet: Packet, description: Element) -> tuple[int, int]:
    """Find our record as an attribute, as exiv2 writes it, with the space before it."""
    prefix = re.escape(packet.prefixes.get(OURS, _PREFIXES[OURS])).encode()
    pattern = rb"\s+" + prefix + rb""":record\s*=\s*("[^"]*"|'[^']*')"""
    match = re.compile(pattern).search(packet.data, description.start, description.inside)
    if match is None:
        raise refuse("its record of our tags is written in a form that is rare")
    return match.start(), match.end()


def _space_before(data: bytes, at: int) -> bytes:
    near = data[max(0, at - 4096) : at]
    return near[len(near.rstrip(b" \t\r\n")) :]


def _short(name: str) -> str:
    return name.rpartition(" ")[2]
