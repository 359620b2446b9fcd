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
