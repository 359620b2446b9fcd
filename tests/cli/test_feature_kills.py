"""`resnext features`, killed at any moment and resumed: bit by bit the arrays of an undisturbed run, in flat memory."""

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnext.engines import Graph
from resnext.shelf.shelf import ModelRequest, Shelf
from resnext.store.store import Store
from support.program import SAMPLES, Heard, Once, clean_environment

PHOTOS = sorted(path for path in SAMPLES.iterdir() if path.suffix != ".md")


@pytest.fixture(scope="session")
def maps_cache(once: Once, tiny_model: Path, tiny_cache: Path) -> Path:
    """A cache in which the tiny model's graph of maps is compiled beside its own."""

    def make(cache: Path) -> None:
        shutil.copytree(tiny_cache, cache)
        graph = Graph("multiscale", (3, 4))
        request = ModelRequest(model=str(tiny_model), precision="fp32", graph=graph, outputs=graph.outputs)
        Shelf(Heard(), Store(cache)).open(request)

    return once("tiny-maps-cache", make)


@pytest.fixture
def inputs(tmp_path: Path) -> list[str]:
    """Photos, broken files between them, and one input that is given twice."""
    folder = tmp_path / "photos"
    folder.mkdir()
    names = []
    for number in range(40):
        path = folder / f"{'broken ' if number % 5 == 3 else ''}{number}.png"
        if number % 5 == 3:
            path.write_bytes(b"\x89PNG\r\n\x1a\n broken")
        else:
            shutil.copy(PHOTOS[number % 3], path)
        names.append(str(path))
    return [*names, names[0], names[3]]


def content(path: Path) -> Any:
    if path.name.endswith(".run.json"):
        return json.loads(path.read_bytes())["settings"]
    if path.suffix == ".jsonl":
        lines = path.read_bytes().splitlines()
        return [line for line in lines if b'"ok"' in line], sorted(line for line in lines if b'"ok"' not in line)
    if path.suffix == ".parquet":
        import pyarrow.parquet

        rows = pyarrow.parquet.read_table(path).to_pylist()
        worked = [(row["file"], row["vector"]) for row in rows if row["status"] == "ok"]
        return worked, sorted((row["file"], row["error"]) for row in rows if row["status"] != "ok")
    return path.read_bytes()


