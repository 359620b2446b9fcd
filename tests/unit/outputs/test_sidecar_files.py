"""Sidecars on disk: which file it is, replaced whole or not at all, never another's."""

import errno
import os
import stat
import sys
from pathlib import Path

import pytest

from resnext.errors import InputError
from resnext.outputs.sidecars import files
from resnext.outputs.sidecars.files import SidecarFile
from resnext.outputs.sidecars.naming import Namer

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="modes and links of POSIX")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def sidecar(tmp_path: Path) -> Path:
    path = tmp_path / "a.jpg.xmp"
    path.write_bytes(b"old")
    return path


def test_the_same_bytes_touch_nothing(sidecar: Path) -> None:
    os.utime(sidecar, (1, 1))
    assert SidecarFile(sidecar).replace(b"old") is False
    assert (sidecar.stat().st_mtime, names(sidecar.parent)) == (1, ["a.jpg.xmp"])


@POSIX
def test_mode_and_owner_stay(sidecar: Path) -> None:
    sidecar.chmod(0o640)
    owner = (4321, 4322) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(sidecar, *owner)
    assert SidecarFile(sidecar).replace(b"new") is True
    found = sidecar.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o640, *owner)
    assert sidecar.read_bytes() == b"new" and names(sidecar.parent) == ["a.jpg.xmp"]


def test_none_removes_it(sidecar: Path) -> None:
    assert SidecarFile(sidecar).replace(None) is True
    assert names(sidecar.parent) == []
    assert SidecarFile(sidecar).replace(None) is False


@POSIX
@pytest.mark.parametrize("written", [0, 1])
def test_a_full_disk_leaves_the_old_one(sidecar: Path, monkeypatch: pytest.MonkeyPatch, written: int) -> None:
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) <= 3 - written:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, bytes(data)[:written] or data)

    monkeypatch.setattr(files.os, "write", full)
    with pytest.raises(InputError, match="can't write the sidecar: No space left on device"):
        SidecarFile(sidecar).replace(b"new")
    assert sidecar.read_bytes() == b"old" and names(sidecar.parent) == ["a.jpg.xmp"]


def test_what_a_killed_run_left_is_taken_over(sidecar: Path) -> None:
    (sidecar.parent / ".a.jpg.xmp.resnext").write_bytes(b"half of something much longer")
    assert SidecarFile(sidecar).replace(b"new") is True
    assert sidecar.read_bytes() == b"new" and names(sidecar.parent) == ["a.jpg.xmp"]


@POSIX
def test_another_run_is_not_disturbed(sidecar: Path) -> None:
    import fcntl

    with (sidecar.parent / ".a.jpg.xmp.resnext").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another run is writing it"):
            SidecarFile(sidecar).replace(b"new")
    assert sidecar.read_bytes() == b"old"


@pytest.mark.parametrize("replacement", [b"new", None])
def test_what_another_program_wrote_meanwhile_stays(sidecar: Path, replacement: bytes | None) -> None:
    file = SidecarFile(sidecar)
    sidecar.write_bytes(b"theirs, and longer")
    with pytest.raises(InputError, match="another program wrote it"):
        file.replace(replacement)
    assert sidecar.read_bytes() == b"theirs, and longer" and names(sidecar.parent) == ["a.jpg.xmp"]


def test_one_that_appeared_meanwhile_stays(tmp_path: Path) -> None:
    file = SidecarFile(tmp_path / "a.jpg.xmp")
    (tmp_path / "a.jpg.xmp").write_bytes(b"theirs")
    with pytest.raises(InputError, match="another program wrote it"):
        file.replace(b"new")
    assert (tmp_path / "a.jpg.xmp").read_bytes() == b"theirs"


@POSIX
def test_links_and_what_is_no_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"precious")
    (tmp_path / "link.xmp").symlink_to("target")
    os.mkfifo(tmp_path / "fifo.xmp")
    (tmp_path / "folder.xmp").mkdir()
    for name, reason in (("link.xmp", "a link"), ("fifo.xmp", "no regular file"), ("folder.xmp", "no regular file")):
        with pytest.raises(InputError, match=reason):
            SidecarFile(tmp_path / name)
    path = tmp_path / "a.xmp"
    (tmp_path / ".a.xmp.resnext").symlink_to("target")
    with pytest.raises(InputError, match="can't write the sidecar"):
        SidecarFile(path).replace(b"new")
    assert (tmp_path / "target").read_bytes() == b"precious"


# -- names -----------------------------------------------------------------------------------------------------------


def named(folder: Path, naming: str, *there: str) -> str:
    for name in there:
        (folder / name).touch()
    return Namer(naming).sidecar_of(str(folder / "IMG.jpg")).name  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("naming", "there", "expected"),
    [
        ("auto", ["IMG.jpg"], "IMG.jpg.xmp"),
        ("auto", ["IMG.jpg", "IMG.xmp"], "IMG.xmp"),
        ("auto", ["IMG.jpg", "IMG.xmp", "IMG.jpg.xmp"], "IMG.jpg.xmp"),
        ("auto", ["IMG.jpg", "IMG.CR2", "IMG.xmp"], "IMG.jpg.xmp"),
        ("auto", ["IMG.jpg", "IMG.mov", "IMG.aae", "IMG.xmp"], "IMG.xmp"),
        ("full", ["IMG.jpg", "IMG.xmp"], "IMG.jpg.xmp"),
        ("stem", ["IMG.jpg", "IMG.jpg.xmp"], "IMG.xmp"),
    ],
)
def test_the_sidecar_of_a_photo(tmp_path: Path, naming: str, there: list[str], expected: str) -> None:
    assert named(tmp_path, naming, *there) == expected


def test_two_pictures_never_share_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="would belong to several pictures"):
        named(tmp_path, "stem", "IMG.jpg", "IMG.png")
