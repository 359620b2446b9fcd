"""What photos show: by folders, by a table, and the classes that are then right."""

import os
from pathlib import Path

import pytest

from resnext.answers.truth import Names
from resnext.errors import InputError, UsageError
from resnext.pipeline.truths import NO_CLASS, FolderTruth, ListedTruth, Right, evaluated_folders
from resnext.records import Label
from resnext.sources.config import FolderConfig

LABELS = [Label(0, "cat", "cat"), Label(1, "dog", "dog"), Label(2, "dog", "dog")]
NAMES = Names(LABELS, [])


def made(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


def test_folders_with_pictures_are_classes_and_nothing_else_is(tmp_path: Path) -> None:
    root = made(
        tmp_path,
        "cat/1.jpg",
        "dog/deep/2.png",
        "notes/x.txt",
        ".hidden/3.jpg",
        "@eaDir/4.jpg",
        "loose.jpg",
        "bird/.5.jpg",
    )
    (root / "empty").mkdir()
    truth = FolderTruth([str(root)], FolderConfig())
    assert list(truth.names()) == ["cat", "dog"]
    assert list(FolderTruth([str(root)], FolderConfig(include_hidden=True)).names()) == [
        ".hidden",
        "bird",
        "cat",
        "dog",
    ]
    assert truth.of(str(root / "dog" / "deep" / "2.png")) == "dog"
    for file in (root / "loose.jpg", root.parent / "other.jpg"):
        with pytest.raises(InputError, match="in no folder"):
            truth.of(str(file))


def test_a_table_is_found_by_whatever_spelling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text(
        "file,label\nphotos/a.jpg,cat\nb.jpg,dog\nc.jpg,cat\nc.jpg,dog\nd.jpg,cat\nd.jpg,cat\ne.jpg,\n"
    )
    truth = ListedTruth(Path("t.csv"), None, None, ["photos"])
    assert sorted(truth.names()) == ["cat", "dog"]
    for file in ("photos/a.jpg", "./photos/a.jpg", f"{tmp_path}/photos/a.jpg", "photos/a.jpg#frame=2"):
        assert truth.of(file) == "cat"
    assert truth.of("photos/b.jpg") == truth.of("b.jpg") == "dog"  # below the folder that was named
    assert truth.of("d.jpg") == "cat"
    with pytest.raises(InputError, match="two different things"):
        truth.of("c.jpg")
    for file in ("e.jpg", "../b.jpg", "z.jpg"):
        with pytest.raises(InputError, match="does not say"):
            truth.of(file)
    assert (truth.silent, truth.first_silent) == (1, "row 8: no label under 'label'")


@pytest.mark.parametrize(
    ("content", "message"),
    [("file,label\n", "it has no rows"), ("file,label\na,\n", "row 2: no label"), ("a,b\n", "no column 'file'")],
)
def test_a_table_that_says_nothing(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(content)
    with pytest.raises(UsageError, match=message):
        ListedTruth(path, None, None, [])


def test_a_table_that_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(UsageError, match="not a regular file"):
        ListedTruth(tmp_path / "t.csv", None, None, [])


def test_the_right_classes_of_a_name(tmp_path: Path) -> None:
    root = made(tmp_path, "cat/1.jpg", "dog/2.jpg")
    truth = FolderTruth([str(root)], FolderConfig())
    right = Right(truth, LABELS, NAMES)
    assert right.of(f"{root}/cat/1.jpg") == ("cat", (0,))
    assert right.of(f"{root}/dog/2.jpg") == ("dog", (1, 2))  # two classes are called so
    made(root, "bird/3.jpg")
    with pytest.raises(InputError, match="'bird' is no class of the model"):  # made while the run went on
        right.of(f"{root}/bird/3.jpg")
    with pytest.raises(UsageError, match="'bird' is neither a class of the model nor a tag"):
        Right(truth, LABELS, NAMES)
    lenient = Right(truth, LABELS, NAMES, lenient=True)
    assert lenient.of(f"{root}/bird/3.jpg") == ("bird", NO_CLASS)
    assert lenient.of(f"{root}/bird/4.jpg") == ("bird", NO_CLASS)
    assert lenient.unknown == ["bird"]


def test_folders_in_folders_are_classes_where_the_models_are_called_so(tmp_path: Path) -> None:
    root = made(tmp_path, "dog/corgi/1.jpg", "dog/2.jpg", "cat/deep/3.jpg")
    labels = [Label(0, "dog", "dog"), Label(1, "dog/corgi", "dog/corgi"), Label(2, "cat/deep", "cat/deep")]
    right = Right(FolderTruth([str(root)], FolderConfig()), labels, Names(labels, []))
    assert [right.of(f"{root}/{file}") for file in ("dog/corgi/1.jpg", "dog/2.jpg", "cat/deep/3.jpg")] == [
        ("dog/corgi", (1,)), ("dog", (0,)), ("cat/deep", (2,))
    ]  # fmt: skip
    plain = [Label(0, "dog", "dog"), Label(1, "cat", "cat")]
    assert Right(FolderTruth([str(root)], FolderConfig()), plain, Names(plain, [])).of(f"{root}/dog/corgi/1.jpg") == (
        "dog",
        (0,),
    )


def test_a_folder_whose_name_is_not_utf_8_is_called_as_a_class_of_it_is(tmp_path: Path) -> None:
    photo = tmp_path / os.fsdecode(b"caf\xe9") / "1.jpg"
    made(tmp_path, str(photo.relative_to(tmp_path)))
    truth = FolderTruth([str(tmp_path)], FolderConfig())
    assert list(truth.names()) == [r"caf\xe9"] and truth.of(str(photo)) == r"caf\xe9"


def test_photos_to_train_on_are_not_evaluated(tmp_path: Path) -> None:
    root = made(tmp_path, "train/cat/1.jpg", "val/cat/2.jpg", "test/cat/3.jpg")
    assert evaluated_folders([str(root)]) == ((str(root / "test"),), [f"{root}: evaluating {root / 'test'}"])
    (root / "test" / "cat" / "3.jpg").unlink()
    (root / "test" / "cat").rmdir()
    (root / "test").rmdir()
    assert evaluated_folders([str(root), "other"])[0] == (str(root / "val"), "other")
    made(root / "alone", "train/cat/1.jpg")
    with pytest.raises(UsageError, match="holds nothing but"):
        evaluated_folders([str(root / "alone")])
