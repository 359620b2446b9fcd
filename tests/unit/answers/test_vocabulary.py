"""The vocabulary: what is shipped, and what users make of it."""

import re
from pathlib import Path

import pytest

from resnext.answers.vocabulary import Entry, built_in_text, parse_vocabulary, read_vocabulary
from resnext.errors import UsageError
from resnext.records import Label
from support.labelled import imagenet

OWN = tuple(Label(index, name, name) for index, name in enumerate(["ants", "bees", "fire ant", "a/b"]))
FEW = (
    Label(0, "Pembroke", "Pembroke", "n02113023"),
    Label(1, "Cardigan", "Cardigan", "n02113186"),
    Label(2, "pug", "pug", "n02110958"),
    Label(3, "pizza", "pizza", "n07873807"),
)
OUTLINE = """# a comment
animal
  dog + pet
    corgi
      n02113023 pembroke corgi
      n02113186 cardigan corgi
    -n02110958 pug

pet
food
  n07873807 pizza
"""


def by_name(entries: tuple[Entry, ...]) -> dict[str, Entry]:
    return {entry.name: entry for entry in entries}


# -- what is shipped -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped(timm: object) -> tuple[Entry, ...]:
    return parse_vocabulary(built_in_text(), imagenet(), "vocabulary.txt")


def test_every_class_has_a_short_name_of_its_own_and_a_group() -> None:
    lines = [line for line in built_in_text().splitlines() if not line.startswith("#")]
    classes = [match for line in lines if (match := re.fullmatch(r"( *)-?(n\d{8}) ([^+]+?)( \+ .*)?", line))]
    assert len({match[2] for match in classes}) == len(classes) == 1000
    assert all(match[1] for match in classes)  # indented: below a group
    names = [match[3] for match in classes]
    assert len({name.casefold() for name in names}) == 1000
    assert [name for name in names if name != name.lower() or len(name) > 21] == []


def test_the_shipped_vocabulary_says_what_people_say(shipped: tuple[Entry, ...]) -> None:
    names = by_name(shipped)
    assert names["corgi"].path == ("animal", "dog", "corgi")
    assert names["corgi"].classes == (263, 264)
    assert names["dog"].classes == tuple(range(151, 269))
    assert names["cat"].classes == (281, 282, 283, 284, 285)
    assert names["crane (bird)"].classes == (134,) and names["crane (machine)"].classes == (517,)
    assert names["pizza"].path == ("food", "meal", "pizza") and names["pizza"].synset == "n07873807"
    assert 404 in names["vehicle"].classes and 404 in names["aircraft"].classes
    assert not {"artifact", "instrumentality", "placental", "paraphernalia", "matter"} & names.keys()
    assert 190 < sum(not entry.synset for entry in shipped) < 300


def test_no_two_names_stand_for_the_same_classes(shipped: tuple[Entry, ...]) -> None:
    assert len({entry.classes for entry in shipped}) == len(shipped)


def test_the_narrowest_stand_first(shipped: tuple[Entry, ...]) -> None:
    sizes = [len(entry.classes) for entry in shipped]
    assert sizes == sorted(sizes)


def test_the_text_is_small_and_carries_the_notice_of_its_source() -> None:
    assert len(built_in_text().encode()) <= 40_000
    assert "Princeton University" in built_in_text()


# -- an outline ------------------------------------------------------------------------------------------------------


def test_an_outline_is_read() -> None:
    names = by_name(parse_vocabulary(OUTLINE, FEW, "mine.txt"))
    assert names == {
        "pembroke corgi": Entry(("animal", "dog", "corgi", "pembroke corgi"), (0,), "n02113023"),
        "cardigan corgi": Entry(("animal", "dog", "corgi", "cardigan corgi"), (1,), "n02113186"),
        "corgi": Entry(("animal", "dog", "corgi"), (0, 1)),
        "dog": Entry(("animal", "dog"), (0, 1, 2)),  # what is ignored counts here
        "pet": Entry(("pet",), (0, 1, 2)),
        "animal": Entry(("animal",), (0, 1, 2)),
        "pizza": Entry(("food", "pizza"), (3,), "n07873807"),
        "food": Entry(("food",), (3,)),
    }


