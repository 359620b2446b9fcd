"""Class names from a user's file."""

import json
from pathlib import Path
from typing import Any

import pytest

from resnext.answers.own_labels import read_labels
from resnext.errors import UsageError


def names(tmp_path: Path, content: str | bytes, count: int) -> list[str]:
    path = tmp_path / "labels"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    labels = read_labels(path, count)
    assert [label.index for label in labels] == list(range(count))
    assert all(label.description == label.name and label.synset is None for label in labels)
    return [label.name for label in labels]


@pytest.mark.parametrize(
    "content",
    [
        "cat\nsea lion\nowl\n",
        "cat\nsea lion\nowl",
        "cat\r\nsea lion\r\nowl\r\n",
        "  cat \n\tsea lion\nowl\n   ",
        b"\xef\xbb\xbfcat\nsea lion\nowl\n",
        '["cat", "sea lion", "owl"]',
        '\n {"0": "cat", "2": "owl", "1": "sea lion"}\n',
    ],
    ids=["lines", "no last newline", "CRLF", "spaces", "byte order mark", "JSON list", "JSON object"],
)
def test_every_spelling_gives_the_same_labels(tmp_path: Path, content: str | bytes) -> None:
    assert names(tmp_path, content, 3) == ["cat", "sea lion", "owl"]


def test_lines_may_begin_with_brackets_and_end_with_blank_lines(tmp_path: Path) -> None:
    assert names(tmp_path, "[unknown]\ncat\n\n\n", 2) == ["[unknown]", "cat"]
    assert names(tmp_path, "{other}\n[1] cat\n \n", 2) == ["{other}", "[1] cat"]


def test_a_label_may_hold_any_character_but_a_newline(tmp_path: Path) -> None:
    odd = ["Möwe\u2028zwei", "猫", "a,b\x0bc", '"quoted"']
    assert names(tmp_path, "\n".join(odd), 4) == odd
    assert names(tmp_path, json.dumps([*odd, "a\nb"]), 5) == [*odd, "a\nb"]


def test_an_object_is_read_by_number_not_by_text(tmp_path: Path) -> None:
    labels = {str(index): f"class {index}" for index in sorted(range(120), key=str)}
    assert names(tmp_path, json.dumps(labels), 120) == [f"class {index}" for index in range(120)]


@pytest.mark.parametrize("content", ["cat\nowl\n", "cat\nowl\nfox\nbat\n", "", "[]", "{}", '["cat"]'])
def test_a_label_for_every_class_and_no_more(tmp_path: Path, content: str) -> None:
    with pytest.raises(UsageError, match="3 classes"):
        names(tmp_path, content, 3)


@pytest.mark.parametrize(
    "content",
    [
        '["cat", "owl"',
        '["cat", 3]',
        '["cat", null]',
        '["cat", ["owl"]]',
        '{"0": "cat", "2": "owl"}',
        '{"cat": 0, "owl": 1}',
        '{"00": "cat", "1": "owl"}',
        '{"0": "cat", "1": {"name": "owl"}}',
        "[" * 100_000,
        b"\xff\xfec\0a\0t\0\n\0",
        b"cat\n\xe9\n",
    ],
    ids=lambda content: str(content)[:30],
)
def test_what_names_no_classes_is_refused(tmp_path: Path, content: Any) -> None:
    with pytest.raises(UsageError, match="labels"):
        names(tmp_path, content, 2)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.txt", tmp_path):
        with pytest.raises(UsageError, match="can't read the labels"):
            read_labels(path, 2)
