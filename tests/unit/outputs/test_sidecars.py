"""Tags into the bytes of sidecars and out again: what is not ours stays as it is."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnext.errors import FailureCode, InputError
from resnext.outputs.sidecars.edit import with_tags, without_tags, without_values
from resnext.outputs.sidecars.keywords import Wish
from resnext.outputs.sidecars.packet import HIERARCHICAL, SUBJECT, TAGS_LIST, lenient_lists, parse
from support.sidecars import DARKTABLE, DIGIKAM_WRITES, EXIFTOOL, NO_LINES, SOUND, UNSAFE

CORGI = Wish((("animal", "dog", "corgi"),))
PIZZA = Wish((("food", "pizza"),))


def lists(data: bytes | None) -> dict[str, tuple[str, ...]]:
    """The lists as another XML reader finds them."""
    assert data is not None
    found = {}
    for name in (SUBJECT, HIERARCHICAL, TAGS_LIST):
        tag = "{%s}%s" % tuple(name.split(" "))  # noqa: UP031
        for element in ElementTree.fromstring(data).iter(tag):
            found[name] = tuple("".join(item.itertext()) for item in element[0])
    return found


@pytest.mark.parametrize("name", SOUND)
def test_tagged_and_undone_is_the_same_to_the_byte(name: str) -> None:
    data = SOUND[name].encode()
    tagged = with_tags(data, CORGI, {})
    assert tagged.data is not None and tagged.data != data
    assert (tagged.added, tagged.removed) == (("auto|animal|dog|corgi",), ())
    undone = without_tags(tagged.data)
    assert (undone.data, undone.removed) == (data, ("auto|animal|dog|corgi",))


@pytest.mark.parametrize("name", SOUND)
def test_every_reader_finds_our_tags_and_the_users(name: str) -> None:
    data = SOUND[name].encode()
    before, after = lists(data), lists(with_tags(data, CORGI, {}).data)
    ours = {SUBJECT: "corgi", HIERARCHICAL: "auto|animal|dog|corgi", TAGS_LIST: "auto/animal/dog/corgi"}
    for each, value in ours.items():
        assert after[each][-1] == value
        assert after[each][: len(before.get(each, ()))] == before.get(each, ())


@pytest.mark.parametrize("name", SOUND)
def test_bytes_are_only_added(name: str) -> None:
    """What stood in the file stands in the result, in the same order: an empty list alone is opened."""
    data = SOUND[name].encode()
    tagged = with_tags(data, CORGI, {}).data
    assert tagged is not None
    rest = iter(tagged)
    assert all(byte in rest for byte in data.replace(b"<r:Bag/>", b"<r:Bag"))


@pytest.mark.parametrize("name", SOUND)
def test_a_second_run_changes_nothing_and_another_answer_replaces_the_first(name: str) -> None:
    data = SOUND[name].encode()
    once = with_tags(data, CORGI, {})
    assert once.data is not None
    twice = with_tags(once.data, CORGI, {})
    assert (twice.data, twice.added, twice.removed) == (once.data, (), ())
    other = with_tags(once.data, PIZZA, {})
    assert other.data == with_tags(data, PIZZA, {}).data
    assert (other.added, other.removed) == (("auto|food|pizza",), ("auto|animal|dog|corgi",))
    assert with_tags(once.data, Wish(()), {}).data == data


def test_a_new_sidecar_holds_the_photos_own_keywords_in_every_list() -> None:
    photo = {SUBJECT: ("Holiday", "Oma"), HIERARCHICAL: ("people|Oma",)}
    tagged = with_tags(None, CORGI, photo)
    assert lists(tagged.data) == {
        SUBJECT: ("Holiday", "Oma", "corgi"),
        HIERARCHICAL: ("people|Oma", "Holiday", "auto|animal|dog|corgi"),
        TAGS_LIST: ("people/Oma", "Holiday", "auto/animal/dog/corgi"),
    }
    assert tagged.kept == ("Holiday", "Oma", "people|Oma")
    assert tagged.data is not None
    assert without_tags(tagged.data).data is None
    assert with_tags(tagged.data, CORGI, photo).data == tagged.data
    assert with_tags(tagged.data, Wish(()), photo).data is None
    assert with_tags(None, Wish(()), photo).data is None


def test_a_new_list_in_an_old_sidecar_hides_nothing_either() -> None:
    tagged = with_tags(EXIFTOOL.encode(), CORGI, {HIERARCHICAL: ("people|Oma",), SUBJECT: ("hidden already",)})
    found = lists(tagged.data)
    assert found[SUBJECT] == ("one", "corgi")
    assert found[HIERARCHICAL] == ("people|Oma", "one", "auto|animal|dog|corgi")
    assert found[TAGS_LIST] == ("people/Oma", "one", "auto/animal/dog/corgi")


def test_what_the_user_has_is_not_added_in_another_case() -> None:
    data = NO_LINES.replace("<rdf:Bag></rdf:Bag>", "<rdf:Bag><rdf:li>CORGI</rdf:li></rdf:Bag>").encode()
    tagged = with_tags(data, CORGI, {})
    assert lists(tagged.data)[SUBJECT] == ("CORGI",)
    assert tagged.data is not None and without_tags(tagged.data).data == data


def test_without_root_and_without_flat() -> None:
    found = lists(with_tags(None, CORGI._replace(root="", flat=False), {}).data)
    assert found == {HIERARCHICAL: ("animal|dog|corgi",), TAGS_LIST: ("animal/dog/corgi",)}


@settings(deadline=None, max_examples=100)
@given(st.lists(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=3), min_size=1, max_size=3))
def test_any_name_can_be_written_and_undone(paths: list[list[str]]) -> None:
    wish = Wish(tuple(tuple(path) for path in paths))
    for data in (DARKTABLE.encode(), None):
        tagged = with_tags(data, wish, {}).data
        assert tagged is not None
        ElementTree.fromstring(tagged)
        assert all(value.count("|") == tag.count("/") for value, tag in zip(
            wish.values(HIERARCHICAL), wish.values(TAGS_LIST), strict=True))  # fmt: skip
        assert without_tags(tagged).data == data
        assert with_tags(tagged, wish, {}).data == tagged


# -- others wrote since ----------------------------------------------------------------------------------------------


def test_after_others_wrote_only_our_values_go() -> None:
    tagged = with_tags(DIGIKAM_WRITES.encode(), CORGI, {}).data
    assert tagged is not None
    changed = tagged.replace(b'xmp:Rating="4"', b'xmp:Rating="1"').replace(b">Holiday<", b">Ferien<")
    undone = without_tags(changed)
    expected = DIGIKAM_WRITES.replace('xmp:Rating="4"', 'xmp:Rating="1"').replace(">Holiday<", ">Ferien<").encode()
    assert undone.removed == ("auto|animal|dog|corgi",)
    assert undone.data is not None
    assert re.sub(rb"\s+", b" ", undone.data) == re.sub(rb"\s+", b" ", expected)


def test_a_sidecar_of_ours_in_which_others_wrote_stays_with_what_is_theirs() -> None:
    tagged = with_tags(None, CORGI, {}).data
    assert tagged is not None
    rated = tagged.replace(b"</rdf:RDF>", b' <rdf:Description xmlns:xmp="urn:x/" xmp:Rating="5"/>\n</rdf:RDF>')
    undone = without_tags(rated)
    assert undone.data is not None and b'xmp:Rating="5"' in undone.data
    assert lists(undone.data) == {} and b"corgi" not in undone.data and b"resnext" not in undone.data


def test_a_list_that_others_went_on_with_keeps_the_users_words() -> None:
    """The photo's own Holiday would be hidden by the list that digiKam went on with."""
    tagged = with_tags(None, CORGI, {SUBJECT: ("Holiday",)}).data
    assert tagged is not None
    gone_on = tagged.replace(b"auto/animal/dog/corgi</rdf:li>", b"auto/animal/dog/corgi</rdf:li><rdf:li>Sea</rdf:li>")
    undone = without_tags(gone_on)
    assert lists(undone.data) == {TAGS_LIST: ("Holiday", "Sea")}


