"""What a photo shows, in whatever words people have for it."""

import pytest

from resnext.answers.truth import Names
from resnext.answers.vocabulary import Entry
from resnext.errors import UsageError
from resnext.records import Label

LABELS = (
    Label(0, "crane", "crane", "n02012849"),
    Label(1, "crane", "crane", "n03126707"),
    Label(2, "Pembroke", "Pembroke, Pembroke Welsh corgi", "n02113023"),
    Label(3, "Cardigan", "Cardigan, Cardigan Welsh corgi", "n02113186"),
)
NAMES = Names(LABELS, [Entry(("bird", "crane (bird)"), (0,)), Entry(("dog",), (2, 3)), Entry(("cardigan",), (3,))])


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("2", (2,)),
        ("n02113186", (3,)),
        ("pembroke", (2,)),
        ("Pembroke_Welsh_corgi", (2,)),
        ("DOG", (2, 3)),
        ("crane (bird)", (0,)),
        ("crane", (0, 1)),  # two classes bear the name: either is right
        ("none", ()),
    ],
)
def test_a_name_leads_to_its_classes(name: str, classes: tuple[int, ...]) -> None:
    assert NAMES.classes_of(name) == classes


def test_an_unknown_name_is_told_with_what_is_near() -> None:
    with pytest.raises(UsageError, match=r"'pembrok' is neither a class of the model nor a tag .*near to it: pembroke"):
        NAMES.classes_of("pembrok")


def test_own_classes_go_by_their_own_names() -> None:
    digits = Names([Label(index, name, name) for index, name in enumerate(["1", "2", "10"])], [])
    assert digits.classes_of("1") == (0,) and digits.classes_of("10") == (2,)
    with pytest.raises(UsageError):  # where numbers are names, they are no indices
        digits.classes_of("0")
    spelled = Names([Label(0, "a_b", "a_b"), Label(1, "a b", "a b"), Label(2, "None", "None")], [])
    assert (spelled.classes_of("a_b"), spelled.classes_of("a b"), spelled.classes_of("A-B")) == ((0,), (1,), (0, 1))
    assert spelled.classes_of("none") == (2,)
    decomposed = Names([Label(0, "caf\u00e9", "caf\u00e9")], [])
    assert decomposed.classes_of("cafe\u0301") == (0,)  # as macOS spells it


def test_two_classes_of_one_name_are_both_right() -> None:
    labels = [Label(0, "crane", "crane"), Label(1, "crane", "crane"), Label(2, "dog", "dog")]
    names = Names(labels, [Entry((label.name,), (label.index,)) for label in labels])
    assert names.classes_of("crane") == (0, 1) and names.classes_of("1") == (1,)


def test_many_unknown_names_are_one_line() -> None:
    with pytest.raises(UsageError, match=r"^'a0', 'a1', 'a2' and 97 more are no classes of the model"):
        NAMES.all_of([f"a{number}" for number in range(100)])
