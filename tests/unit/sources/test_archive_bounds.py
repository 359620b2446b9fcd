"""Archives that claim, hold or hide more than memory and time allow: bounded, and told in a row."""

import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from resnext.sources import find
from resnext.sources.config import SourceConfig
from support.archives import CONTENT, make_tar, member, outcome
from support.program import clean_environment


def test_bombs_are_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.jpg", bytes(5_000_000))
        archive.writestr("good.jpg", CONTENT)
    assert outcome(path) == [("bomb.jpg", "too_large"), ("good.jpg", CONTENT)]
    liar = bytearray(path.read_bytes())
    table = liar.index(b"PK\x01\x02")
    liar[table + 24 : table + 28] = (1000).to_bytes(4, "little")  # claims to be small
    path.write_bytes(liar)
    rows = dict(outcome(path))
    assert rows["bomb.jpg"] in ("archive", bytes(1000)) and rows["good.jpg"] == CONTENT

    from resnext.sources import tar_stream

    monkeypatch.setattr(tar_stream, "BOMB_BYTES", 1 << 20)
    packed = make_tar(tmp_path / "bomb.tar.gz", "w:gz", [(member("a.txt"), bytes(9_000_000)), (member("b.jpg"), b"x")])
    assert outcome(packed) == [("", "too_large")]


def test_a_header_may_not_claim_the_memory(tmp_path: Path) -> None:
    info = member("x", tarfile.XHDTYPE)
    info.size = 8 << 30
    path = tmp_path / "claim.tar"
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(10_240))
    assert outcome(path) == [("", "archive")]


_LISTED = """
import resource, sys
from resnext.sources import find
from resnext.sources.config import SourceConfig
(photo,) = find(sys.argv[1:], SourceConfig())
print(len(photo.read()), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="resource is of POSIX")
def test_ten_million_members(tmp_path: Path, amount: Callable[[int, int], int]) -> None:
    """A tar is read member by member, and none is kept."""
    header, photo = member("notes.txt").tobuf(), member("photo.jpg")
    photo.size = len(CONTENT)
    peaks = []
    for count in (10_000, amount(10_000_000, 200_000)):
        path = tmp_path / f"{count}.tar"
        with path.open("wb") as file:
            for _ in range(count // 10_000):
                file.write(header * 10_000)
            file.write(photo.tobuf() + CONTENT + bytes(1024))
        command = [sys.executable, "-c", _LISTED, str(path)]
        done = subprocess.run(command, env=clean_environment(tmp_path, tmp_path), capture_output=True, timeout=1500)
        path.unlink()
        size, peak = map(int, done.stdout.split())
        assert size == len(CONTENT)
        peaks.append(peak * (1 if sys.platform == "darwin" else 1024))
    print(f"{count} members of a tar: {(peaks[1] - peaks[0]) / 1e6:.1f} MB above the peak of 10000")
    assert peaks[1] - peaks[0] < 8 << 20


def test_the_memory_that_an_xz_header_asks_for_is_bounded(tmp_path: Path) -> None:
    content = bytearray(make_tar(tmp_path / "a.tar.xz", "w:xz", [(member("a.jpg"), CONTENT)]).read_bytes())
    start, size = 12, (content[12] + 1) * 4  # the header of the first block; its dictionary's size is the fifth byte
    content[start + 4] = 40  # 4 GiB
    content[start + size - 4 : start + size] = struct.pack("<L", zlib.crc32(content[start : start + size - 4]))
    path = tmp_path / "claim.tar.xz"
    path.write_bytes(content)
    assert outcome(path) == [("", "too_large")]


def test_an_xz_of_several_streams_is_read_to_its_end(tmp_path: Path) -> None:
    import lzma

    whole = make_tar(tmp_path / "a.tar", "w", [(member(f"{n}.jpg"), CONTENT) for n in range(3)]).read_bytes()
    path = tmp_path / "b.tar.xz"
    path.write_bytes(
        lzma.compress(whole[:5000]) + bytes(8) + lzma.compress(whole[5000:12000]) + lzma.compress(whole[12000:])
    )
    assert outcome(path) == [(f"{n}.jpg", CONTENT) for n in range(3)]


def test_a_zip_of_millions_of_members_is_refused_by_its_table(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    entries = 10_000_000
    table = entries * (46 + 12)
    with path.open("wb") as file:
        file.truncate(table)
        file.seek(table)
        file.write(struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, table, 0))
        file.write(struct.pack("<4sLQL", b"PK\x06\x07", 0, table, 1))
        file.write(struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0))
    assert outcome(path) == [("", "too_large")]


def test_a_zip64_table_counts_whatever_the_32_bit_size_says(tmp_path: Path) -> None:
    path = tmp_path / "false.zip"
    table = 10_000_000 * (46 + 12)
    with path.open("wb") as file:
        file.truncate(table)
        file.seek(table)
        file.write(struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, table, 0))
        file.write(struct.pack("<4sLQL", b"PK\x06\x07", 0, table, 1))
        file.write(struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 58, 0, 0))
    assert outcome(path) == [("", "too_large")]


def test_members_that_share_their_bytes_are_bounded_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from resnext.sources import zips

    size, count, bound = 100_000, 500, 1_000_000
    monkeypatch.setattr(zips, "BOMB_BYTES", bound)
    with zipfile.ZipFile(tmp_path / "one.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jpg", bytes(size))
    content = (tmp_path / "one.zip").read_bytes()
    start, end = content.index(b"PK\x01\x02"), content.index(b"PK\x05\x06")
    table = content[start:end] * count
    path = tmp_path / "many.zip"
    path.write_bytes(
        content[:start] + table + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(table), start, 0)
    )
    results = [result for _, result in outcome(path)]
    assert len(results) == count
    read = results.index("too_large")
    assert {*results[read:]} == {"too_large"}
    assert bound // size <= read <= (bound + 200 * path.stat().st_size) // size


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_a_member_claims_bounds_what_is_unpacked(tmp_path: Path, method: int) -> None:
    import tracemalloc

    path = tmp_path / "liar.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("good.jpg", CONTENT)
        archive.writestr("bomb.jpg", bytes(120_000_000))
    content = bytearray(path.read_bytes())
    assert len(content) < 100_000
    table = content.rindex(b"bomb.jpg") - 46
    content[table + 24 : table + 28] = (1000).to_bytes(4, "little")
    path.write_bytes(content)
    tracemalloc.start()
    try:
        assert outcome(path) == [("good.jpg", CONTENT), ("bomb.jpg", "archive")]
        assert outcome(f"{path}!/good.jpg") == [("good.jpg", CONTENT)]
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_waiting_members_of_a_compressed_tar_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from resnext.sources import tars

    monkeypatch.setattr(tars, "_WAITING_BYTES", 3 * len(CONTENT))
    path = make_tar(tmp_path / "a.tar.gz", "w:gz", [(member(f"{n}.jpg"), CONTENT) for n in range(50)])
    # Whether each is read (as in a run) or dropped unread (as when inputs are only listed), the next one comes.
    assert len(outcome(path)) == 50
    assert sum(1 for _ in find([str(path)], SourceConfig())) == 50