def test_our_record_as_an_attribute_as_exiv2_writes_it() -> None:
    tagged = with_tags(DARKTABLE.encode(), CORGI, {}).data
    assert tagged is not None
    text = tagged.decode()
    record = re.search(r"\s*<resnext:record>(.*?)</resnext:record>", text, re.DOTALL)
    assert record is not None
    attribute = f'<rdf:Description rdf:about="" resnext:record="{record[1].replace(chr(34), "&quot;")}"'
    begin = '<rdf:Description rdf:about=""'
    moved = text.replace(record[0], "").replace(f"{begin}\n  xmlns:digiKam", f"{attribute}\n  xmlns:digiKam")
    undone = without_tags(moved.encode())
    assert undone.removed == ("auto|animal|dog|corgi",)
    assert lists(undone.data) == lists(DARKTABLE.encode()) and b":record=" not in (undone.data or b"")


def test_values_can_be_taken_out_without_a_record() -> None:
    edited = with_tags(DARKTABLE.encode(), CORGI, {})
    assert edited.data is not None and edited.record is not None
    lost = re.sub(rb"\s*<resnext:record>.*?</resnext:record>", b"", edited.data, flags=re.DOTALL)
    left = without_values(lost, edited.record.tags, edited.record.added, edited.record.made)
    assert lists(left) == lists(DARKTABLE.encode())


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"version":2}', "x" * 1000, "{" * 5000])
def test_a_record_that_is_none_is_refused(text: str) -> None:
    tagged = with_tags(DARKTABLE.encode(), CORGI, {}).data
    assert tagged is not None
    spoiled = re.sub(rb"(<resnext:record>).*?(</)", rb"\g<1>" + text.encode() + rb"\2", tagged, flags=re.DOTALL)
    with pytest.raises(InputError, match="record of our tags"):
        without_tags(spoiled)


