"""Lists in every form, as files and through pipes."""

import base64
import gzip
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resnext.errors import FailureCode, UsageError
from resnext.records import Failure
from resnext.sources.config import ListConfig
from resnext.sources.lists import check, entries


def read(path: Path, null: bool = False, column: str | None = None) -> list[str]:
    found = entries(str(path), ListConfig(null=null, column=column))
    return [f"!{item.source.file}" if isinstance(item, Failure) else item for item in found]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("l.txt", b"a.jpg\nb c.jpg\n", ["a.jpg", "b c.jpg"]),
        ("l.txt", b"\xef\xbb\xbfa.jpg\r\n\r\nb.jpg", ["a.jpg", "b.jpg"]),
        ("l", b" a \n-rf\n\xff.jpg\n", [" a ", "-rf", "\udcff.jpg"]),
        ("l.txt", b"", []),
        ("l.csv", b"id,file\n1,a.jpg\n2,\"b,\n1.jpg\"\n3\n4,\n", ["a.jpg", "b,\n1.jpg", "!{path}:5"]),
        ("l.tsv", b"file\tid\na,b.jpg\t1\n", ["a,b.jpg"]),
        ("l.jsonl", b'{"file": "a.jpg"}\n\n"b.jpg"\nnot json\n{"file": 3}\n[]\n',
         ["a.jpg", "b.jpg", "!{path}:4", "!{path}:5", "!{path}:6"]),
        ("l.jsonl", b'{"file": "caf\\ufffd", "file_b64": "' + base64.b64encode(b"caf\xe9") + b'"}', ["caf\udce9"]),
        ("l.jsonl", b'{"file": "x", "file_b64": "###"}\n', ["!{path}:1"]),
        ("l.jsonl", b'{"file": "x", "file_b64": ""}\n', ["x"]),
        ("l.tsv", b'file\tfile_b64\na\\tb\\nc\\\\t\t\n"q.jpg\t\n', ["a\tb\nc\\t", '"q.jpg']),
        ("l.tsv", b'file\tid\n"a\tb"\t1\nc:\\new\t2\n', ["a\tb", "c:\\new"]),
        ("l.csv", b"file,file_b64\nx,\ncaf,Y2Fm6Q==\ny,###\n", ["x", "caf\udce9", "!{path}:4"]),
    ],
)  # fmt: skip
def test_entries_come_as_they_were_written(tmp_path: Path, name: str, content: bytes, expected: list[str]) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert read(path) == [each.replace("{path}", str(path)) for each in expected]


@pytest.mark.parametrize(
    ("content", "column", "expected"),
    [
        (b'{"file": "a.jpg", "file_b64": "", "status": "ok"}\n{"file": "b.jpg"}\n', None, ["a.jpg", "b.jpg"]),
        (b'\xef\xbb\xbf {"photo": "a.jpg"}\r\n{"photo": 3}\n', "photo", ["a.jpg", "!{path}:2"]),
        (b'{"photo": "a.jpg"}\n', None, ["!{path}:1"]),
        (b'{"file": "\\ud800.jpg"}\n{"file": "\\udcff.jpg"}\n', None, ["!{path}:1", "\udcff.jpg"]),
        (b"file,file_b64,status\na.jpg,,ok\n", None, ["a.jpg"]),
        (b"status\tfile\nok\ta,b.jpg\n", None, ["a,b.jpg"]),
        (b"id,photo\n1,a.jpg\n", "photo", ["a.jpg"]),
        (b"file\nb.jpg\n", None, ["file", "b.jpg"]),
        (b"{a}.jpg\n[b].jpg\n", None, ["{a}.jpg", "[b].jpg"]),
        (b'{"a": 1\nb.jpg\n', None, ['{"a": 1', "b.jpg"]),
        (b"file,of.jpg\nb.jpg\n", None, ["file,of.jpg", "b.jpg"]),  # there is such a file
    ],
)
def test_where_the_name_does_not_tell_the_first_line_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, column: str | None, expected: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file,of.jpg").touch()
    path = tmp_path / "list"
    path.write_bytes(content)
    assert read(path, column=column) == [each.replace("{path}", str(path)) for each in expected]


