"""kill -9 at random moments, with --resume after each: each input stands in the file once, as in an undisturbed run."""

import csv
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.kills import Job, Toll, kill_and_resume
from support.program import SAMPLES, RunResnext, clean_environment

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


def job_for(folder: Path, model: Path, cache: Path, inputs: list[str]) -> Job:
    options = ["-m", str(model), "--exact", "-k", "2", "-j", "1"]

    def command(output: Path) -> list[str]:
        return [sys.executable, "-m", "resnext", "classify", *options, "-o", str(output), "--resume", *inputs]

    return Job(command, summary_of, clean_environment(folder / "home", cache), code=1)


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


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_killed_run_goes_on(
    tmp_path: Path, tiny_model: Path, tiny_cache: Path, photos: list[str], ending: str
) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    toll = kill_and_resume(job_for(tmp_path, tiny_model, tiny_cache, photos), tmp_path, ending, kills=4, seed=5)
    assert toll == Toll(kills=4, rows=len(photos), lost=0, twice=0)


@pytest.mark.slow
@pytest.mark.parametrize(("ending", "kills"), [("jsonl", 34), ("csv", 33), ("parquet", 33)])
def test_a_hundred_kills(
    tmp_path: Path,
    tiny_model: Path,
    tiny_cache: Path,
    photos: list[str],
    ending: str,
    kills: int,
    amount: Callable[[int, int], int],
    record_property: Callable[[str, object], None],
) -> None:
    """A hundred in all: 0 rows lost, 0 twice. RESUME_SEED=N kills at other moments."""
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    kills, inputs = amount(kills, 2), photos * amount(20, 2)
    seed = int(os.environ.get("RESUME_SEED", "1"))
    toll = kill_and_resume(job_for(tmp_path, tiny_model, tiny_cache, inputs), tmp_path, ending, kills=kills, seed=seed)
    record_property("toll", str(toll))
    print(toll)
    assert toll == Toll(kills, rows=len(inputs), lost=0, twice=0)


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
        (("-k", "3", "--exact"), "--exact was not given then; --top-k 5, not 3"),
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
    assert "--labels was not given then" in resnext(*options, "--labels", labels, photo).stderr
    sidecar = tmp_path / "out.jsonl.run.json"
    sidecar.write_text(sidecar.read_text().replace("sha256:", "sha256:0"))
    other = resnext(*options, photo)
    assert other.returncode == 2 and "other weights" in other.stderr
    sidecar.unlink()
    assert "no out.jsonl.run.json beside it" in resnext(*options, photo).stderr
