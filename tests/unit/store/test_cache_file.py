"""What is cached beside a graph comes back whole, or not at all."""

import os
import stat
import time
from pathlib import Path

import pytest

from resnext.store import digests, leftovers
from resnext.store.cache_file import CacheFile

CONTENT = bytes(range(256)) * 40


def found(file: CacheFile) -> bytes | None:
    """What a new process would read."""
    content = file.read()
    return None if content is None else bytes(content)


@pytest.mark.parametrize("content", [CONTENT, b"x", b""])
def test_what_was_kept_is_read_and_is_the_users_alone(tmp_path: Path, content: bytes) -> None:
    file = CacheFile(tmp_path, "a graph, a processor")
    assert found(file) is None
    file.write(content)
    assert found(file) == content
    assert [path.name for path in tmp_path.iterdir()] == [file.path.name]
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_what_reads_it_may_write_to_it_and_changes_nothing(tmp_path: Path) -> None:
    file = CacheFile(tmp_path, "a")
    file.write(CONTENT)
    content = file.read()
    assert content is not None and not content.readonly
    content[0] = 77
    assert found(file) == CONTENT


def test_a_file_is_of_what_it_was_made_from(tmp_path: Path) -> None:
    one, other = CacheFile(tmp_path, "one"), CacheFile(tmp_path, "other")
    one.write(CONTENT)
    other.write(b"something else")
    assert found(one) == CONTENT
    other.path.replace(one.path)
    assert found(one) is None and found(other) is None


def test_damage_anywhere_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "_PIECE_BYTES", 1000)
    file = CacheFile(tmp_path, "a")
    file.write(CONTENT)
    whole = file.path.read_bytes()
    damaged = [whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :] for place in range(0, len(whole), 61)]
    damaged += [whole[:length] for length in (0, 1, 63, 64, 65, 1064, len(whole) - 1)]
    damaged += [whole + b"\0", whole[:64] + whole[1064:2064] + whole[64:1064] + whole[2064:], bytes(len(whole))]
    for content in damaged:
        file.path.write_bytes(content)
        assert found(file) is None
    file.write(CONTENT)
    assert found(file) == CONTENT


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_what_is_no_file_is_no_file(tmp_path: Path) -> None:
    file = CacheFile(tmp_path, "a")
    os.mkfifo(file.path)
    assert found(file) is None
    file.path.unlink()
    file.path.mkdir()
    assert found(file) is None
    file.write(CONTENT)  # it can't be put there, and that is no fault
    assert found(file) is None
    assert [path.name for path in tmp_path.iterdir()] == [file.path.name]


def test_a_full_disk_or_a_lost_folder_keeps_nothing(tmp_path: Path) -> None:
    assert CacheFile(tmp_path, "a").has_room_for(1)
    assert not CacheFile(tmp_path, "a").has_room_for(1 << 60)
    lost = CacheFile(tmp_path / "lost", "a")
    assert not lost.has_room_for(1)
    lost.write(CONTENT)
    assert found(lost) is None


def test_what_a_killed_process_left_goes_with_the_next_one(tmp_path: Path) -> None:
    old, young = tmp_path / f"{leftovers.NEW_FILE}old", tmp_path / f"{leftovers.NEW_FILE}young"
    for each in (old, young):
        each.write_bytes(CONTENT)
    os.utime(old, times=(time.time() - 2 * leftovers.LOCK_SECONDS,) * 2)
    CacheFile(tmp_path, "a").write(CONTENT)
    assert not old.exists() and young.exists()


def test_what_was_broken_off_a_moment_ago_is_no_waste_of_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes the same file again takes the place of a process that was killed, or is at it now."""
    one, other = CacheFile(tmp_path, "one"), CacheFile(tmp_path, "other")
    with monkeypatch.context() as killed:
        killed.setattr(Path, "replace", lambda self, target: target)
        one.write(CONTENT)
        other.write(CONTENT)
    assert len(list(tmp_path.iterdir())) == 2 and found(one) is None
    one.write(CONTENT)
    assert found(one) == CONTENT and len(list(tmp_path.iterdir())) == 2


def test_the_slower_of_two_leaves_it_to_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, quick = CacheFile(tmp_path, "a graph"), CacheFile(tmp_path, "a graph")
    replace = Path.replace

    def outrun(self: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "replace", replace)
        quick.write(CONTENT)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", outrun)
    slow.write(b"late")
    assert found(slow) == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == [slow.path.name]


def test_what_nobody_has_used_for_a_month_goes(tmp_path: Path) -> None:
    unused, old, recent = CacheFile(tmp_path, "unused"), CacheFile(tmp_path, "old"), CacheFile(tmp_path, "recent")
    for each in (unused, old, recent):
        each.write(CONTENT)
    for each, days in ((unused, 40), (old, 40), (recent, 20)):
        os.utime(each.path, times=(time.time() - days * 24 * 3600,) * 2)
    assert found(old) == CONTENT  # made long ago, and in use today
    CacheFile(tmp_path, "new").write(CONTENT)
    assert not unused.path.exists() and found(old) == CONTENT and found(recent) == CONTENT


def test_a_file_that_was_used_today_is_not_written_to_again(tmp_path: Path) -> None:
    file = CacheFile(tmp_path, "a")
    file.write(CONTENT)
    before = file.path.stat().st_mtime_ns
    assert found(file) == CONTENT
    assert file.path.stat().st_mtime_ns == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may do everything")
def test_a_store_that_can_not_be_written_to_is_read(tmp_path: Path) -> None:
    file = CacheFile(tmp_path, "a")
    file.write(CONTENT)
    os.utime(file.path, times=(time.time() - 40 * 24 * 3600,) * 2)
    file.path.chmod(0o400)
    tmp_path.chmod(0o500)
    try:
        assert found(file) == CONTENT
    finally:
        tmp_path.chmod(0o700)


def test_a_file_is_forgotten_when_it_is_removed(tmp_path: Path) -> None:
    file = CacheFile(tmp_path, "a")
    file.write(CONTENT)
    assert file.read() is not None
    file.remove()
    assert file.read() is None and not file.path.exists()
    file.remove()
