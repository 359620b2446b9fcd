"""`--shard I/N` through whole processes: N runs give each input one row, resumed or not, and so under GNU parallel."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from support.program import SAMPLES, RunResnext, clean_environment


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(9):
        os.link(shutil.copy(SAMPLES / "coffee.png", tmp_path / f"{number}.png"), folder / f"{number}.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 broken")
    return folder


def files(*parts: Path) -> Counter[str]:
    return Counter(json.loads(line)["file"] for part in parts for line in part.read_text().splitlines())


def test_parts_hold_each_input_once_and_are_resumed_by_themselves(
    resnext: RunResnext, photos: Path, tmp_path: Path
) -> None:
    parts = [tmp_path / f"part-{number}.jsonl" for number in (1, 2)]
    command = ("classify", "-m", "lite0", photos, "--shard")
    codes = [resnext(*command, f"{number}/2", "-o", part).returncode for number, part in enumerate(parts, 1)]
    assert sorted(codes) == [0, 1], "one of them has the broken photo"
    assert files(*parts) == Counter(str(path) for path in photos.iterdir())
    first, broken = parts[0].read_bytes(), photos / "broken.jpg"
    other = resnext(*command, "2/2", "-o", parts[0], "--resume")
    assert other.returncode == 2 and "--shard 1/2, not 2/2" in other.stderr
    shutil.copy(SAMPLES / "coffee.png", broken)
    for number, part in enumerate(parts, 1):
        assert resnext(*command, f"{number}/2", "-o", part, "--resume").returncode == 0
    assert files(*parts) == Counter(str(path) for path in photos.iterdir())
    assert (parts[0].read_bytes() == first) == (codes[0] == 0)


def test_a_shard_without_inputs_is_an_empty_part(resnext: RunResnext, tmp_path: Path) -> None:
    for ending, read in (("jsonl", Path.read_text), ("csv", Path.read_text), ("parquet", _parquet_rows), ("npy", None)):
        part = tmp_path / f"part.{ending}"
        kind = "features" if ending == "npy" else "classify"
        done = resnext(kind, "-m", "lite0", SAMPLES / "coffee.png", "--shard", "2/2", "-o", part)
        assert done.returncode == 0 and "no input is in shard 2/2" in done.stderr
        assert read is None or read(part) in ("", 0) or ending == "csv", ending
    assert len((tmp_path / "part.csv").read_text().splitlines()) == 1
    listed = resnext("classify", SAMPLES / "coffee.png", "camera.tif", "--shard", "1/2", "--dry-run")
    assert listed.stdout == f"{SAMPLES / 'coffee.png'}\n"


def _parquet_rows(path: Path) -> int:
    import pyarrow.parquet

    return int(pyarrow.parquet.read_metadata(path).num_rows)


@pytest.mark.parametrize("value", ["0/4", "5/4", "1", "a/b", "1/0", "-1/4", "1/99999999"])
def test_what_is_no_shard_is_said_in_one_line(resnext: RunResnext, value: str) -> None:
    done = resnext("classify", "x.jpg", f"--shard={value}")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "--shard" in done.stderr


@pytest.mark.skipif(shutil.which("parallel") is None, reason="GNU parallel is not installed")
def test_the_recipe_of_gnu_parallel(photos: Path, warm_cache: Path, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "resnext"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m resnext "$@"\n')
    program.chmod(0o755)
    environment = clean_environment(tmp_path / "home", warm_cache)
    environment["PATH"] = f"{program.parent}:{environment['PATH']}"
    (tmp_path / "labels").mkdir()
    recipe = "resnext classify -m lite0 photos/ --shard {}/4 -o labels/part-{}.jsonl"
    done = subprocess.run(
        ["parallel", "-j", "2", recipe, ":::", *"1234"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1, f"the one part with the broken photo: {done.stderr}"
    assert files(*(tmp_path / "labels").glob("*.jsonl")) == Counter(f"photos/{path.name}" for path in photos.iterdir())
