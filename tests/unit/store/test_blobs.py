"""What an engine kept comes back whole, or not at all."""

import os
import stat
import time
from pathlib import Path

import pytest

from resnext.store import blobs, digests, leftovers
from resnext.store.blobs import Blob

CONTENT = bytes(range(256)) * 40


@pytest.fixture(autouse=True)
def _nothing_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a new process."""
    monkeypatch.setattr(blobs, "_read", {})


def found(blob: Blob) -> bytes | None:
    """What a new process would read."""
    blobs._read.clear()
    content = blob.read()
    return None if content is None else bytes(content)


@pytest.mark.parametrize("content", [CONTENT, b"x", b""])
def test_what_was_kept_is_read_and_is_the_users_alone(tmp_path: Path, content: bytes) -> None:
    blob = Blob(tmp_path, "a graph, a processor")
    assert found(blob) is None
    blob.keep(content)
    assert found(blob) == content
    assert [path.name for path in tmp_path.iterdir()] == [blob.path.name]
    assert stat.S_IMODE(blob.path.stat().st_mode) == 0o600


def test_what_reads_it_may_write_to_it_and_changes_nothing(tmp_path: Path) -> None:
    blob = Blob(tmp_path, "a")
    blob.keep(CONTENT)
    content = blob.read()
    assert content is not None and not content.readonly
    content[0] = 77
    assert found(blob) == CONTENT


def test_a_blob_is_of_what_it_was_made_from(tmp_path: Path) -> None:
    one, other = Blob(tmp_path, "one"), Blob(tmp_path, "other")
    one.keep(CONTENT)
    other.keep(b"something else")
    assert found(one) == CONTENT
    other.path.replace(one.path)
    assert found(one) is None and found(other) is None


def test_damage_anywhere_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "_PIECE_BYTES", 1000)
    blob = Blob(tmp_path, "a")
    blob.keep(CONTENT)
    whole = blob.path.read_bytes()
    damaged = [whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :] for place in range(0, len(whole), 61)]
    damaged += [whole[:length] for length in (0, 1, 63, 64, 65, 1064, len(whole) - 1)]
    damaged += [whole + b"\0", whole[:64] + whole[1064:2064] + whole[64:1064] + whole[2064:], bytes(len(whole))]
    for content in damaged:
        blob.path.write_bytes(content)
        assert found(blob) is None
    blob.keep(CONTENT)
    assert found(blob) == CONTENT


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_what_is_no_file_is_no_blob(tmp_path: Path) -> None:
    blob = Blob(tmp_path, "a")
    os.mkfifo(blob.path)
    assert found(blob) is None
    blob.path.unlink()
    blob.path.mkdir()
    assert found(blob) is None
    blob.keep(CONTENT)  # it can't be put there, and that is no fault
    assert found(blob) is None
    assert [path.name for path in tmp_path.iterdir()] == [blob.path.name]


def test_a_full_disk_or_a_lost_folder_keeps_nothing(tmp_path: Path) -> None:
    assert Blob(tmp_path, "a").can_be_kept(1)
    assert not Blob(tmp_path, "a").can_be_kept(1 << 60)
    lost = Blob(tmp_path / "lost", "a")
    assert not lost.can_be_kept(1)
    lost.keep(CONTENT)
    assert found(lost) is None


def test_what_a_killed_process_left_goes_with_the_next_one(tmp_path: Path) -> None:
    old, young = tmp_path / f"{leftovers.NEW_FILE}old", tmp_path / f"{leftovers.NEW_FILE}young"
    for each in (old, young):
        each.write_bytes(CONTENT)
    os.utime(old, times=(time.time() - 2 * leftovers.LOCK_SECONDS,) * 2)
    Blob(tmp_path, "a").keep(CONTENT)
    assert not old.exists() and young.exists()


def test_what_was_broken_off_a_moment_ago_is_no_waste_of_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes the same blob again takes the place of a process that was killed, or is at it now."""
    one, other = Blob(tmp_path, "one"), Blob(tmp_path, "other")
    with monkeypatch.context() as killed:
        killed.setattr(Path, "replace", lambda self, target: target)
        one.keep(CONTENT)
        other.keep(CONTENT)
    assert len(list(tmp_path.iterdir())) == 2 and found(one) is None
    one.keep(CONTENT)
    assert found(one) == CONTENT and len(list(tmp_path.iterdir())) == 2


def test_the_slower_of_two_leaves_it_to_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, quick = Blob(tmp_path, "a graph"), Blob(tmp_path, "a graph")
    replace = Path.replace

    def outrun(self: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "replace", replace)
        quick.keep(CONTENT)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", outrun)
    slow.keep(b"late")
    assert found(slow) == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == [slow.path.name]


def test_blobs_of_processors_that_are_gone_do_not_pile_up(tmp_path: Path) -> None:
    gone, here = Blob(tmp_path, "gone"), Blob(tmp_path, "here")
    for each in (gone, here):
        each.keep(CONTENT)
    os.utime(gone.path, times=(time.time() - 40 * 24 * 3600,) * 2)
    Blob(tmp_path, "new").keep(CONTENT)
    assert not gone.path.exists() and found(here) == CONTENT


def test_a_blob_is_forgotten_when_it_is_removed(tmp_path: Path) -> None:
    blob = Blob(tmp_path, "a")
    blob.keep(CONTENT)
    assert blob.read() is not None
    blob.remove()
    assert blob.read() is None and not blob.path.exists()
    blob.remove()
