"""kill -9 at random moments, with --resume after each: each input stands in the file once, as in an undisturbed run."""

import csv
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from conftest import SAMPLES, RunResnext, clean_environment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kill -9 as POSIX has it")

_COPIES = 40


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    """Photos of several labels under odd names, broken files, and one input that is given twice."""
    folder = tmp_path / "photos"
    folder.mkdir()
    originals = [SAMPLES / "coffee.png", SAMPLES / "camera.tif"]
    names = []
    for number in range(_COPIES):
        odd = [f"{number}.png", f'a,"b\n{number}', f"caf\udce9 {number}.png", f"broken {number}.png"][number % 4]
        path = folder / odd
        if odd.startswith("broken"):
            path.write_bytes(b"\x89PNG\r\n\x1a\n broken")
        else:
            shutil.copy(originals[number % len(originals)], path)
        names.append(str(path))
    return [*names, names[0], names[2]]


def command_for(output: Path, inputs: list[str]) -> list[str]:
    options = ["-m", "lite0", "--exact", "-k", "2", "-j", "1", "-o", str(output)]
    return [sys.executable, "-m", "resnext", "classify", *options, "--resume", *inputs]


def summary_of(path: Path) -> Counter[tuple[Any, ...]]:
    """Every row as name, status, and labels; how often it is there."""
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_bytes().splitlines()]
        return Counter(
            (row.get("file_b64") or row["file"], row["status"], *(each["index"] for each in row["predictions"]))
            for row in rows
        )
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return Counter(
                (row["file_b64"] or row["file"], row["status"], row["index_1"], row["index_2"])
                for row in csv.DictReader(file, strict=True)
            )
    import pyarrow.parquet

    return Counter(
        (row["file_b64"] or row["file"], row["status"], *(each["index"] for each in row["predictions"]))
        for row in pyarrow.parquet.read_table(path).to_pylist()
    )


def size_of(output: Path) -> int:
    """Bytes of rows so far, wherever they gather."""
    return sum(path.stat().st_size for path in (output, output.with_name(f"{output.name}.part")) if path.exists())


def kill_and_resume(folder: Path, cache: Path, ending: str, inputs: list[str], kills: int, seed: int) -> int:
    """Kill runs at moments from their start to their end, then let one end. Gives how many kills met a live one."""
    environment = clean_environment(folder / "home", cache)
    undisturbed, output = folder / f"undisturbed.{ending}", folder / f"killed.{ending}"
    quiet: dict[str, Any] = {"env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    begin = time.monotonic()
    assert subprocess.run(command_for(undisturbed, inputs), timeout=600, **quiet).returncode == 1
    whole_run = time.monotonic() - begin
    expected, full_size = summary_of(undisturbed), size_of(undisturbed)
    generator = random.Random(seed)
    hit = tries = 0
    while hit < kills and tries < 3 * kills:
        tries += 1
        # Each run may write about its share of what is left, then dies, or dies at any time of its life.
        by_growth = generator.random() < 0.7
        share = generator.random() * 2 * (full_size - size_of(output)) / (kills - hit + 1)
        limit = time.monotonic() + (60 if by_growth else generator.random() * whole_run)
        goal = size_of(output) + share
        with subprocess.Popen(command_for(output, inputs), **quiet) as process:
            while process.poll() is None and time.monotonic() < limit and not (by_growth and size_of(output) >= goal):
                time.sleep(0.001)
            time.sleep(generator.random() * 0.01)
            process.kill()
            hit += process.wait() < 0
    assert subprocess.run(command_for(output, inputs), timeout=600, **quiet).returncode == 1
    assert summary_of(output) == expected
    assert sum(expected.values()) == len(inputs)
    leftovers = {path.name for path in folder.iterdir() if path.name.startswith("killed")}
    assert leftovers == {output.name, f"{output.name}.run.json"}
    return hit


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_killed_run_goes_on(tmp_path: Path, warm_cache: Path, photos: list[str], ending: str) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    hit = kill_and_resume(tmp_path, warm_cache, ending, photos, kills=4, seed=5)
    assert hit == 4


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_fifty_kills(tmp_path: Path, warm_cache: Path, photos: list[str], ending: str) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    inputs = photos * int(os.environ.get("RESUME_ROUNDS", "20"))
    hit = kill_and_resume(tmp_path, warm_cache, ending, inputs, kills=50, seed=int(os.environ.get("RESUME_SEED", "1")))
    assert hit == 50


def test_a_resumed_run_gives_the_rows_of_one_run(resnext: RunResnext, tmp_path: Path) -> None:
    """The same bytes when nothing failed: an earlier part, then the rest."""
    inputs = [path for path in sorted(SAMPLES.iterdir()) if path.suffix != ".md"]
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    options = ("classify", "-m", "lite0", "--exact", "-b", "1")
    assert resnext(*options, "-o", one, *inputs).returncode == 0
    assert resnext(*options, "-o", two, *inputs[:3]).returncode == 0
    assert resnext(*options, "-o", two, "--resume", *inputs).returncode == 0
    assert two.read_bytes() == one.read_bytes()


def test_what_failed_is_done_again(resnext: RunResnext, tmp_path: Path) -> None:
    output, photo = tmp_path / "out.csv", tmp_path / "photo.png"
    photo.write_bytes(b"")
    options = ("classify", "-m", "lite0", "-k", "1", "-o", output, "--resume", photo, SAMPLES / "camera.tif")
    assert resnext(*options).returncode == 1
    shutil.copy(SAMPLES / "coffee.png", photo)
    assert resnext(*options).returncode == 0
    with output.open(newline="") as file:
        rows = [(row["file"], row["label_1"]) for row in csv.DictReader(file)]
    assert rows == [(str(SAMPLES / "camera.tif"), "tripod"), (str(photo), "espresso")]


def test_other_settings_are_refused_by_name(resnext: RunResnext, tmp_path: Path) -> None:
    output, photo = tmp_path / "out.jsonl", SAMPLES / "coffee.png"
    resnext("classify", "-m", "lite0", "-o", output, photo)
    before = output.read_bytes()
    for option, words in (
        (("-k", "3", "--exact"), "--precision auto, not fp32; --exact False, not True; --top-k 5, not 3"),
        (("--threshold", "0.5", "--output-type", "logit"), "--threshold 0.0, not 0.5; --output-type prob, not logit"),
        (("--label-type", "detailed", "-f", "csv"), "--label-type name, not detailed"),
    ):
        done = resnext("classify", "-m", "lite0", "-o", output, "--resume", *option, photo)
        assert done.returncode == 2 and done.stderr.count("\n") == 1
        assert words in done.stderr and output.read_bytes() == before


def test_other_labels_and_other_weights_are_refused(resnext: RunResnext, tmp_path: Path) -> None:
    output, labels, photo = tmp_path / "out.jsonl", tmp_path / "labels.txt", SAMPLES / "coffee.png"
    labels.write_text("".join(f"thing {number}\n" for number in range(1000)))
    options = ("classify", "-m", "lite0", "-o", output, "--resume")
    assert resnext(*options, photo).returncode == 0
    assert "--labels none, not sha256:" in resnext(*options, "--labels", labels, photo).stderr
    sidecar = tmp_path / "out.jsonl.run.json"
    sidecar.write_text(sidecar.read_text().replace("sha256:", "sha256:0"))
    other = resnext(*options, photo)
    assert other.returncode == 2 and "weights sha256:0" in other.stderr
    sidecar.unlink()
    assert "no out.jsonl.run.json beside it" in resnext(*options, photo).stderr
