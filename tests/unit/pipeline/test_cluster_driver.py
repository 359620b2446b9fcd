"""The driver alone, with machines that do nothing: shards handed out, deaths borne, memory flat."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from resnext.errors import ExitCode
from support.idle_machines import IdleMachines, handout
from support.program import REPO


def test_every_shard_is_done_once_and_no_more_are_under_way_than_workers(tmp_path: Path) -> None:
    machines = IdleMachines(3, frozenset({"17", "55"}))
    names = tuple(str(number) for number in range(100))
    assert handout(tmp_path / "out", machines, size=10, paths=names).go() == ExitCode.SOME_FAILED
    assert sorted(machines.shards) == list(range(10)) and machines.most <= 3
    assert machines.deaths < 30
    manifest = json.loads((tmp_path / "out" / "_manifest.json").read_text())
    assert (manifest["complete"], manifest["parts"], manifest["rows"], manifest["failed"]) == (True, 10, 100, 2)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_inputs(tmp_path: Path, amount: Callable[[int, int], int]) -> None:
    def driver(names: int) -> int:
        code = f"for i in range({names}): print(f'/nowhere/photos/{{i % 1000}}/IMG_{{i:08}}.jpg')"
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as listing:
            done = subprocess.run(
                [sys.executable, str(REPO / "tests" / "support" / "idle_machines.py"), tmp_path / str(names)],
                stdin=listing.stdout, capture_output=True, text=True, timeout=3600,
                env={"PYTHONPATH": f"{REPO / 'cli'}:{REPO / 'tests'}"},
            )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return int(done.stdout.split()[0])

    few, many = driver(10_000), driver(amount(10_000_000, 200_000))
    assert many - few <= 50, "MB"
