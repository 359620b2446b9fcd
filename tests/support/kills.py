"""kill -9 at any moment of a run that writes a file, then --resume until one ends: the machinery for all commands."""

import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnext.outputs.run_note import note_of


@dataclass(frozen=True, slots=True)
class Job:
    """A run to kill. `command(output)` goes on with `output` (--resume) and ends with `code`.

    `summary` counts the rows of a finished file, each by what must be the same in an undisturbed run's; `also` are the
    endings of the files that belong to it beside its note, such as an index.
    """

    command: Callable[[Path], list[str]]
    summary: Callable[[Path], Counter[tuple[Any, ...]]]
    environment: dict[str, str]
    code: int = 0
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Toll:
    """What became of a job: how many kills met a live run, and rows that were lost or are there too often."""

    kills: int
    rows: int
    lost: int
    twice: int


def size_of(output: Path) -> int:
    """Bytes of rows so far, wherever they gather."""
    return sum(path.stat().st_size for path in (output, output.with_name(f"{output.name}.part")) if path.exists())


def kill_and_resume(job: Job, folder: Path, ending: str, *, kills: int, seed: int) -> Toll:
    """Kill runs at moments from their start to their end, then let one end and hold it against an undisturbed one."""
    quiet: dict[str, Any] = {"env": job.environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    undisturbed, output = folder / f"undisturbed.{ending}", folder / f"killed.{ending}"
    begin = time.monotonic()
    assert subprocess.run(job.command(undisturbed), timeout=600, **quiet).returncode == job.code
    whole_run = time.monotonic() - begin
    expected, full_size = job.summary(undisturbed), size_of(undisturbed)
    generator = random.Random(seed)
    hit = tries = 0
    while hit < kills and tries < 3 * kills:
        tries += 1
        # Each run may write about its share of what is left, then dies, or dies at any time of its life.
        by_growth = generator.random() < 0.7
        share = generator.random() * 2 * (full_size - size_of(output)) / (kills - hit + 1)
        limit = time.monotonic() + (60 if by_growth else generator.random() * whole_run)
        goal = size_of(output) + share
        with subprocess.Popen(job.command(output), **quiet) as process:
            while process.poll() is None and time.monotonic() < limit and not (by_growth and size_of(output) >= goal):
                time.sleep(0.001)
            time.sleep(generator.random() * 0.01)
            process.kill()
            hit += process.wait() < 0
    assert subprocess.run(job.command(output), timeout=600, **quiet).returncode == job.code
    found = job.summary(output)
    left = {path.name for path in folder.iterdir() if path.name.startswith("killed")}
    assert left == {output.name, note_of(output).name, *(f"{output.name}{each}" for each in job.also)}
    lost, twice = expected - found, found - expected
    return Toll(hit, found.total(), lost.total(), twice.total())
