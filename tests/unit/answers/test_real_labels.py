"""ReaL's labels as timm's package brings them."""

import json
from pathlib import Path

import pytest

from resnext.answers import real_labels
from resnext.answers.real_labels import RealLabels
from resnext.errors import UsageError
from resnext.records import Label

LABELS = [Label(index, str(index), str(index), f"n{index:08}") for index in range(1000)]


def test_they_are_those_of_timm() -> None:
    from importlib.metadata import files

    (path,) = [each for each in files("timm") or () if each.name == "imagenet_real_labels.json"]
    expected = json.loads(Path(str(path.locate())).read_text())
    found = RealLabels(LABELS)
    for number in (1, 2, 777, 50_000):
        for file in (
            f"a/ILSVRC2012_val_{number:08}.JPEG",
            f"ILSVRC2012_val_{number:08}.png",
            f"x\\ILSVRC2012_val_{number:08}",
        ):
            assert found.of(file) == tuple(expected[number - 1])
    assert () in {found.of(f"ILSVRC2012_val_{number:08}.JPEG") for number in range(1, 100)}  # nobody knows what


@pytest.mark.parametrize("file", ["dog.jpg", "ILSVRC2012_val_00000000.JPEG", "ILSVRC2012_val_00050001.JPEG", ""])
def test_another_file_has_none(file: str) -> None:
    assert RealLabels(LABELS).of(file) is None


def test_they_are_of_imagenets_classes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="1000 classes"):
        RealLabels(LABELS[:10])
    with pytest.raises(UsageError, match="1000 classes"):
        RealLabels([Label(index, str(index), str(index)) for index in range(1000)])
    monkeypatch.setattr(real_labels, "_FILE", ("missing.json",))
    with pytest.raises(UsageError, match="the installed timm lacks"):
        RealLabels(LABELS)