def kill_and_resume(
    folder: Path, model: Path, cache: Path, ending: str, inputs: list[str], kills: int, seed: int
) -> int:
    """Kill runs at moments from their start to their end, then let one end: bit by bit the arrays of one run.

    Failures, which each run does again, stand in any place of the index.
    """

    def command(output: Path) -> list[str]:
        kind = ["--kind", "multiscale", "--out-indices", "3,4"] if ending == "npz" else []
        return [
            sys.executable,
            "-m",
            "resnext",
            "features",
            "-m",
            str(model),
            "--exact",
            *kind,
            "-o",
            str(output),
            "--resume",
            *inputs,
        ]

    def contents(name: str) -> dict[str, Any]:
        return {path.name.removeprefix(name): content(path) for path in folder.iterdir() if path.name.startswith(name)}

    def lines(index: Path) -> int:
        """How far a run is; an index is never behind a complete row."""
        paths = [path for path in (index, folder / f"killed.{ending}.part.jsonl") if path.exists()]
        return max((path.read_bytes().count(b"\n") for path in paths), default=0)

    environment = clean_environment(folder / "home", cache)
    quiet: dict[str, Any] = {"env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    output = folder / f"killed.{ending}"
    index = folder / f"killed.{ending}.jsonl"
    begin = time.monotonic()
    assert subprocess.run(command(folder / f"whole.{ending}"), timeout=600, **quiet).returncode == 1
    whole_run = time.monotonic() - begin
    generator = random.Random(seed)
    hit = tries = 0
    while hit < kills and tries < 3 * kills:
        tries += 1
        by_growth = generator.random() < 0.7
        so_far = lines(index)
        goal = so_far + generator.random() * 2 * (len(inputs) - so_far) / (kills - hit + 1)
        limit = time.monotonic() + (60 if by_growth else generator.random() * whole_run)
        with subprocess.Popen(command(output), **quiet) as process:
            while process.poll() is None and time.monotonic() < limit:
                if by_growth and lines(index) >= goal:
                    break
                time.sleep(0.001)
            time.sleep(generator.random() * 0.01)
            process.kill()
            hit += process.wait() < 0
        if ending == "npy" and output.exists() and output.stat().st_size >= 128:
            np.load(output, mmap_mode="r")  # as it was left
        ended = output.exists() and lines(index) == len(inputs) if ending != "parquet" else output.exists()
        if ended and hit < kills:
            for path in folder.glob("killed*"):  # it came to its end before all kills: once more from the start
                path.unlink()
    assert subprocess.run(command(output), timeout=600, **quiet).returncode == 1
    assert contents("killed") == contents("whole")
    return hit


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 as POSIX has it")
@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_a_killed_run_goes_on(
    tmp_path: Path, tiny_model: Path, maps_cache: Path, inputs: list[str], ending: str
) -> None:
    assert kill_and_resume(tmp_path, tiny_model, maps_cache, ending, inputs, kills=4, seed=5) == 4


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 as POSIX has it")
@pytest.mark.parametrize("ending", ["npy", "npz", "parquet"])
def test_fifty_kills(
    tmp_path: Path,
    tiny_model: Path,
    maps_cache: Path,
    inputs: list[str],
    ending: str,
    amount: Callable[[int, int], int],
) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    kills = amount(50, 3)
    assert kill_and_resume(tmp_path, tiny_model, maps_cache, ending, inputs * amount(20, 1), kills, seed=1) == kills


@pytest.mark.slow
def test_memory_stays_flat(tmp_path: Path, amount: Callable[[int, int], int]) -> None:
    """Rows of a synthetic model through the very loop and files: from the 2,000th on less than 50 MB more."""
    rows = amount(100_000, 10_000)
    program = """
import resource, sys
import numpy as np
from pathlib import Path
from resnext.pipeline.loop import answer_each
from resnext.pipeline.features_job import checked
from resnext.outputs.vectors.feature_file import FeatureFile, FeatureLayout
from resnext.outputs.run_note import Settings
from resnext.records import Batch, Features, Source

class Engine:
    batch_size, depth = 4, 2
    def submit(self, pixels): return Ticket(np.tile(pixels[:, :1, 0, 0], (1, 2048)))
class Ticket:
    def __init__(self, rows): self.rows = rows
    def done(self): return True
    def result(self): return {"pooled": self.rows}

def batches(count):
    for start in range(0, count, 4):
        pixels = np.full((4, 3, 2, 2), start + 1, np.float32)
        yield Batch(tuple(Source(f"photos/{start + each}.jpg") for each in range(4)), pixels)

def answer(source, row):
    return Features(source, {"pooled": checked(row["pooled"], True, "float32")})

path, rows = Path(sys.argv[1]), int(sys.argv[2])
target = FeatureFile(FeatureLayout(path, path.suffix[1:], ("pooled",), "float32"))
target.check()
target.prepare(Settings("features", {}))
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
with target as out:
    for number, record in enumerate(answer_each(batches(rows), Engine(), answer)):
        out.write(record)
        if number == 2000: before = peak()
print(peak() - before)
"""
    for ending in ("npy", "npz"):
        output = tmp_path / f"{ending}.{ending}"
        done = subprocess.run(
            [sys.executable, "-c", program, output, str(rows)], capture_output=True, text=True, timeout=900
        )
        assert done.returncode == 0, done.stderr
        print(f"{ending}: {rows} rows, {float(done.stdout):.1f} MB more")
        assert float(done.stdout) < 50
        if ending == "npz":
            output.unlink()
    assert np.load(tmp_path / "npy.npy", mmap_mode="r").shape == (rows, 2048)
