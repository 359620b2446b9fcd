"""Archives: good members are read, hostile ones cost their own row, and nothing is written."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resnext.errors import FailureCode
from resnext.records import Source
from resnext.sources import find
from resnext.sources.config import SourceConfig
from support.archives import CONTENT, make_tar, member, outcome

TARS = [(".tar", "w"), (".tar.gz", "w:gz"), (".tgz", "w:gz"), (".tar.bz2", "w:bz2"), (".tar.xz", "w:xz")]


def test_pictures_of_a_zip_in_its_own_order(tmp_path: Path) -> None:
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in (
            "b.jpg",
            "a/c.PNG",
            "notes.txt",
            "inner.zip",
            "../../up.jpg",
            "/etc/abs.jpg",
            "d/",
            "__MACOSX/._b.jpg",
            "a/._c.PNG",
        ):
            archive.writestr(name, CONTENT)
    names = ["b.jpg", "a/c.PNG", "../../up.jpg", "/etc/abs.jpg"]
    assert outcome(path) == [(name, CONTENT) for name in names]
    for name in [*names, "notes.txt"]:
        assert outcome(f"{path}!/{name}") == [(name, CONTENT)]
    assert outcome(f"{path}!/none.jpg") == [("none.jpg", "not_found")]
    assert sorted(tmp_path.rglob("*")) == [path]


@pytest.mark.parametrize(("suffix", "mode"), TARS)
def test_pictures_of_a_tar(tmp_path: Path, suffix: str, mode: str) -> None:
    members = [(member(name), CONTENT) for name in ("./b.jpg", "x/y.txt", "../up.png", "n" * 150 + ".jpg")]
    members.insert(2, (member("link.jpg", tarfile.SYMTYPE, "/etc/passwd"), b""))
    members.insert(3, (member("hard.jpg", tarfile.LNKTYPE, "b.jpg"), b""))
    members.insert(4, (member("fifo.jpg", tarfile.FIFOTYPE), b""))
    path = make_tar(tmp_path / f"shard{suffix}", mode, members)
    assert outcome(path) == [
        ("./b.jpg", CONTENT),
        *((name, "not_a_file") for name in ("link.jpg", "hard.jpg", "fifo.jpg")),
        ("../up.png", CONTENT),
        ("n" * 150 + ".jpg", CONTENT),
    ]
    assert outcome(f"{path}!/../up.png") == [("../up.png", CONTENT)]
    assert outcome(f"{path}!/x/y.txt") == [("x/y.txt", CONTENT)]
    assert outcome(f"{path}!/link.jpg") == [("link.jpg", "not_a_file")]
    assert outcome(path, max_bytes=1000)[0] == ("./b.jpg", "too_large")


@pytest.mark.parametrize(("suffix", "mode"), TARS)
def test_what_comes_before_the_damage_is_kept(tmp_path: Path, suffix: str, mode: str) -> None:
    import random

    contents = [random.Random(n).randbytes(1_000_000) for n in range(3)]
    content = contents[0]
    whole = make_tar(tmp_path / f"whole{suffix}", mode, [(member(f"{n}.jpg"), each) for n, each in enumerate(contents)])
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(whole.read_bytes()[:2_500_000])
    rows = outcome(path, max_bytes=10_000_000)
    assert rows[0] == ("0.jpg", content)
    assert rows[-1][1] == "archive"
    if suffix == ".tar":
        garbled = bytearray(whole.read_bytes())
        second_header = 512 + (len(content) + 511) // 512 * 512
        garbled[second_header : second_header + 100] = b"\xff" * 100
        path.write_bytes(garbled)
        assert outcome(path, max_bytes=10_000_000) == [("0.jpg", content), ("", "archive")]


def test_passwords_methods_and_links_of_zips(tmp_path: Path) -> None:
    path = tmp_path / "odd.zip"
    link = zipfile.ZipInfo("link.jpg")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        for entry in ("secret.jpg", "method.jpg", link, "broken.jpg", "good.jpg"):
            archive.writestr(entry, CONTENT)
    content = bytearray(path.read_bytes())

    def patch(name: bytes, field: int, local_field: int, value: int) -> None:
        table = content.rindex(name) - 46
        local = content.index(name) - 30
        content[table + field : table + field + 2] = value.to_bytes(2, "little")
        content[local + local_field : local + local_field + 2] = value.to_bytes(2, "little")

    patch(b"secret.jpg", 8, 6, 1)
    patch(b"method.jpg", 10, 8, 99)
    start = content.index(b"broken.jpg") + 100
    content[start] ^= 0xFF
    path.write_bytes(content)
    assert outcome(path) == [
        ("secret.jpg", "archive"),
        ("method.jpg", "archive"),
        ("link.jpg", "not_a_file"),
        ("broken.jpg", "archive"),
        ("good.jpg", CONTENT),
    ]


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x.tgz", "x.tar.bz2", "x.tar.xz"])
@pytest.mark.parametrize("content", [b"", b"no archive at all" * 100])
def test_no_archive_at_all(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert outcome(path) == [("", "archive")]


def test_an_archive_without_pictures_is_named(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "texts.tar", "w", [(member("a.txt"), b"x")])
    assert outcome(path) == [("", "no_images")]


def test_folders_do_not_enter_archives(tmp_path: Path) -> None:
    make_tar(tmp_path / "a.tar", "w", [(member("a.jpg"), b"x")])
    (tmp_path / "b.jpg").touch()
    assert [item.file for item in find([str(tmp_path)], SourceConfig()) if isinstance(item, Source)] == [
        str(tmp_path / "b.jpg")
    ]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), suffix=st.sampled_from([".zip", ".tar", ".tar.gz"]))
def test_only_our_own_errors_come_out(tmp_path: Path, data: st.DataObject, suffix: str) -> None:
    stream = io.BytesIO()
    if suffix == ".zip":
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.jpg", CONTENT[:600])
            archive.writestr("b.jpg", b"x")
    else:
        with tarfile.open(fileobj=stream, mode="w:gz" if suffix == ".tar.gz" else "w") as packed:
            for name in ("a.jpg", "l" * 120 + ".jpg"):
                info = member(name)
                info.size = 600
                packed.addfile(info, io.BytesIO(CONTENT[:600]))
    content = bytearray(stream.getvalue()[: 6000 if suffix == ".tar" else None])
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / f"fuzz{suffix}"
    path.write_bytes(content)
    for _, result in outcome(path, max_bytes=100_000):
        assert isinstance(result, bytes) or result in set(FailureCode)
