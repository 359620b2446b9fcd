"""Rows: the contract's keys, names that survive every format, and tables that no name can disturb."""

import base64
import csv
import io
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from resnext.errors import FailureCode, UsageError
from resnext.outputs.writers import WRITERS, OutputConfig, format_for
from resnext.records import Classified, Failure, Label, Prediction, Source
from support.tables import read_tsv

ESPRESSO = Label(967, "espresso", "espresso", "n07920052", "strong black coffee")
CRANE = Label(134, "crane", "crane, wading bird", "n02012849", "large long-necked bird")
OWN = Label(3, "my cat", "my cat")
CONFIG = OutputConfig(model="a_model", top_k=2)
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=30)
QUIET = settings(max_examples=200, deadline=None, derandomize=True, database=None)
DELIMITED = ("csv", "tsv")
NASTY = ("a,b.jpg", "a\tb.jpg", 'a"b".jpg', "a\nb.jpg", "a\r\nb.jpg", "a\rb.jpg", " a ", "'", '"', "猫.jpg")


def classified(file: str = "a.jpg", *labels: Label) -> Classified:
    return Classified(Source(file), tuple(Prediction(label, 0.75 / 2**rank) for rank, label in enumerate(labels)))


def failed(file: str = "a.jpg", message: str = "the file is empty") -> Failure:
    return Failure(Source(file), FailureCode.EMPTY, message)


def written(format: str, *records: Classified | Failure, config: OutputConfig = CONFIG) -> str:
    stream = io.StringIO(newline="")
    writer = WRITERS[format](stream, config)
    writer.begin()
    for record in records:
        writer.write(record)
    writer.end()
    return stream.getvalue()


def json_row(record: Classified | Failure, config: OutputConfig = CONFIG) -> dict[str, Any]:
    (line,) = written("jsonl", record, config=config).splitlines()
    row: dict[str, Any] = json.loads(line)
    return row


def table_rows(format: str, *records: Classified | Failure, config: OutputConfig = CONFIG) -> list[dict[str, str]]:
    text = written(format, *records, config=config)
    return read_tsv(text) if format == "tsv" else list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


# -- JSON Lines ------------------------------------------------------------------------------------------------------


def test_a_json_row_is_the_contracts() -> None:
    assert json_row(classified("dir/a.jpg", ESPRESSO, OWN)) == {
        "file": "dir/a.jpg",
        "file_b64": "",
        "status": "ok",
        "model": "a_model",
        "predictions": [
            {"label": "espresso", "score": 0.75, "index": 967, "synset": "n07920052"},
            {"label": "my cat", "score": 0.375, "index": 3, "synset": ""},
        ],
        "error_code": "",
        "error": "",
    }


def test_a_json_row_of_a_failure_is_the_contracts() -> None:
    assert json_row(failed("b.jpg")) == {
        "file": "b.jpg",
        "file_b64": "",
        "status": "error",
        "model": "a_model",
        "predictions": [],
        "error_code": "empty",
        "error": "the file is empty",
    }


def test_no_class_above_the_threshold_is_no_error() -> None:
    assert json_row(classified("a.jpg")) == {
        **{"file": "a.jpg", "file_b64": "", "status": "ok", "model": "a_model"},
        **{"predictions": [], "error_code": "", "error": ""},
    }


@QUIET
@given(NAMES)
@example("\x1b[2J\u2028\u0085\x7f\r\n\\")
def test_any_name_is_one_line_of_ascii_and_comes_back(name: str) -> None:
    text = written("jsonl", classified(name, ESPRESSO))
    assert text.isascii()
    assert text.endswith("\n")
    assert [json.loads(line)["file"] for line in text.splitlines()] == [name]
    assert text[:-1].isprintable()


@pytest.mark.parametrize("name", [b"caf\xe9.jpg", b"\xff\xfe", b"gut \xc3\xbc schlecht \xc3"])
def test_a_name_that_is_not_utf_8_comes_with_its_bytes(name: bytes) -> None:
    for record in (classified(os.fsdecode(name), ESPRESSO), failed(os.fsdecode(name))):
        row = json_row(record)
        assert list(row) == ["file", "file_b64", "status", "model", "predictions", "error_code", "error"]
        assert base64.b64decode(row["file_b64"], validate=True) == name
        row["file"].encode()


def test_a_score_keeps_six_digits() -> None:
    record = Classified(Source("a"), (Prediction(CRANE, 0.12345678),))
    assert json_row(record)["predictions"][0]["score"] == 0.123457


@pytest.mark.parametrize(
    ("label_type", "label", "text"),
    [
        ("name", CRANE, "crane"),
        ("description", CRANE, "crane, wading bird"),
        ("detailed", CRANE, "crane, wading bird: large long-necked bird"),
        ("detailed", OWN, "my cat"),
    ],
)
@pytest.mark.parametrize("format", ["jsonl", "csv", "table"])
def test_the_label_is_as_long_as_asked_for(format: str, label_type: Any, label: Label, text: str) -> None:
    config = OutputConfig("a_model", 1, label_type, width=200)
    assert text in written(format, classified("a.jpg", label), config=config)
    assert written(format, classified("a.jpg", label), config=config).count("long-necked") == text.count("long-necked")


