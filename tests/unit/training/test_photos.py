"""Where labels are from: folders of folders, and what lies among them that is no class; tables."""

import os
from pathlib import Path

import pytest

from resnext.errors import UsageError
from resnext.sources.config import FolderConfig, SourceConfig
from resnext.training.photos import FoundPhotos, in_folders, in_table


def _touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def _classes(found: FoundPhotos) -> dict[str, int]:
    counts: dict[str, int] = {}
    for each in found.of("train"):
        counts[each.name] = counts.get(each.name, 0) + 1
    return counts


def test_what_is_no_class_is_named(tmp_path: Path) -> None:
    _touch(tmp_path, "cat/1.jpg", "cat/notes.txt", "dog/1.jpg", "dog/2.png", "loose.jpg", ".git/1.jpg", "@eaDir/1.jpg")
    (tmp_path / "empty").mkdir()
    found = in_folders(str(tmp_path), FolderConfig(), nested=False)
    assert _classes(found) == {"cat": 1, "dog": 2} and not found.failures
    said = "\n".join(found.notes)
    for words in ("empty: holds no photo", "loose.jpg: in no folder", ".git, @eaDir: hidden"):
        assert words in said
    assert len(found.notes) == 3


def test_folders_in_the_folders_of_classes_are_merged_aloud_or_are_classes(tmp_path: Path) -> None:
    _touch(tmp_path, "animals/1.jpg", "animals/cat/1.jpg", "animals/dog/big/1.jpg", "plants/1.jpg")
    merged = in_folders(str(tmp_path), FolderConfig(), nested=False)
    assert _classes(merged) == {"animals": 3, "plants": 1}
    assert len(merged.notes) == 1 and "2 photos in its cat, dog count as 'animals'; --nested" in merged.notes[0]
    nested = in_folders(str(tmp_path), FolderConfig(), nested=True)
    assert _classes(nested) == {"animals": 1, "animals/cat": 1, "animals/dog/big": 1, "plants": 1}
    assert not nested.notes


def test_splits_are_known_by_their_names(tmp_path: Path) -> None:
    _touch(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "Val/a/2.jpg", "test/b/3.jpg", "other/c/1.jpg")
    found = in_folders(str(tmp_path), FolderConfig(), nested=False)
    assert _classes(found) == {"a": 1, "b": 1}
    assert [each.name for each in found.of("val")] == ["a"] and [each.name for each in found.of("test")] == ["b"]
    assert len(found.notes) == 1 and "other beside train/" in found.notes[0]
    _touch(tmp_path, "only/test/1.jpg", "only/exam/1.jpg")  # no train/ beside it: a class that is called test
    assert _classes(in_folders(str(tmp_path / "only"), FolderConfig(), nested=False)) == {"exam": 1, "test": 1}


def test_classes_that_differ_in_case_alone_are_asked_about(tmp_path: Path) -> None:
    _touch(tmp_path, "Cat/1.jpg", "cat/1.jpg", "my dog/1.jpg", "my_dog/1.jpg")
    found = in_folders(str(tmp_path), FolderConfig(), nested=False)
    assert len(_classes(found)) == 4
    assert found.notes == [
        "Cat, cat are different classes; is that meant?",
        "my dog, my_dog are different classes; is that meant?",
    ]


def test_a_name_that_is_not_utf_8_is_written_out(tmp_path: Path) -> None:
    _touch(tmp_path, os.fsdecode(b"caf\xe9/1.jpg"))
    (found,) = in_folders(str(tmp_path), FolderConfig(), nested=False).of("train")
    assert found.name == r"caf\xe9"


def test_a_table_gives_names_and_what_it_does_not_say_is_a_failure(tmp_path: Path) -> None:
    _touch(tmp_path, "1.jpg", "deep/2.jpg", "deep/3.jpg")
    table = tmp_path / "labels.csv"
    table.write_text(f"file,label\n{tmp_path}/1.jpg,cat\n{tmp_path}/deep,dog\n{tmp_path}/1.jpg,\n")
    found = in_table(str(table), SourceConfig(), None, None)
    assert _classes(found) == {"cat": 1, "dog": 2}
    assert [str(failure.code) for failure in found.failures] == ["bad_entry"]
    with pytest.raises(UsageError, match="no column 'species'"):
        in_table(str(table), SourceConfig(), None, "species")


def test_a_row_without_a_label_takes_nothing_from_a_photo_that_another_row_names(tmp_path: Path) -> None:
    table = tmp_path / "birds.csv"
    table.write_text("file,label\na.jpg,owl\na.jpg,\n,owl\nb.jpg,\nb.jpg,\nc.jpg,jay\n")
    found = in_table(str(table), SourceConfig(), None, None)
    assert [(each.source.file, each.name) for each in found.of("train")] == [("a.jpg", "owl"), ("c.jpg", "jay")]
    numbers = [each.source.file.removeprefix(f"{table}:") for each in found.failures]
    assert len(numbers) == 4 and numbers[0].isdecimal() and numbers[1].isdecimal() and numbers[2:] == ["b.jpg"] * 2
