"""Every format with every kind of name: valid, harmless, and the file found again from its row."""

import base64
import csv
import io
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from resnext.errors import FailureCode, OutputError, UsageError
from resnext.outputs import choose_format
from resnext.outputs.results.whole import WHOLE_FORMATS
from resnext.outputs.writers import FORMATS, PACKED, WRITERS, OutputConfig, format_for
from resnext.outputs.writers.lines import listed
from resnext.outputs.writers.template import parse_template
from resnext.records import Classified, Failure, Label, Prediction, Source
from support.tables import read_tsv

# Bytes of names: quoting, line ends, escape sequences of every kind, markup, bidi, formulas, no UTF-8, options, length.
HOSTILE_NAMES = [
    *(
        b"plain.jpg",
        b"a b.jpg",
        b'a"b.jpg',
        b"a,b\tc;d.jpg",
        b"line\nbreak.jpg",
        b"\r.jpg",
        b"\r\n",
        b" ",
        b"-rf",
        b"--",
    ),
    *(
        b"\x1b[31mred\x1b[0m",
        b"\x1b]0;title\x07",
        b"\x1b]52;c;cm0=\x07",
        b"\x1bP1$r\x1b\\",
        b"\x9b31m",
        b"\x08\x7f\x0c",
    ),
    *(b"[red]x[/red]", b"[/]", b"[link=http://x]y", "a\u202etxt.jpg".encode(), "\u2066\u2069\u200f".encode()),
    *(b"caf\xe9.jpg", b"\xff\xfe", b"\xed\xa0\x80", "\u2028\u2029\x85".encode(), "\U0001f468\u200d\U0001f469".encode()),
    *(b"=cmd|'/c calc'!A0", b"@SUM(1)", b"+1", b"{file}", b"%s%n", b"\\n\\x41", b"n" * 255, "\ue000\ufeff".encode()),
]
FILES = [os.fsdecode(name) for name in HOSTILE_NAMES]
LABEL = Label(967, "espresso", "espresso, coffee", "n07920052")
# All that a terminal could obey: C0 and C1 controls, DEL; bidirectional controls change what people read.
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def written(format: str, files: list[str], *, label: Label = LABEL, failed: bool = False, **config: Any) -> str:
    stream = io.StringIO(newline="")
    writer = WRITERS[format](stream, OutputConfig(model="m", top_k=1, **config))
    writer.begin()
    for file in files:
        source = Source(file)
        if failed:
            writer.write(Failure(source, FailureCode.NOT_FOUND, f"no {file}"))
        else:
            writer.write(Classified(source, (Prediction(label, 0.9489491),)))
    writer.end()
    text = stream.getvalue()
    if format != "table" or not config.get("color"):
        text.encode()  # never a lone surrogate
    return text


def exact(row: dict[str, Any]) -> bytes:
    """How a reader of ours finds the file again."""
    return base64.b64decode(row["file_b64"]) if row.get("file_b64") else os.fsencode(row["file"])


@pytest.mark.parametrize("failed", [False, True])
@pytest.mark.parametrize("terminal", [False, True])
def test_the_file_is_found_again_from_every_row(terminal: bool, failed: bool) -> None:
    lines = written("jsonl", FILES, terminal=terminal, failed=failed)
    array = written("json", FILES, terminal=terminal, failed=failed)
    table = written("csv", FILES, terminal=terminal, failed=failed)
    tabs = written("tsv", FILES, terminal=terminal, failed=failed)
    template = written("template", FILES, terminal=terminal, failed=failed, template=r"{file_b64}\0")
    found = [
        [exact(json.loads(line)) for line in lines.splitlines()],
        [exact(row) for row in json.loads(array)],
        [exact(row) for row in csv.DictReader(io.StringIO(table, newline=""), strict=True)],
        [exact(row) for row in read_tsv(tabs)],
        [base64.b64decode(name) for name in template.split("\0")[:-1]],
    ]
    assert found == [HOSTILE_NAMES] * 5


@pytest.mark.parametrize("format", ["table", "jsonl", "json", "csv", "tsv", "template"])
def test_a_terminal_gets_nothing_that_it_could_obey(format: str) -> None:
    label = Label(1, "\x1b[2Jx\u202e", "\x1b[2Jx")
    text = written(format, FILES, label=label, terminal=True, template="{file} {label}", width=60)
    text += written(format, FILES, failed=True, terminal=True, template="{file} {error}", width=60)
    assert set(OBEYED.findall(text)) <= ({"\t"} if format == "tsv" else set())


