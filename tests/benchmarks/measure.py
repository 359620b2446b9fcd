"""Time whole processes: wall time and peak memory of a command, and two commands against each other in turn."""

from __future__ import annotations

import os
import shlex
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# ru_maxrss counts KiB on Linux and bytes on macOS.
MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


class CommandFailed(RuntimeError):
    """A measured command ended with another status than 0, or was stopped for taking too long."""


@dataclass(frozen=True)
class Timing:
    """One process, from its start to its end: wall time and, with its children, CPU time in seconds; peak resident
    memory in bytes.
    """

    wall: float
    peak: int
    cpu: float


@dataclass(frozen=True)
class Spread:
    """The median of several measurements with the extremes beside it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Pairs:
    """Measurements of A and B taken in turn; pair i stood next to each other in time."""

    a: tuple[Timing, ...]
    b: tuple[Timing, ...]

    @property
    def wall_a(self) -> Spread:
        return Spread.of([timing.wall for timing in self.a])

    @property
    def wall_b(self) -> Spread:
        return Spread.of([timing.wall for timing in self.b])

    @property
    def peak_a(self) -> float:
        """Peak memory of A in MB, the median."""
        return statistics.median(timing.peak for timing in self.a) / 1e6

    @property
    def peak_b(self) -> float:
        """Peak memory of B in MB, the median."""
        return statistics.median(timing.peak for timing in self.b) / 1e6

    @property
    def ratio(self) -> Spread:
        """Wall time of A over wall time of B, pair by pair, so that a machine that slows down does so for both."""
        return Spread.of([a.wall / b.wall for a, b in zip(self.a, self.b, strict=True)])


def run(command: Sequence[str], env: Mapping[str, str], log: Path, *, timeout: float = 1800) -> Timing:
    """Run a command to its end; its stdout and stderr go to `log`.

    The peak is that of the largest process in the child's tree, not their sum. Linux carries the peak of the parent
    over to the child, so the caller has to stay small: nothing heavy is imported by the process that measures.
    Raises CommandFailed, with the end of the log, on any status but 0 and after `timeout` seconds.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as sink:
        start = time.perf_counter()
        process = subprocess.Popen(command, env=dict(env), stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)
        deadline = threading.Timer(timeout, process.kill)
        deadline.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        finally:
            deadline.cancel()
        wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise CommandFailed(f"status {process.returncode} after {wall:.1f} s: {shlex.join(command)}\n{tail}")
    return Timing(wall, usage.ru_maxrss * MAXRSS_UNIT, usage.ru_utime + usage.ru_stime)


def in_turn(a: Callable[[], Timing], b: Callable[[], Timing], runs: int) -> Pairs:
    """Measure A and B `runs` times each, in the order A B, B A, A B, ...; one run of each is discarded before."""
    a()
    b()
    of_a: list[Timing] = []
    of_b: list[Timing] = []
    for number in range(runs):
        for side, taken in ((a, of_a), (b, of_b))[:: 1 if number % 2 == 0 else -1]:
            taken.append(side())
    return Pairs(tuple(of_a), tuple(of_b))
