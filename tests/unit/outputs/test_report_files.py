"""Parts of an evaluation as tables and pictures."""

import csv
import importlib.util
import io
import json
import warnings
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image

from resnext.errors import OutputError, UsageError
from resnext.outputs import report_files
from resnext.outputs.report_files import Parts, check_report_files, write_report_files

SHARE = {"share": 0.5, "low": 0.25, "high": 0.75}
NAMES = ["owl, great", "robin\n", "$\\frac{", "日本", "=cmd"]
CELLS = [(0, 0, 5), (0, 1, 2), (1, 1, 3), (2, 4, 1), (3, 3, 7)]
BINS = [
    {"low": 0.0, "high": 0.5, "photos": 0, "confidence": 0.0, "right": SHARE},
    {"low": 0.5, "high": 1.0, "photos": 8, "confidence": 0.7, "right": SHARE},
]
CURVE = [{"sure": sure, "photos": 8, "coverage": 1.2 - sure, "right": SHARE} for sure in (0.2, 0.6, 0.97)]
PARTS = Parts(NAMES, 4, CELLS, BINS, 0.125, CURVE)
OPTIONS = ("--confusion", "--reliability", "--coverage")


def written(folder: Path, ending: str, parts: Parts = PARTS) -> dict[str, bytes]:
    files = {option: folder / f"{option[2:]}{ending}" for option in OPTIONS}
    check_report_files(files, overwrite=False)
    write_report_files(files, parts)
    return {option: path.read_bytes() for option, path in files.items()}


def test_tables(tmp_path: Path) -> None:
    found = written(tmp_path, ".csv")
    header, *rows = csv.reader(io.StringIO(found["--confusion"].decode(), newline=""))
    assert header == ["truth", *NAMES]
    assert rows == [
        [NAMES[row], *(str({(r, c): n for r, c, n in CELLS}.get((row, column), 0)) for column in range(5))]
        for row in range(4)
    ]
    assert found["--reliability"].decode().split("\n")[0] == "low,high,photos,confidence,right,right_low,right_high"
    assert found["--coverage"].decode().split("\n")[1] == "0.2,8,1.0,0.5,0.25,0.75"
    found = written(tmp_path, ".json")
    matrix = json.loads(found["--confusion"])
    assert (matrix["shown"], matrix["answered"]) == (NAMES[:4], NAMES)
    assert matrix["cells"][1] == {"truth": NAMES[0], "answer": NAMES[1], "photos": 2}
    assert json.loads(found["--reliability"]) == {"ece": 0.125, "bins": BINS}
    assert json.loads(found["--coverage"]) == CURVE


def test_pictures_show_something_and_the_same_each_time(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = written(tmp_path, ".png")
    for content in found.values():
        picture = Image.open(io.BytesIO(content)).convert("RGB")
        assert min(picture.size) > 400
        assert len(picture.getcolors(1 << 24) or ()) > 20
    vectors = written(tmp_path, ".svg")
    texts = {option: "".join(ElementTree.fromstring(content).itertext()) for option, content in vectors.items()}
    assert (
        "owl, great" in texts["--confusion"] and "$\\frac{" in texts["--confusion"] and "日本" in texts["--confusion"]
    )
    assert "ECE) 12.5%" in texts["--reliability"] and "0.95" in texts["--coverage"]
    (tmp_path / "again").mkdir()
    assert written(tmp_path / "again", ".svg") == vectors


@pytest.mark.parametrize("ending", [".svg", ".csv", ".json"])
def test_nothing_evaluated_is_written_too(tmp_path: Path, ending: str) -> None:
    found = written(tmp_path, ending, Parts([], 0, [], BINS[:1], 0.0, []))
    assert all(found.values())


def test_of_many_classes_the_most_confused_are_drawn(tmp_path: Path) -> None:
    names = [f"kind {number}" for number in range(1000)]
    cells = [(number, number, 90) for number in range(1000)] + [(7, 994, 30), (500, 501, 20), (2, 3, 1)]
    text = written(tmp_path, ".svg", PARTS._replace(names=names, shown=1000, cells=cells))["--confusion"].decode()
    assert "The 6 of 1000 classes that were confused most" in text
    assert all(f">kind {number}<" in text for number in (7, 994, 500, 501, 2, 3)) and ">kind 4<" not in text


def test_a_matrix_that_is_too_large_for_csv_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_files, "_MOST_CELLS", 10)
    with pytest.raises(OutputError, match="5 classes are too many for a matrix"):
        written(tmp_path, ".csv")
    assert written(tmp_path, ".json")


def test_what_can_not_be_written_is_refused_before(tmp_path: Path) -> None:
    there = tmp_path / "there.csv"
    there.write_text("mine")

    def refused(error: type[Exception], words: str, **files: Any) -> None:
        with pytest.raises(error, match=words):
            check_report_files({f"--{option}": path for option, path in files.items()}, overwrite=False)

    refused(UsageError, "the ending names no format; use one of .png", confusion=tmp_path / "c.jpg")
    refused(UsageError, "exists already; --overwrite", confusion=there)
    refused(UsageError, "is both", confusion=tmp_path / "a.csv", coverage=tmp_path / "a.csv")
    refused(OutputError, "its folder does not exist", confusion=tmp_path / "no" / "a.csv")
    (tmp_path / "d.csv").mkdir()
    refused(UsageError, "is a folder", confusion=tmp_path / "d.csv")
    files = {"--confusion": there}
    check_report_files(files, overwrite=True)
    write_report_files(files, PARTS)
    assert there.read_bytes().startswith(b"truth,")


def test_without_matplotlib_one_line_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "matplotlib" else find(name))
    check_report_files({"--confusion": tmp_path / "c.csv"}, overwrite=False)
    with pytest.raises(
        OutputError, match=r"--confusion .*c\.png: pictures need matplotlib: pip install 'resnext\[plots\]'"
    ):
        check_report_files({"--confusion": tmp_path / "c.png"}, overwrite=False)
