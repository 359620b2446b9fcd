"""--resume and a dry run of it: what is done is found again, what has changed is done again."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from support.program import SAMPLES, RunResnext
from support.results import files_in, rows_of, snapshot

COFFEE, CAMERA, CHINA = SAMPLES / "coffee.png", SAMPLES / "camera.tif", SAMPLES / "china.jpg"

# -- a dry run -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "ending", "state"),
    [
        *(("features", "npy", state) for state in ("finished", "growing", "ended", "begun")),
        *(("classify", "json", "growing"), ("classify", "json", "ended"), ("classify", "jsonl", "ended")),
    ],
)
def test_a_dry_run_of_a_resumed_run_changes_nothing(
    resnext: RunResnext, tmp_path: Path, result_of: Callable[[str, str], Path], command: str, ending: str, state: str
) -> None:
    folder = tmp_path / "results"
    shutil.copytree(result_of(command, ending), folder)
    output = folder / f"out.{ending}"
    options = (command, "-m", "lite0", "-o", output)
    if state != "finished":
        note = folder / f"out.{ending}.run.json"
        parts = {"json": ["part"], "jsonl": ["part"], "npy": ["part.pooled.npy", "part.jsonl"]}[ending]
        own = {"npy": ["out.npy", "out.npy.jsonl"]}.get(ending, [output.name])
        for part, name in zip(parts, own, strict=True):
            shutil.copy(folder / name, folder / f"out.{ending}.{part}")
        if ending == "json":
            row = json.loads(output.read_bytes())[0]
            (folder / "out.json.part").write_text(json.dumps(row) + "\n")
        (folder / f"out.{ending}.part.run.json").write_text(
            json.dumps(json.loads(note.read_bytes()) | {"state": state})
        )
    before = snapshot(folder)
    done = resnext(command, "--dry-run", "-o", output, "--resume", COFFEE, CAMERA)
    assert (done.returncode, done.stdout.splitlines()) == (0, [str(CAMERA)]), done.stderr
    assert snapshot(folder) == before
    assert resnext(*options, "--resume", COFFEE, CAMERA).returncode == 0
    assert sorted(files_in(output)) == sorted([str(COFFEE), str(CAMERA)])
    assert not list(folder.glob("*part*"))


@pytest.mark.parametrize("command", ["classify", "features"])
def test_a_dry_run_says_what_is_not_there(resnext: RunResnext, tmp_path: Path, command: str) -> None:
    done = resnext(command, "--dry-run", "nope", SAMPLES, cwd=tmp_path)
    assert done.returncode == 1 and "nope" in done.stderr
    assert done.stdout.splitlines()[0] == "nope" and len(done.stdout.splitlines()) == 9


# -- what need not be done again -------------------------------------------------------------------------------------


def later(path: Path) -> None:
    """As if changed a second after all that was done."""
    stamp = time.time() + 1
    os.utime(path, (stamp, stamp))


@pytest.mark.parametrize(
    ("command", "ending"),
    [
        *(("classify", each) for each in ("jsonl", "csv", "json", "parquet")),
        *(("features", each) for each in ("npy", "npz", "parquet")),
    ],
)
def test_a_photo_that_has_changed_is_done_again(resnext: RunResnext, tmp_path: Path, command: str, ending: str) -> None:
    """Its new row takes the place of the old one, and the others stay."""
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    photos = [tmp_path / f"{number}.png" for number in range(3)]
    for photo in photos:
        shutil.copy(COFFEE, photo)
    output = tmp_path / f"out.{ending}"
    summary = tmp_path / "summary.json"
    options = (command, "-m", "lite0", "-o", output, "--resume", "--summary-file", summary)
    assert resnext(*options, *photos).returncode == 0
    assert "3 done before" in resnext(*options, *photos).stderr
    assert json.loads(summary.read_bytes())["changed"] == 0
    shutil.copy(CAMERA, photos[0])
    later(photos[0])
    done = resnext(*options, *photos)
    assert done.returncode == 0, done.stderr
    assert "1 labelled, 2 done before, 1 done again (changed since) in " in done.stderr.replace("saved", "labelled")
    figures = json.loads(summary.read_bytes())
    assert (figures["skipped"], figures["changed"]) == (2, 1)
    assert files_in(output) == [str(photos[1]), str(photos[2]), str(photos[0])]
    if ending == "npy":
        first, second, changed = np.load(output)
        assert (first == second).all() and (first != changed).any()
        assert [row["row"] for row in rows_of(tmp_path / "out.npy.jsonl")] == [0, 1, 2]
    if ending == "jsonl":
        assert [row["predictions"][0]["label"] for row in rows_of(output)] == ["espresso", "espresso", "tripod"]


def test_a_photo_that_keeps_its_date_has_changed_too(resnext: RunResnext, tmp_path: Path) -> None:
    """cp -p, unzip and rsync keep it."""
    photo, output = tmp_path / "a.png", tmp_path / "out.jsonl"
    shutil.copy2(COFFEE, photo)
    options = ("classify", "-m", "lite0", "-o", output, "--resume", photo)
    assert resnext(*options).returncode == 0
    shutil.copy2(CAMERA, photo)
    assert photo.stat().st_mtime < output.stat().st_mtime
    done = resnext(*options)
    assert done.returncode == 0 and "1 labelled, 1 done again (changed since)" in done.stderr
    assert [row["predictions"][0]["label"] for row in rows_of(output)] == ["tripod"]


def test_all_spellings_of_a_path_are_one_file(resnext: RunResnext, tmp_path: Path) -> None:
    shutil.copy(COFFEE, tmp_path / "x.png")
    options = ("classify", "-m", "lite0", "-o", "out.jsonl", "--resume")
    assert resnext(*options, "x.png", cwd=tmp_path).returncode == 0
    for spelling in ("./x.png", str(tmp_path / "x.png"), ".//x.png", "."):
        done = resnext(*options, spelling, cwd=tmp_path)
        assert done.returncode == 0 and "1 done before" in done.stderr
    assert [row["file"] for row in rows_of(tmp_path / "out.jsonl")] == ["x.png"]


@pytest.mark.parametrize(("command", "ending"), [("classify", "jsonl"), ("features", "npy")])
def test_auto_goes_on_with_the_model_of_the_rows(
    resnext: RunResnext, tmp_path: Path, command: str, ending: str
) -> None:
    output = tmp_path / f"out.{ending}"
    assert resnext(command, "-m", "lite0", "-o", output, COFFEE).returncode == 0
    done = resnext(command, "-o", output, "--resume", COFFEE, CAMERA)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(f"resnext: going on with tf_efficientnet_lite0, which {output.name} was made with\n")
    assert "warning" not in done.stderr and files_in(output) == [str(COFFEE), str(CAMERA)]
