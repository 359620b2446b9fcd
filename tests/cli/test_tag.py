"""`resnext tag`: sidecars beside photos that are never touched, and back again."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.program import SAMPLES, RunResnext
from support.sidecars import DARKTABLE, UNSAFE

TAG = ("tag", "-m", "lite0", "--sure", "0.5")


def rows_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def state_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir() if path.is_file()}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("coffee.png", "camera.tif", "chelsea.webp"):
        shutil.copy(SAMPLES / name, folder)
    (folder / "camera.tif.xmp").write_bytes(DARKTABLE.encode())
    return folder


def test_tag_and_undo_leave_everything_as_it_was(resnext: RunResnext, photos: Path) -> None:
    before = state_of(photos)
    done = resnext(*TAG, photos)
    assert done.returncode == 0, done.stderr
    rows = rows_of(done.stdout)
    assert [list(row) for row in rows] == [
        ["file", "file_b64", "status", "sidecar", "added", "kept", "removed", "error_code", "error"]
    ] * 3
    assert [Path(row["sidecar"]).name for row in rows] == ["camera.tif.xmp", "chelsea.webp.xmp", "coffee.png.xmp"]
    assert rows[0]["added"] == ["auto|electronics|camera|tripod"]
    assert rows[0]["kept"] == ["Holiday", "Zoë & Oma", "people|Zoë & Oma"]
    assert rows[2]["added"] == ["auto|food|drink|coffee"]
    tagged = state_of(photos)
    assert all(tagged[name] == before[name] for name in ("coffee.png", "camera.tif", "chelsea.webp"))

    again = resnext(*TAG, photos)
    assert [(row["added"], row["removed"]) for row in rows_of(again.stdout)] == [([], [])] * 3
    assert state_of(photos) == tagged

    undone = resnext("tag", "--undo", photos)
    assert undone.returncode == 0, undone.stderr
    assert [row["removed"] for row in rows_of(undone.stdout)] == [row["added"] for row in rows]
    assert {name: content for name, (content, _) in state_of(photos).items()} == {
        name: content for name, (content, _) in before.items()
    }


def test_a_dry_run_shows_the_same_and_changes_nothing(resnext: RunResnext, photos: Path) -> None:
    before = state_of(photos)
    dry = resnext(*TAG, "--dry-run", "--manifest", photos / "m.jsonl", photos)
    assert state_of(photos) == before
    assert dry.stdout == resnext(*TAG, photos).stdout
    tagged = state_of(photos)
    assert resnext("tag", "--undo", "--dry-run", photos).returncode == 0
    assert state_of(photos) == tagged


def test_what_an_earlier_run_found_is_written_without_a_model(
    resnext: RunResnext, photos: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "labels.jsonl"
    resnext("classify", "-m", "lite0", "--tags", "--sure", "0.5", "-o", labels, photos, tmp_path / "missing.jpg")
    done = resnext("tag", "--from", labels, cache=tmp_path / "no-model")
    assert done.returncode == 1, done.stderr
    rows = rows_of(done.stdout)
    assert (rows[-1]["status"], rows[-1]["error_code"]) == ("error", "not_found")
    from_labels = state_of(photos)
    resnext("tag", "--undo", photos)
    assert rows_of(resnext(*TAG, photos).stdout) == rows[:-1]
    assert {name: each[0] for name, each in state_of(photos).items()} == {
        name: each[0] for name, each in from_labels.items()
    }


def test_undo_after_files_were_moved_and_from_a_manifest(resnext: RunResnext, photos: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "m.jsonl"
    resnext(*TAG, "--manifest", manifest, photos)
    assert len(manifest.read_text().splitlines()) == 3
    moved = photos.rename(tmp_path / "moved")
    assert resnext("tag", "--undo", moved).returncode == 0
    assert names(moved) == ["camera.tif", "camera.tif.xmp", "chelsea.webp", "coffee.png"]
    assert (moved / "camera.tif.xmp").read_bytes() == DARKTABLE.encode()

    manifest.unlink()
    resnext(*TAG, "--manifest", manifest, moved)
    sidecar = moved / "camera.tif.xmp"
    start, end = sidecar.read_bytes().index(b"<resnext:record>"), sidecar.read_bytes().index(b"</resnext:record>")
    stripped = sidecar.read_bytes()[:start] + sidecar.read_bytes()[end + len(b"</resnext:record>") :]
    sidecar.write_bytes(stripped.replace(b"resnext", b"other"))  # a program that drops what it does not know
    undone = resnext("tag", "--undo", "--manifest", manifest)
    assert undone.returncode == 0, undone.stderr
    assert b"tripod" not in sidecar.read_bytes() and b"Holiday" in sidecar.read_bytes()
    assert names(moved) == ["camera.tif", "camera.tif.xmp", "chelsea.webp", "coffee.png"]


def test_a_sidecar_that_cant_be_edited_safely_is_a_row_and_stays(resnext: RunResnext, tmp_path: Path) -> None:
    for number, (data, _) in enumerate(UNSAFE.values()):
        shutil.copy(SAMPLES / "coffee.png", tmp_path / f"{number:02}.png")
        (tmp_path / f"{number:02}.png.xmp").write_bytes(data)
    shutil.copy(SAMPLES / "coffee.png", tmp_path / "sound.png")
    before = state_of(tmp_path)
    done = resnext(*TAG, tmp_path)
    assert done.returncode == 1
    *rows, sound = rows_of(done.stdout)
    assert [row["error_code"] for row in rows] == ["sidecar"] * len(UNSAFE)
    assert all(reason in row["error"] for row, (_, reason) in zip(rows, UNSAFE.values(), strict=True))
    assert sound["status"] == "ok"
    after = state_of(tmp_path)
    assert {name: after[name] for name in before} == before


def test_a_shared_sidecar_is_neither_edited_nor_hidden(resnext: RunResnext, tmp_path: Path) -> None:
    """Programs that look for IMG.png.xmp first showed the keywords of IMG.xmp, as long as there was no other."""
    for name in ("IMG.png", "IMG.CR2"):
        shutil.copy(SAMPLES / "coffee.png", tmp_path / name)
    (tmp_path / "IMG.xmp").write_bytes(DARKTABLE.encode())
    first = resnext(*TAG, tmp_path / "IMG.png")
    assert first.returncode == 0, first.stderr
    made = (tmp_path / "IMG.png.xmp").read_text()
    assert "Holiday" in made and "auto|food|drink|coffee" in made
    assert (tmp_path / "IMG.xmp").read_bytes() == DARKTABLE.encode()
    assert rows_of(resnext(*TAG, tmp_path / "IMG.png").stdout)[0]["added"] == []
    assert (tmp_path / "IMG.png.xmp").read_text() == made
    assert resnext("tag", "--undo", tmp_path / "IMG.png").returncode == 0
    assert names(tmp_path) == ["IMG.CR2", "IMG.png", "IMG.xmp"]


def test_only_files_of_this_machine_have_sidecars(resnext: RunResnext, tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    shutil.make_archive(str(archive.with_suffix("")), "zip", SAMPLES, "coffee.png")
    done = resnext(*TAG, archive)
    (row,) = rows_of(done.stdout)
    assert done.returncode == 1 and row["error_code"] == "sidecar" and "on this machine" in row["error"]
    assert names(tmp_path) == ["a.zip"]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cant_be_written_is_a_row(resnext: RunResnext, photos: Path) -> None:
    photos.chmod(0o555)
    try:
        done = resnext(*TAG, photos)
    finally:
        photos.chmod(0o755)
    assert done.returncode == 1
    assert {row["error_code"] for row in rows_of(done.stdout)} == {"permission"}


def test_a_run_goes_on_with_its_rows(resnext: RunResnext, photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "rows.jsonl"
    resnext(*TAG, "-o", output, photos / "coffee.png")
    done = resnext(*TAG, "-o", output, "--resume", photos)
    assert done.returncode == 0, done.stderr
    assert sorted(Path(row["file"]).name for row in rows_of(output.read_text())) == [
        "camera.tif", "chelsea.webp", "coffee.png"
    ]  # fmt: skip


def test_hostile_names(resnext: RunResnext, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path / "names")
    (tmp_path / "names").mkdir()
    for name in (b"\xff\xfe.png", b"a\nb.png", b"-x.png", b"$(touch x).png"):
        shutil.copy(SAMPLES / "coffee.png", os.path.join(folder, name))  # noqa: PTH118
    done = resnext(*TAG, folder)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "names").glob("*.png.xmp"))) == 4
    assert resnext("tag", "--undo", folder).returncode == 0
    assert len(names(tmp_path / "names")) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "x.jsonl", "photo.jpg"], "--from and PATH contradict each other"),
        (["--from", "x.jsonl", "--undo"], "--from and --undo contradict each other"),
        (["--from", "missing.jsonl"], "missing.jsonl: can't be read"),
        (["--undo"], "nothing to do"),
        (["--undo", "missing"], "missing: no such file"),
        (["--root", "a|b", "photo.jpg"], "--root a|b"),
        (["--frames", "all", "photo.jpg"], "--frames"),
        (["-o", "rows.csv", "photo.jpg"], "rows of tag are JSON Lines"),
        (["--naming", "both", "photo.jpg"], "--naming"),
    ],
)
def test_options_that_make_no_sense(resnext: RunResnext, arguments: list[str], message: str) -> None:
    done = resnext("tag", *arguments)
    assert done.returncode == 2 and message in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("manifest", "options"),
    [
        *((name, ["-o", "out.jsonl"]) for name in ("out.jsonl", "./out.jsonl", "link", "out.jsonl.run.json")),
        *((name, ["-o", "out.jsonl"]) for name in ("out.jsonl.part", "out.jsonl.part.run.json")),
        ("s.json", ["--summary-file", "s.json"]),
        ("photos/coffee.png", []),
        ("photos/camera.tif.xmp", []),
        ("photos/coffee.png.xmp", []),
        ("photos/to-come.jpg", ["photos/to-come.jpg"]),
        ("rows.jsonl", ["--from", "rows.jsonl"]),
        ("rows.jsonl", ["--files-from", "rows.jsonl"]),
        ("rows.jsonl", ["--labels", "rows.jsonl"]),
        ("rows.jsonl", ["--vocabulary", "rows.jsonl"]),
        ("m.jsonl", ["--undo", "-o", "m.jsonl", "--overwrite"]),
    ],
)
def test_a_manifest_takes_the_place_of_nothing_else(
    resnext: RunResnext, photos: Path, manifest: str, options: list[str]
) -> None:
    folder = photos.parent
    (folder / "rows.jsonl").write_text('{"file": "a.jpg", "file_b64": "", "status": "ok", "tags": []}\n')
    (folder / "m.jsonl").write_text('{"file": "a.xmp", "file_b64": "", "tags": [], "added": {}, "made": []}\n')
    (folder / "link").symlink_to("out.jsonl")
    before = state_of(folder), state_of(photos)
    paths = [] if "--from" in options else ["photos"]
    done = resnext("tag", "-m", "lite0", "--manifest", manifest, *options, *paths, cwd=folder)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert "--manifest" in done.stderr and Path(manifest).name in done.stderr
    assert (state_of(folder), state_of(photos)) == before


def test_neither_summary_nor_rows_take_the_place_of_what_tag_reads(resnext: RunResnext, photos: Path) -> None:
    rows = photos.parent / "rows.jsonl"
    rows.write_text('{"file": "a.jpg", "file_b64": "", "status": "ok", "tags": []}\n')
    summary = resnext(*TAG, "--summary-file", photos / "coffee.png.xmp", photos)
    assert summary.returncode == 2 and "is named as sidecars are" in summary.stderr
    for option in ("--from", "--files-from"):
        done = resnext("tag", option, rows, "-o", rows, "--overwrite")
        assert done.returncode == 2 and "is both the output and " in done.stderr, done.stderr
    assert rows.read_text().count("\n") == 1 and not (photos / "coffee.png.xmp").exists()


def test_a_manifest_grows_from_run_to_run(resnext: RunResnext, photos: Path, tmp_path: Path) -> None:
    for photo in ("coffee.png", "chelsea.webp"):
        assert resnext(*TAG, "--manifest", tmp_path / "m.jsonl", photos / photo).returncode == 0
    assert [Path(row["photo"]).name for row in rows_of((tmp_path / "m.jsonl").read_text())] == [
        "coffee.png", "chelsea.webp"
    ]  # fmt: skip
    gone = resnext(*TAG, "--manifest", tmp_path / "gone" / "m.jsonl", photos / "coffee.png")
    assert gone.returncode == 3 and "can't write the manifest: its folder does not exist" in gone.stderr


@pytest.mark.parametrize("line", ["{}", "nonsense", '{"file": "a.jpg", "status": "ok", "tags": [{"path": "x"}]}'])
def test_a_list_that_is_none(resnext: RunResnext, tmp_path: Path, line: str) -> None:
    labels = tmp_path / "labels.jsonl"
    labels.write_text(line + "\n")
    done = resnext("tag", "--from", labels)
    assert done.returncode == 2 and f"{labels}:1: not a row of 'resnext classify --tags'" in done.stderr
    undone = resnext("tag", "--undo", "--manifest", labels)
    assert undone.returncode == 2 and f"{labels}:1: not a line of a manifest" in undone.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="a small file system of its own")
def test_a_full_disk_damages_nothing(resnext: RunResnext, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("this user can't mount a file system")
    try:
        labels, rows = tmp_path / "labels.jsonl", []
        for number in range(40):
            (disk / f"{number}.jpg").touch()
            (disk / f"{number}.jpg.xmp").write_bytes(DARKTABLE.encode())
            rows.append({"file": str(disk / f"{number}.jpg"), "file_b64": "", "status": "ok",
                         "tags": [{"path": ["animal", "dog", "corgi"]}]})  # fmt: skip
        labels.write_text("".join(json.dumps(row) + "\n" for row in rows))
        filler = disk / "filler"
        with pytest.raises(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        done = resnext("tag", "--from", labels)
        assert done.returncode == 1
        assert "No space left on device" in done.stdout
        assert all((disk / f"{number}.jpg.xmp").read_bytes() == DARKTABLE.encode() for number in range(40))
        assert not list(disk.glob(".*"))
        filler.unlink()
        assert resnext("tag", "--from", labels).returncode == 0
    finally:
        subprocess.run(["umount", disk], check=True)
