"""What is done already: exact, counted, small."""

import io
import random
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnext.errors import FailureCode, UsageError
from resnext.outputs.done import ByteRanges, DoneInputs
from resnext.outputs.results.stored import stored_rows
from resnext.records import Failure, Source


def test_each_time_that_an_input_was_done_answers_once() -> None:
    done = DoneInputs()
    for name in (b"a", b"b", b"a", b"caf\xe9"):
        done.add(name)
    assert [done.take(name) for name in (b"a", b"a", b"a", b"c", b"b", b"caf\xe9")] == [
        *(True, True, False, False, True, True)
    ]
    inputs = [Source("x"), Failure(Source("y"), FailureCode.NOT_FOUND, "no such file")]
    again = DoneInputs()
    again.add(b"y")
    assert list(again.remaining(inputs)) == [inputs[0]] and again.skipped == 1
    assert list(DoneInputs().remaining(inputs)) == inputs


def test_it_agrees_with_a_counter_of_names() -> None:
    from collections import Counter

    generator = random.Random(3)
    names = [f"{generator.randrange(500)}".encode() for _ in range(2000)]
    done, expected = DoneInputs(), Counter(names)
    for name in names:
        done.add(name)
    for _ in range(5000):
        name = f"{generator.randrange(600)}".encode()
        assert done.take(name) == (expected[name] > 0)
        expected[name] -= expected[name] > 0


def test_two_hundred_thousand_done_inputs_are_a_few_megabytes() -> None:
    import numpy  # noqa: F401  # what its import takes is not what is measured

    done = DoneInputs()
    tracemalloc.start()
    for number in range(200_000):
        done.add(b"/a/rather/long/path/to/a/photo/%d.jpg" % number)
    assert done.take(b"/a/rather/long/path/to/a/photo/7.jpg")
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 6e6 and peak < 8e6  # 20 bytes each


def test_neighbouring_ranges_are_one() -> None:
    ranges = ByteRanges()
    for start, end in ((0, 3), (3, 9), (12, 13)):
        ranges.add(start, end)
    assert list(ranges) == [(0, 9), (12, 13)]


HEADER = b"file,status,label_1,error,file_b64\n"


@pytest.mark.parametrize(
    ("format", "content", "expected"),
    [
        ("jsonl", b"", []),
        ("jsonl", b'{"file": "a", "status": "ok"}\n{"file": "b", "sta', [(b"a", True)]),
        ("jsonl", b'{"file": "?", "file_b64": "Y2Fm6Q==", "status": "error"}\n', [(b"caf\xe9", False)]),
        ("csv", HEADER[:12], []),
        ("csv", HEADER, [(None, True)]),
        ("csv", HEADER + b'"a\nb",ok,x,,\nc,err', [(None, True), (b"a\nb", True)]),
        ("csv", HEADER + b'"a\nb', [(None, True)]),
        ("csv", HEADER + b'"a ""\n"" b\r",error,,oh,\n', [(None, True), (b'a "\n" b\r', False)]),
        ("tsv", HEADER.replace(b",", b"\t") + b"a,b\tok\tx\t\t\n", [(None, True), (b"a,b", True)]),
    ],
)
def test_stored_rows_are_read_back(format: str, content: bytes, expected: list[tuple[bytes | None, bool]]) -> None:
    rows = list(stored_rows(io.BytesIO(content), Path("f"), format))
    assert [(row.name, row.ok) for row in rows] == expected
    whole = rows[-1].end if rows else 0
    assert [row.start for row in rows] == [0, *(row.end for row in rows[:-1])][: len(rows)]
    assert content[:whole].endswith(b"\n") or whole == 0


ROWS = {
    "jsonl": b'{"file": "a", "status": "ok"}\n{"file": "?", "file_b64": "Y2Fm6Q==", "status": "error"}\n',
    "csv": HEADER + b'"a\nb",ok,x,,\nc,error,,,\n',
}


@settings(max_examples=300, deadline=None)
@given(
    format=st.sampled_from(sorted(ROWS)),
    edits=st.lists(st.tuples(st.integers(0, 80), st.integers(0, 3), st.binary(max_size=4)), min_size=1, max_size=4),
)
def test_only_our_own_error_comes_out_of_a_damaged_file(format: str, edits: list[tuple[int, int, bytes]]) -> None:
    content = ROWS[format]
    for start, length, put in edits:
        content = content[:start] + put + content[start + length :]
    try:
        end = 0
        for row in stored_rows(io.BytesIO(content), Path("f"), format):
            assert row.start == end < row.end <= len(content)
            end = row.end
    except UsageError:
        return


@pytest.mark.parametrize(
    ("format", "content"),
    [
        ("jsonl", b"precious\n"),
        ("jsonl", b"[]\n"),
        ("jsonl", b'{"file": 3, "status": "ok"}\n'),
        ("jsonl", b'{"file": "a", "status": "fine"}\n'),
        ("jsonl", b'{"file": "a", "file_b64": "###", "status": "ok"}\n'),
        ("jsonl", b"[" * 100_000 + b"\n"),
        ("csv", b"name,age\nx,3\n"),
        ("csv", HEADER + b"a,ok\n"),
        ("csv", HEADER + b"\xff,ok,,,\n"),
        ("csv", b"\0\0\0\n"),
    ],
)
def test_what_no_run_has_written_is_refused(format: str, content: bytes) -> None:
    with pytest.raises(UsageError, match="not written by resnext"):
        list(stored_rows(io.BytesIO(content), Path("f"), format))
