"""What classify wrote, read back: every format gives the same."""

import io
from typing import Any

import pytest

from resnext.answers.written import NoRow, Written, written_rows
from resnext.errors import FailureCode
from resnext.outputs.writers import WRITERS, OutputConfig
from resnext.records import Classified, Failure, Label, Prediction, Source
from resnext.sources.tables import all_columns, file_rows

LABELS = [
    Label(134, "crane", "crane", "n02012849"),
    Label(517, "crane", "crane", "n03126707"),
    Label(3, 'a,"b"\t', "x"),
]
RECORDS = [
    Classified(Source("a.jpg"), tuple(Prediction(label, 0.5 / (1 + at)) for at, label in enumerate(LABELS))),
    Failure(Source("b.jpg"), FailureCode.CORRUPT, "it is broken"),
    Classified(Source("a.jpg"), (Prediction(LABELS[1], 0.9),)),
    Classified(Source("c.jpg"), ()),
]


def parsed(rows: Any) -> list[Written]:
    return list(written_rows(rows))


@pytest.mark.parametrize(
    ("format", "long"), [("jsonl", False), ("csv", False), ("tsv", False), ("csv", True), ("tsv", True)]
)
def test_every_format_gives_the_same(tmp_path: Any, format: str, long: int) -> None:
    text = io.StringIO(newline="")
    writer = WRITERS[format](text, OutputConfig("birds", 3, long=bool(long)))
    writer.begin()
    for record in RECORDS:
        writer.write(record)
    path = tmp_path / f"rows.{format}"
    path.write_text(text.getvalue(), newline="")
    found = parsed(file_rows(str(path), all_columns))
    assert [(row.file, row.error) for row in found] == [
        ("a.jpg", ""), ("b.jpg", "it is broken"), ("a.jpg", ""), ("c.jpg", "")
    ]  # fmt: skip
    assert [[(label.index, label.name, label.synset) for label, _ in row.classes] for row in found] == [
        [(134, "crane", "n02012849"), (517, "crane", "n03126707"), (3, 'a,"b"\t', None)],
        [],
        [(517, "crane", "n03126707")],
        [],
    ]
    assert [score for _, score in found[0].classes] == pytest.approx([0.5, 0.25, 0.5 / 3], abs=1e-6)
    assert {row.model for row in found} == {"birds"}


OK: dict[str, Any] = {"file": "a", "status": "ok", "model": "m"}
CLASS = {"label": "x", "score": 0.5, "index": 1, "synset": ""}


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (3, "not a row with columns"),
        ({"file": "a", "label": "x"}, "no 'status' in it"),
        (OK, "no predictions in it"),
        (OK | {"predictions": {}}, "no list of classes"),
        (OK | {"predictions": [3]}, "no list of classes"),
        (OK | {"predictions": [CLASS | {"index": -1}]}, "a class without label, score and index"),
        (OK | {"predictions": [CLASS | {"index": 10**9}]}, "a class without"),
        (OK | {"predictions": [CLASS | {"score": "nan"}]}, "a class without"),
        (OK | {"predictions": [CLASS | {"label": None}]}, "a class without"),
        (OK | {"predictions": [CLASS, CLASS | {"score": 0.9}]}, "not the best first"),
    ],
)
def test_what_is_no_row_is_said_to_be_none(cells: Any, message: str) -> None:
    with pytest.raises(NoRow, match=f"row 7: .*{message}"):
        parsed([(7, cells, "")])
    with pytest.raises(NoRow, match="row 7: not JSON"):
        parsed([(7, None, "not JSON")])
