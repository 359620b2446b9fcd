"""Patterns against folders made for them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from resnext.records import Failure
from resnext.sources import find
from resnext.sources.config import FolderConfig, SourceConfig

FILES = [
    *("img2.jpg", "img10.jpg", "notes.txt", "plain", ".hidden.jpg"),
    *("a/x.png", "a/b/y.png", "a/b/b/z.png", "a/.thumbs/t.png", "@eaDir/e.png", "c/img2.jpg/inside.png"),
]
Matches = Callable[..., list[str]]


@pytest.fixture
def matches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Matches:
    for file in FILES:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)

    def run(pattern: str, config: FolderConfig | None = None) -> list[str]:
        found = find([pattern], SourceConfig(folders=config or FolderConfig()))
        return [f"!{item.code}" if isinstance(item, Failure) else item.file for item in found]

    return run


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.jpg", ["img2.jpg", "img10.jpg"]),
        ("img?.jpg", ["img2.jpg"]),
        ("img[0-9][0-9].jpg", ["img10.jpg"]),
        ("*", ["a/b/b/z.png", "a/b/y.png", "a/x.png", "c/img2.jpg/inside.png", "img2.jpg", "img10.jpg"]),
        ("*.txt", ["notes.txt"]),
        ("**/*.png", ["a/b/b/z.png", "a/b/y.png", "a/x.png", "c/img2.jpg/inside.png"]),
        ("**", ["a/b/b/z.png", "a/b/y.png", "a/x.png", "c/img2.jpg/inside.png", "img2.jpg", "img10.jpg"]),
        ("**/**/z.png", ["a/b/b/z.png"]),
        ("a/**/b/*.png", ["a/b/y.png", "a/b/b/z.png"]),
        ("**/b/**/*.png", ["a/b/b/z.png", "a/b/y.png"]),
        ("**/img2.jpg", ["c/img2.jpg/inside.png", "img2.jpg"]),
        ("./*/x.png", ["./a/x.png"]),
        ("a/*/", ["a/b/b/z.png", "a/b/y.png"]),
        (".*.jpg", [".hidden.jpg"]),
        ("a/.th*/*", ["a/.thumbs/t.png"]),
        ("@eaDir/*", ["@eaDir/e.png"]),
        ("*.gif", ["!no_images"]),
        ("nowhere/*.jpg", ["!no_images"]),
        ("a/x.png/*", ["!no_images"]),
        ("img2.jpg\0*", ["img2.jpg\0*"]),
    ],
)
def test_patterns_match_in_natural_order_and_once(matches: Matches, pattern: str, expected: list[str]) -> None:
    assert matches(pattern) == expected


def test_hidden_files_come_when_asked_for(matches: Matches) -> None:
    assert matches("**/*.png", FolderConfig(include_hidden=True)) == [
        *("a/.thumbs/t.png", "a/b/b/z.png", "a/b/y.png", "a/x.png", "c/img2.jpg/inside.png"),
    ]


def test_a_file_wins_over_the_pattern_that_its_name_is(matches: Matches, tmp_path: Path) -> None:
    (tmp_path / "img[0-9].jpg").touch()
    assert matches("img[0-9].jpg") == ["img[0-9].jpg"]
    assert matches(f"{tmp_path}/img[0].jpg") == ["!no_images"]


def test_a_link_back_up_ends(matches: Matches, tmp_path: Path) -> None:
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    assert matches("a/**/x.png") == ["a/x.png"]  # a/up/a is a again
    assert matches("**/z.png") == ["a/b/b/z.png"]


def test_absolute_patterns(matches: Matches, tmp_path: Path) -> None:
    assert matches(f"{tmp_path}/*.txt") == [f"{tmp_path}/notes.txt"]