# -- CSV and TSV -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", DELIMITED)
def test_delimited_rows_have_a_column_for_every_key(format: str) -> None:
    first, second, third = table_rows(
        format, classified("a.jpg", ESPRESSO, OWN), failed("b.jpg"), classified("c.jpg", CRANE)
    )
    assert first == {
        **{"file": "a.jpg", "status": "ok", "model": "a_model", "error_code": "", "error": "", "file_b64": ""},
        **{"label_1": "espresso", "score_1": "0.75", "index_1": "967", "synset_1": "n07920052"},
        **{"label_2": "my cat", "score_2": "0.375", "index_2": "3", "synset_2": ""},
    }
    assert second == {
        **dict.fromkeys(first, ""),
        **{"file": "b.jpg", "status": "error", "model": "a_model"},
        **{"error_code": "empty", "error": "the file is empty"},
    }
    assert [third[f"{name}_2"] for name in ("label", "score", "index", "synset")] == [""] * 4
    assert third["label_1"] == "crane"


@pytest.mark.parametrize("format", DELIMITED)
@pytest.mark.parametrize("text", NASTY, ids=ascii)
def test_separators_and_quotes_in_names_labels_and_messages_survive(format: str, text: str) -> None:
    rows = table_rows(format, classified(text, Label(1, text, text)), failed(text, text), classified("last.jpg", OWN))
    assert [row["file"] for row in rows] == [text, text, "last.jpg"]
    assert rows[0]["label_1"] == text
    assert (rows[1]["error_code"], rows[1]["error"]) == ("empty", text)


@QUIET
@given(format=st.sampled_from(DELIMITED), name=NAMES, label=NAMES)
def test_any_name_and_label_survive(format: str, name: str, label: str) -> None:
    (row,) = table_rows(format, classified(name, Label(1, label, label)))
    assert (row["file"], row["label_1"], row["error"]) == (name, label, "")


# -- the table -------------------------------------------------------------------------------------------------------


def test_the_table_has_one_header_and_a_line_for_every_class() -> None:
    lines = written("table", classified("a.jpg", ESPRESSO, OWN), failed("b.jpg"), classified("c.jpg")).splitlines()
    assert [line.split() for line in lines[:3]] == [
        ["file", "label", "score"],
        ["a.jpg", "espresso", "75.0%"],
        ["my", "cat", "37.5%"],
    ]
    assert lines[3].split()[:2] == ["b.jpg", "empty:"]
    assert lines[4].startswith("c.jpg")
    assert len(lines[4].split()) > 1
    assert len(lines) == 5


@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize(
    "text", ["\x1b[31mX\x1b]0;t\x07", "[red]X[/red]", "[/]X", ":smile: X", "\x9b31mX\u202eY", "X\r\nY\tZ"]
)
def test_names_labels_and_messages_are_inert(text: str, color: bool) -> None:
    config = OutputConfig("a_model", 1, color=color, width=120)
    output = written("table", classified(text, Label(1, text, text)), failed(text, text), config=config)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output) if color else output
    assert not [char for char in plain.replace("\n", "") if not char.isprintable()]
    harmless = text.encode("unicode_escape").decode() if not text.isprintable() else text
    assert plain.count(harmless) == 4
    assert len(plain.splitlines()) == 3
    if color:  # the style is ours: the same whatever the name says
        tame = OutputConfig("a_model", 1, color=True, width=120)
        other = written("table", classified("a", Label(1, "a", "a")), failed("a", "a"), config=tame)
        assert re.findall(r"\x1b\[[0-9;]*m", output) == re.findall(r"\x1b\[[0-9;]*m", other)


@pytest.mark.parametrize("width", [40, 57, 80, 200])
@pytest.mark.parametrize(
    "name",
    ["x" * 300 + ".jpg", "photos/" * 20 + "a.jpg", "猫" * 90 + ".jpg", "👩\u200d🚀" * 40],
    ids=["word", "path", "wide", "emoji"],
)
def test_long_names_and_labels_stay_within_the_width(name: str, width: int) -> None:
    long_label = Label(1, "word " * 30 + "w" * 150, "")
    output = written(
        "table", classified(name, long_label, OWN), failed(name, "q" * 200), config=OutputConfig("m", 2, width=width)
    )
    assert max(cell_len(line) for line in output.splitlines()) <= width
    assert output.count("w") == 30 + 150
    assert output.count("q") == 200
    assert "75.0%" in output
    if name.endswith(".jpg"):
        assert output.count(".jpg") == 2


@pytest.mark.parametrize("environment", [{}, {"FORCE_COLOR": "1"}, {"TTY_COMPATIBLE": "1"}, {"CLICOLOR_FORCE": "1"}])
def test_without_colour_there_is_no_escape_sequence(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert "\x1b" not in written("table", classified("a.jpg", ESPRESSO), failed())


# -- the choice of a format ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "format"),
    [("a.jsonl", "jsonl"), ("a.ndjson", "jsonl"), ("a.CSV", "csv"), ("dir.csv/a.tsv", "tsv"), ("a.b.txt", "table")],
)
def test_the_ending_of_a_file_chooses_a_writer(name: str, format: str) -> None:
    assert format_for(name) == format
    assert format in WRITERS


@pytest.mark.parametrize(
    "name", ["a", "a.xlsx", "a.gz", "a.json.gz", "a.csv.zip", ".csv", "dir.csv/a", str(Path("a") / "b.")]
)
def test_an_unknown_ending_is_a_usage_error_that_names_the_known(name: str) -> None:
    with pytest.raises(UsageError, match=r"\.jsonl.*\.csv"):
        format_for(name)
