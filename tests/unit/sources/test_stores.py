"""Other stores, with fsspec's own in memory in the place of a machine elsewhere."""

import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from resnext.errors import InputError
from resnext.records import Failure
from resnext.sources import find
from resnext.sources.config import SourceConfig

fsspec: Any = pytest.importorskip("fsspec")


@pytest.fixture
def memory() -> Iterator[Any]:
    store = fsspec.filesystem("memory")
    for name in ("photos/img10.jpg", "photos/img2.jpg", "photos/notes.txt", "photos/sub/x.png"):
        store.pipe(f"/{name}", name.encode())
    yield store
    store.rm("/photos", recursive=True)


def outcome(address: str, **config: Any) -> list[tuple[str, bytes | str]]:
    rows: list[tuple[str, bytes | str]] = []
    for item in find([address], SourceConfig(**config)):
        if isinstance(item, Failure):
            rows.append((item.source.file, str(item.code)))
            continue
        assert item.remote and item.read is not None
        try:
            rows.append((item.file, item.read()))
        except InputError as error:
            assert "secret" not in str(error)
            rows.append((item.file, str(error.code)))
    return rows


def test_files_folders_and_patterns(memory: Any) -> None:
    one = "memory://photos/img2.jpg"
    assert outcome(one) == [(one, b"photos/img2.jpg")]
    assert [content for _, content in outcome("memory://photos/")] == [
        *(b"photos/img2.jpg", b"photos/img10.jpg", b"photos/sub/x.png"),
    ]
    listed = outcome("memory://photos/*.jpg")
    assert [content for _, content in listed] == [b"photos/img2.jpg", b"photos/img10.jpg"]
    for name, content in listed:
        assert outcome(name) == [(name, content)]
    assert outcome("memory://photos/*.gif") == [("memory://photos/*.gif", "no_images")]
    assert outcome("memory://photos/none.jpg") == [("memory://photos/none.jpg", "not_found")]
    assert outcome(one, max_bytes=3) == [(one, "too_large")]


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("s3fs", "paramiko", "gcsfs"):
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    for address, package in (
        ("s3://bucket/x.jpg", "s3fs"),
        ("gs://bucket/*.jpg", "gcsfs"),
        ("zip://a.jpg::s3://bucket/x.zip", "s3fs"),
        ("sftp://me:secret@host/x.jpg", "paramiko"),
    ):
        (item,) = find([address], SourceConfig())
        if isinstance(item, Failure):
            code, message = item.code, item.message
        else:
            assert item.read is not None
            with pytest.raises(InputError) as caught:
                item.read()
            code, message = caught.value.code, str(caught.value)
        assert code == "missing_package"
        assert f"pip install {package}" in message
    assert outcome("sftp://me:secret@host/x.jpg") == [("sftp://me:***@host/x.jpg", "missing_package")]


def test_unknown_schemes_and_offline() -> None:
    assert outcome("nonsense://x") == [("nonsense://x", "bad_entry")]
    assert outcome("s3://bucket/x.jpg", offline=True) == [("s3://bucket/x.jpg", "network")]
    assert outcome("https://u:secret@host/x.jpg", offline=True) == [("https://***@host/x.jpg", "network")]


def test_a_store_that_does_not_answer_is_given_up(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(memory), "open", lambda *arguments, **named: time.sleep(3))
    assert outcome("memory://photos/img2.jpg", timeout=0.2) == [("memory://photos/img2.jpg", "timeout")]
