"""Counting inputs beside a run."""

from pathlib import Path

import pytest

from resnext.sources.config import SourceConfig
from resnext.sources.counting import InputCount


def test_files_folders_and_patterns_are_counted_as_they_are_found(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.png", "notes.txt", "sub/c.jpg", "sub/.hidden.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    arguments = (str(tmp_path), str(tmp_path / "missing.jpg"), str(tmp_path / "*.jpg"))
    assert InputCount(arguments, SourceConfig()).wait(20) == 3 + 1 + 1


@pytest.mark.parametrize("argument", ["-", "https://example.org/a.jpg", "photos.zip!/a.jpg", "photos.tar.gz"])
def test_what_would_be_read_twice_is_not_counted(tmp_path: Path, argument: str) -> None:
    assert InputCount((str(tmp_path), argument), SourceConfig()).wait(1) is None


def test_a_list_is_not_counted(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("a.jpg\n")
    assert InputCount((), SourceConfig(files_from=(str(names),))).wait(1) is None