@pytest.mark.parametrize("terminal", [False, True])
def test_a_template_has_one_line_a_photo_whatever_it_is_called(terminal: bool) -> None:
    text = written("template", FILES, terminal=terminal, template="{file:.300}")
    assert len(text.split("\n")) == len(FILES) + 1
    assert len(text.splitlines()) == len(FILES)  # also for those who take \x85 and \u2028 for line ends


def test_csv_has_the_exact_name_where_it_can() -> None:
    rows = list(csv.DictReader(io.StringIO(written("csv", FILES), newline="")))
    for name, row in zip(HOSTILE_NAMES, rows, strict=True):
        try:
            assert (row["file"], row["file_b64"]) == (name.decode(), "")
        except UnicodeDecodeError:
            assert row["file_b64"]


def test_labels_and_messages_that_are_no_unicode_do_not_spoil_json() -> None:
    for text in (written("json", ["a"], label=Label(1, "\ud800", "\ud800")), written("json", [FILES[22]], failed=True)):
        json.dumps(json.loads(text), ensure_ascii=False).encode()  # fails on lone surrogates


def test_an_array_of_nothing_is_an_array() -> None:
    assert json.loads(written("json", [])) == []


TEMPLATE_FIELDS = {"file": "a.jpg", "label": "espresso", "score": "0.95", "index": "967", "synset": "n07920052"}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (r"{file}\t{label}\t{score:.2f}", "a.jpg\tespresso\t0.95\n"),
        ("{label:>10}|{index:05d}|{synset}", "  espresso|00967|n07920052\n"),
        (r"{{{model}}}\\{status}{error}{error_code}", "{m}\\ok\n"),
        (r"{file}\n\n", "a.jpg\n\n"),
        (r"{file}\0", "a.jpg\0"),
        ("{rank} {score:.0%}", "1 95%\n"),
    ],
)
def test_templates(template: str, expected: str) -> None:
    assert written("template", ["a.jpg"], template=template) == expected


def test_a_template_leaves_empty_what_is_not_there() -> None:
    template = "{file}|{label:>5}|{score:.2f}|{rank}|{error_code}|{error}"
    assert written("template", ["a"], failed=True, template=template) == "a||||not_found|no a\n"


@pytest.mark.parametrize(
    "template",
    [
        *("{file.__class__}", "{file[0]}", "{0}", "{}", "{file!r}", "{score:{index}}", "{index:c}", "{nothing}"),
        *("{file:.2f}", "{score:s}", "{score:>9999}", "{score:.9999f}", "{file", "file}", r"{file}\x", "\\", ""),
        *("{label.name.__globals__}", "{self}", "{score.real}", "{file:>{score}}"),
    ],
)
def test_a_template_evaluates_nothing(template: str) -> None:
    with pytest.raises(UsageError, match="--template"):
        parse_template(template)


def test_formats_are_written_in_one_list_only() -> None:
    assert set(FORMATS) == {each for each in (*WRITERS, *WHOLE_FORMATS) if not each.endswith(PACKED)} - {"template"}
    for ending, format in {"a.jsonl": "jsonl", "a.JSON": "json", "b.parquet": "parquet", "c.tsv": "tsv"}.items():
        assert format_for(ending) == format
    for ending in ("a.jsonl.gz", "a.csv.GZ", "a.tsv.gz"):
        assert format_for(ending) in WHOLE_FORMATS
    assert choose_format(None, json=False, template="{file}", output=Path("x.csv")) == "template"
    for explicit, json_too, template in (("xml", False, None), ("csv", True, None), ("csv", False, "{file}")):
        with pytest.raises(UsageError):
            choose_format(explicit, json=json_too, template=template, output=None)


@pytest.mark.parametrize("terminal", [False, True])
def test_a_listing_has_one_line_an_input(terminal: bool) -> None:
    lines = [listed(Source(file), as_json=False, terminal=terminal) for file in FILES]
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)
    plain = [name for name in HOSTILE_NAMES if min(name) >= 0x20 and 0x7F not in name]
    if not terminal:
        assert {name + b"\n" for name in plain} <= set(lines)
    rows = [json.loads(listed(Source(file), as_json=True, terminal=terminal)) for file in FILES]
    assert [exact(row) for row in rows] == HOSTILE_NAMES


def test_parquet_without_its_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from resnext.outputs.writers import parquet

    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(OutputError, match=r"resnext\[parquet\]"):
        parquet.require_parquet()