@pytest.mark.parametrize("content", [b'[\n{"file": "a.jpg"},\n', b'[{"file": "a.jpg"}]\n'])
def test_a_json_array_is_no_list(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rows.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="JSON Lines"):
        read(path)


def test_null_takes_any_name(tmp_path: Path) -> None:
    path = tmp_path / "l"
    path.write_bytes(b"a\nb\0c\r\0\0\xff")
    assert read(path, null=True) == ["a\nb", "c\r", "\udcff"]


def test_columns(tmp_path: Path) -> None:
    path = tmp_path / "l.txt"
    path.write_text("id,photo\n1,a.jpg\n")
    assert read(path, column="photo") == ["a.jpg"]
    with pytest.raises(UsageError, match="id, photo"):
        read(path, column="image")


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"x" * 3_000_000, b"a.jpg\0b.jpg\0"])
def test_what_is_no_list_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "l.txt"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="not a list"):
        read(path)


@pytest.mark.parametrize("name", ["l.jsonl.gz", "l.gz", "l"])
def test_a_packed_list(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    packed = gzip.compress(b'{"file": "a.jpg"}\n' * 5000)
    path.write_bytes(packed)
    assert read(path) == ["a.jpg"] * 5000
    for damaged in (packed[:-20], packed[:40] + bytes(20) + packed[60:]):
        path.write_bytes(damaged)
        with pytest.raises(UsageError, match="damaged"):
            read(path)


@pytest.mark.parametrize(
    ("content", "kind"), [(b"PK\x03\x04" + bytes(30), "zip"), (gzip.compress(bytes(257) + b"ustar", mtime=0), "tar")]
)
def test_an_archive_is_no_list(tmp_path: Path, content: bytes, kind: str) -> None:
    path = tmp_path / "l"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=f"a {kind} archive is no list; name its file"):
        read(path)


def test_a_missing_list_is_found_out_early(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        check(str(tmp_path / "none.txt"), ListConfig())


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "l.parquet"
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        path.touch()
        with pytest.raises(UsageError, match="pyarrow"):
            check(str(path), ListConfig())
        return
    pq.write_table(pa.table({"file": ["a.jpg", None, "b.jpg"], "raw": [b"\xff", b"x", b""], "n": [1, 2, 3]}), path)
    assert read(path) == ["a.jpg", "b.jpg"]
    assert read(path, column="raw") == ["\udcff", "x"]
    assert read(path, column="n") == [f"!{path}:{number}" for number in (1, 2, 3)]
    with pytest.raises(UsageError, match="file, raw, n"):
        read(path, column="x")
    pq.write_table(pa.table({"file": ["a.jpg", "caf", "y"], "file_b64": ["", "Y2Fm6Q==", "#"]}), path)
    assert read(path) == ["a.jpg", "caf\udce9", f"!{path}:3"]
    path.write_bytes(b"PAR1 no")
    with pytest.raises(UsageError):
        read(path)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes as POSIX has them")
@pytest.mark.parametrize(
    ("name", "first"), [("l.txt", b"a.jpg\nb"), ("l.csv", b"file\na.jpg\nb"), ("l.jsonl", b'{"file": "a.jpg"}\n{"f')]
)
def test_an_entry_is_given_while_the_next_is_not_there(tmp_path: Path, name: str, first: bytes) -> None:
    path = tmp_path / name
    os.mkfifo(path)
    keep = os.open(path, os.O_RDWR)  # so that opening to read does not wait
    os.write(keep, first)
    found: Iterator[str | Failure] = entries(str(path), ListConfig())
    end = threading.Timer(60, os.close, [keep])  # what waits for the next entry gets its end then
    end.start()
    assert next(found) == "a.jpg"
    assert end.is_alive()
    end.cancel()
    os.close(keep)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300), suffix=st.sampled_from([".txt", ".csv", ".tsv", ".jsonl"]))
def test_only_our_own_errors_come_out(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"list{suffix}"
    path.write_bytes(content)
    try:
        for entry in entries(str(path), ListConfig()):
            assert isinstance(entry, str) or entry.code == FailureCode.BAD_ENTRY
    except UsageError:
        pass