def test_what_stands_below_an_ignored_group_is_ignored_too() -> None:
    names = by_name(parse_vocabulary(OUTLINE.replace("  dog", "  -dog"), FEW, "mine.txt"))
    assert names.keys() == {"animal", "pet", "food", "pizza"}
    assert names["animal"].classes == (0, 1, 2)


def test_names_may_be_of_any_language_and_tabs_indent() -> None:
    names = by_name(parse_vocabulary("動物\n\tn02110958 パグ\r\n", FEW, "mine.txt"))
    assert names["パグ"].path == ("動物", "パグ")


def test_classes_without_synsets_go_by_the_models_own_names() -> None:
    names = by_name(parse_vocabulary("insects\n ants\n fire ant = red ant\n -bees\n", OWN, "mine.txt"))
    assert names == {
        "ants": Entry(("insects", "ants"), (0,)),
        "red ant": Entry(("insects", "red ant"), (2,)),
        "insects": Entry(("insects",), (0, 1, 2)),
    }


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("dog\n n02113023 corgi\n n99999999 unicorn\n", 3, "the model has no class n99999999"),
        ("dog\n wolpertinger = wolf\n", 2, "the model has no class 'wolpertinger'"),
        ("a\n n02113023 corgi\n n02113186 Corgi\n", 3, "the name 'Corgi' is used twice, first in line 2"),
        ("a\n n02113023 x\nb\n n02113023 y\n", 4, "this class stands in line 2 already"),
        ("a\n n02113023 x + b\n", 2, "no group is called 'b'"),
        ("a + b\n n02113023 x\nb + c\nc + a\n", 1, "these groups go round in a circle: "),
        ("a\n b + b\n  n02113023 x\n", 2, "these groups go round in a circle: b > b"),
        ("a\n n02113023 x\nb\n", 3, "'b' is no class of the model, and a group without classes"),
        ("a\n n02113023 x\n  n02113186 y\n", 2, "a class can't hold other lines"),
        ("a\n n02113023 cat|dog\n", 2, "the name 'cat|dog' holds one of | / ,"),
        ("a\n n02113023 x\x1b[2J\n", 2, "holds what can't be printed"),
        ("a\n -\n", 2, "has no name"),
        ("".join(" " * depth + f"g{depth}\n" for depth in range(40)) + " " * 40 + "n02113023 x\n", 33, "groups deep"),
    ],
)
def test_a_fault_is_told_with_its_line(text: str, line: int, what: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_vocabulary(text, FEW, "mine.txt")
    message = str(error.value)
    assert message.startswith(f"mine.txt:{line}: ") and what in message
    assert "\n" not in message and message.isprintable()


def test_what_the_model_lacks_is_no_fault_of_the_shipped_vocabulary() -> None:
    names = by_name(read_vocabulary(None, FEW))
    assert names["corgi"].classes == (0, 1) and names["pizza"].classes == (3,)
    assert "cat" not in names


def test_a_model_of_other_classes_is_its_own_vocabulary() -> None:
    assert [entry.path for entry in read_vocabulary(None, OWN)] == [("ants",), ("bees",), ("fire ant",), ("a/b",)]


def test_a_file_that_is_none(tmp_path: Path) -> None:
    for content in (b"\xff\xfea\x00", None):
        path = tmp_path / "mine.txt"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(UsageError, match=r"mine\.txt: "):
            read_vocabulary(path, FEW)
        path.unlink(missing_ok=True)
    with pytest.raises(UsageError, match="not a regular file"):
        read_vocabulary(tmp_path, FEW)
