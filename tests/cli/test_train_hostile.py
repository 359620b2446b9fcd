"""`resnext train` on folders and tables that mean harm: names, circles, sizes; nothing of them reaches the terminal."""

import base64
import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support.program import SAMPLES, clean_environment

CLASSES = [
    b"line\nbreak", b"\x1b[31mred\x1b]0;title\x07", "over\u202egnp".encode(), "iso\u2066late".encode(), b"caf\xe9",
    b"a|b `c` <img src=x onerror=alert(1)> $(reboot)", b"-o=evil", b"n" * 200,
]  # fmt: skip
# What a terminal obeys, or what turns text around.
_OBEYED = {
    *map(chr, range(32)),
    *map(chr, range(127, 160)),
    *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
} - {"\n"}


class Place(NamedTuple):
    root: Path
    cache: Path

    def run(self, *arguments: Any) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "resnext", *map(str, arguments)],
            env=clean_environment(self.root / "home", self.cache), cwd=self.root, capture_output=True, text=True,
            timeout=300, stdin=subprocess.DEVNULL,
        )  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, warm_cache: Path) -> Place:
    root = tmp_path_factory.mktemp("hostile")
    shutil.copytree(warm_cache, root / "cache")
    return Place(root, root / "cache")


def _photo(path: Path, number: int) -> None:
    """A small picture that no other has."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 40), (number * 9 % 256, number * 57 % 256, number * 91 % 256)).save(path, "PNG")


def _files(document: Any) -> Iterator[dict[str, Any]]:
    """All objects of a document that name a file."""
    if isinstance(document, dict):
        if "file" in document:
            yield document
        document = list(document.values())
    for each in document if isinstance(document, list) else ():
        yield from _files(each)


@pytest.fixture(scope="module")
def trained(place: Place) -> "subprocess.CompletedProcess[str]":
    """A model of classes with hostile names, in whose folders links go round in circles."""
    folders = [place.root / "photos" / os.fsdecode(name) for name in CLASSES]
    for at, folder in enumerate(folders):
        for each in range(3):
            _photo(folder / os.fsdecode(b"photo \xff\n%d.png" % each), 3 * at + each)
    (folders[0] / "round").symlink_to(".")
    (folders[1] / "far round").symlink_to(folders[1], target_is_directory=True)
    (folders[2].parent / "nothing").symlink_to("nothing")
    os.mkfifo(folders[3] / "pipe.png")
    return place.run("train", "photos", "-m", "lite0", "-o", "model")


def test_names_of_classes_are_kept_and_never_obeyed(place: Place, trained: "subprocess.CompletedProcess[str]") -> None:
    assert trained.returncode in (0, 1), trained.stderr
    assert not _OBEYED & set(trained.stdout + trained.stderr)
    config = json.loads((place.root / "model" / "config.json").read_text())
    names = [name.decode(errors="backslashreplace") for name in CLASSES]
    assert sorted(config["label_names"]) == sorted(names)
    training = json.loads((place.root / "model" / "training.json").read_text())
    assert set(training["data"]["classes"].values()) == {3}  # nothing was found twice, by no circle
    rows = [json.loads(line) for line in (place.root / "model" / "photos.jsonl").read_text().splitlines()]
    named = list(_files(training))
    assert len(rows) >= 3 * len(CLASSES) and named
    for each in [*rows, *named]:  # JSON that every reader takes, with the bytes of each name beside it
        json.dumps(each, ensure_ascii=False).encode()
        assert (place.root / os.fsdecode(base64.b64decode(each["file_b64"]))).exists()
    info = place.run("info", "./model")
    assert info.returncode == 0 and not _OBEYED & set(info.stdout + info.stderr)
    done = place.run("classify", SAMPLES / "coffee.png", "-m", "./model", "-k", "8")
    assert sorted(each["label"] for each in json.loads(done.stdout)["predictions"]) == sorted(names)


def test_the_card_is_made_of_the_names_but_not_by_them(
    place: Place, trained: "subprocess.CompletedProcess[str]"
) -> None:
    card = (place.root / "model" / "README.md").read_text()
    assert not _OBEYED & set(card)
    rows = [line for line in card.splitlines() if line.startswith("|") and line.endswith("| 3 |")]
    assert len(rows) == len(CLASSES)
    assert "<img" not in card


def test_a_table_may_be_large_and_hold_anything(place: Place) -> None:
    for at in range(6):
        _photo(place.root / "few" / f"{at}.png", 100 + at)
    rows = [[f"few/{at % 6}.png", "ab"[at % 2]] for at in range(20_000)]
    rows += [["few/0.png", "x" * 100_000], ["few/no\x1b[2J.png", "a"], ["", "a"], ["few/9.png", ""], ["few\x00", "a"]]
    rows += [["\u202e", "b"], ["-", "a"], ["few/2.png"]]
    with (place.root / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file", "label"], *rows])
    done = place.run("train", "--labels-from", "table.csv", "-m", "lite0", "-o", "listed", "--json")
    assert not _OBEYED & set(done.stderr) and len(done.stderr) < 5000
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["data"]["classes"] == {"a": 3, "b": 3}


def test_two_labels_for_all_are_told_where_nothing_is_left(place: Place, tmp_path: Path) -> None:
    for at in range(2):
        _photo(tmp_path / "photos" / "ab"[at] / f"{at}.png", 200 + at)
    (tmp_path / "photos" / "a" / "up").symlink_to("..")
    done = place.run("train", tmp_path / "photos", "-m", "lite0", "-o", tmp_path / "model")
    assert done.returncode == 3 and "nothing to train on" in done.stderr and "is labelled 'b'" in done.stderr


@pytest.mark.parametrize(
    ("names", "code", "words"),
    [
        ([], 2, "no class"),
        (["only/0.png"], 2, "one class"),
        (["a/broken.png", "b/broken.png"], 3, "nothing to train on"),
    ],
)
def test_too_little_is_said_in_one_line(place: Place, tmp_path: Path, names: list[str], code: int, words: str) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in names:
        (folder / name).parent.mkdir()
        (folder / name).write_bytes(b"\x89PNG\r\n\x1a\n")
    done = place.run("train", folder, "-m", "lite0", "-o", tmp_path / "model")
    assert done.returncode == code and words in done.stderr
    assert not (tmp_path / "model").exists() and "Traceback" not in done.stderr
