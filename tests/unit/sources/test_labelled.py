"""Tables that say what photos show, of people, of other programs and of classify itself."""

import base64
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resnext.errors import UsageError
from resnext.sources.labelled import labelled_rows

PREDICTIONS = [{"label": "crane", "synset": "n03126707", "score": 0.9, "index": 517}]


def read(path: Path, content: bytes, file: str | None = None, label: str | None = None) -> list[tuple[str, str]]:
    path.write_bytes(content)
    return [(row.file, row.name or f"!{row.number}: {row.problem}") for row in labelled_rows(str(path), file, label)]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("t.csv", b"file,label\na.jpg,dog\nb.jpg, big cat \nc.jpg,\n",
         [("a.jpg", "dog"), ("b.jpg", "big cat"), ("c.jpg", "!4: no label under 'label'")]),
        ("t.csv", b'\xef\xbb\xbflabel,file\r\n"a\nb",x.jpg\r\ndog\r\n',
         [("x.jpg", "a\nb"), ("", "!4: the row ends before its column")]),
        ("t.tsv", b"file\tlabel\na.jpg\t3\n", [("a.jpg", "3")]),
        ("t.jsonl", b'{"file": "a.jpg", "label": 3}\n{"label": "x"}\n3\n{\n{"file": "b", "label": [1]}\n',
         [("a.jpg", "3"), ("", "!2: no name of a file under 'file'"), ("", "!3: not a row with columns"),
          ("", "!4: not JSON"), ("b", "!5: no label under 'label'")]),
        ("t.jsonl", b'{"file": "a", "label": "\\ud800"}', [("a", "!1: no label under 'label'")]),
        ("t.csv", b"file,file_b64,label\nx," + base64.b64encode(b"caf\xe9") + b",dog\n", [("caf\udce9", "dog")]),
        # what classify writes: the best class, by its synset where it has one
        ("t.jsonl", json.dumps({"file": "a", "predictions": PREDICTIONS}).encode(), [("a", "n03126707")]),
        ("t.jsonl", b'{"file": "a", "status": "error", "predictions": []}', [("a", "!1: no label under 'label'")]),
        ("t.csv", b"file,status,label_1,synset_1\na,ok,crane,n03126707\nb,ok,mine,\n",
         [("a", "n03126707"), ("b", "mine")]),
        ("t.csv", b"file,rank,classes,label,score,index,synset\na,1,2,crane,0.9,517,n03126707\na,2,2,dog,0.1,3,n1\n"
         b"b,,0,,,,\n", [("a", "n03126707"), ("b", "!4: no label under 'label'")]),
    ],
)  # fmt: skip
def test_rows(tmp_path: Path, name: str, content: bytes, expected: list[tuple[str, str]]) -> None:
    assert read(tmp_path / name, content) == expected
    assert read(tmp_path / f"{name}.gz", gzip.compress(content)) == expected


def test_columns_of_other_names(tmp_path: Path) -> None:
    content = b"id,photo,kind,label\n1,a.jpg,dog,no\n"
    assert read(tmp_path / "t.csv", content, "photo", "kind") == [("a.jpg", "dog")]
    with pytest.raises(UsageError, match=r"t\.csv: no column 'file' of files; it has id, photo, kind, label"):
        read(tmp_path / "t.csv", content)
    with pytest.raises(UsageError, match="no column 'truth' of labels"):
        read(tmp_path / "t.csv", content, "photo", "truth")
    with pytest.raises(UsageError, match="no column 'label' of labels; it has file, x"):
        read(tmp_path / "t.csv", b"file,x\n")


def test_parquet_reads_the_columns_alone_that_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"file": ["a", "b"], "label": [7, None], "image": [b"x", b"y"]}), path)
    assert read(path, path.read_bytes()) == [("a", "7"), ("b", "!2: no label under 'label'")]
    pq.write_table(pa.table({"file": ["a"], "predictions": [PREDICTIONS]}), path)
    assert read(path, path.read_bytes()) == [("a", "n03126707")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.txt", b"a", "by its ending; use one of .csv"),
        ("t.parquet", b"PAR1", "can't read the list"),
        ("t.csv.gz", gzip.compress(b"file,label\n" * 999, mtime=0)[:-20], "it is damaged"),
        ("t.jsonl", b"[" * (65 << 20), "no end of a line"),
    ],
)
def test_what_is_no_table(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(tmp_path / name, content)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200), name=st.sampled_from(["t.csv", "t.tsv", "t.jsonl", "t.parquet"]))
def test_only_our_own_errors_come_out(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"file,label\n" + content if name == "t.csv" else content)
    try:
        assert all(row.problem or (row.file and row.name) for row in labelled_rows(str(path)))
    except UsageError:
        pass