# -- what can't be edited safely -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", UNSAFE)
def test_what_is_unsafe_is_refused_with_its_reason(name: str) -> None:
    data, reason = UNSAFE[name]
    with pytest.raises(InputError, match=reason) as error:
        with_tags(data, CORGI, {})
    assert error.value.code is FailureCode.SIDECAR
    assert str(error.value).startswith("the sidecar stays as it is: ")


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_damaged_sidecars_are_refused_or_edited_and_undone(data: st.DataObject) -> None:
    """Whatever the bytes are: an InputError, or a result that leads back to them."""
    content = bytearray(data.draw(st.sampled_from([DARKTABLE, DIGIKAM_WRITES, EXIFTOOL])).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=4))
    try:
        tagged = with_tags(bytes(content), CORGI, {}).data
    except InputError:
        return
    assert tagged is not None
    assert without_tags(tagged).data == bytes(content)


def test_packets_inside_photos_are_read_in_whatever_form() -> None:
    assert lenient_lists(UNSAFE["plain text"][0]) == {SUBJECT: ("a",)}
    assert lenient_lists(UNSAFE["attribute"][0]) == {SUBJECT: ("a",)}
    assert lenient_lists(DARKTABLE.encode())[HIERARCHICAL] == ("people|Zoë & Oma",)
    assert lenient_lists(b"") == lenient_lists(b"<a>") == lenient_lists(UNSAFE["billion laughs"][0]) == {}


def test_positions_are_those_of_the_file() -> None:
    packet = parse(DARKTABLE.encode())
    found = packet.lists[SUBJECT]
    assert [packet.data[item.start : item.end] for item in found.items] == [
        b"<rdf:li>Holiday</rdf:li>",
        "<rdf:li>Zoë &amp; Oma</rdf:li>".encode(),
    ]
