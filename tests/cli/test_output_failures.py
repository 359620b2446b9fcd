"""Outputs and caches that fail: one line, exit 3, the old file as it was, and nothing in the way of the next run."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.program import SAMPLES, RunResnext, clean_environment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="disks and limits as POSIX has them")

COFFEE = str(SAMPLES / "coffee.png")
OLD = b"precious\n"


def check_refusal(done: "subprocess.CompletedProcess[str]", words: str) -> None:
    assert (done.returncode, done.stderr.count("\n")) == (3, 1), done.stderr
    assert words in done.stderr and "Traceback" not in done.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mount file systems of so many kilobytes; where that is not allowed the test is skipped."""
    mounted: list[Path] = []

    def mount(kilobytes: int) -> Path:
        folder = tmp_path / f"disk-{len(mounted)}"
        folder.mkdir()
        if os.geteuid() != 0 or shutil.which("mount") is None:
            pytest.skip("only root mounts a disk")
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder], capture_output=True
        )
        if made.returncode:
            pytest.skip("no disk can be mounted here")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("format", ["jsonl", "json", "csv", "table"])
def test_a_full_stdout(resnext: RunResnext, format: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = resnext("classify", "-m", "lite0", "-f", format, COFFEE, stdout=full, stderr=subprocess.PIPE)
    check_refusal(done, "stdout: can't write the results: No space left")


def test_head_ends_it_quietly(tmp_path: Path, warm_cache: Path) -> None:
    line = f'"{sys.executable}" -m resnext classify -m lite0 {"missing.jpg " * 3000} | head -1'
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"],
        env=clean_environment(tmp_path / "home", warm_cache),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["error_code"] == "not_found"


@pytest.mark.parametrize("ending", ["jsonl", "csv", "json", "parquet"])
@pytest.mark.parametrize("old", [False, True])
def test_a_full_disk(resnext: RunResnext, small_disk: Callable[[int], Path], ending: str, old: bool) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    disk = small_disk(256)
    output = disk / f"out.{ending}"
    if old:
        output.write_bytes(OLD)
    (disk / "ballast").write_bytes(bytes(240_000))
    options = ("classify", "-m", "lite0", "-o", output)
    done = resnext(*options, "--overwrite", *[COFFEE] * 100)
    check_refusal(done, "can't write the results: No space left")
    if old:
        assert output.read_bytes() == OLD
    (disk / "ballast").unlink()
    again = resnext(*options, "--resume" if " --resume" in done.stderr or not old else "--overwrite", *[COFFEE] * 100)
    assert again.returncode == 0, again.stderr
    assert {path.name for path in disk.iterdir()} == {output.name, f"{output.name}.run.json"}


def test_a_full_disk_for_the_cache(resnext: RunResnext, small_disk: Callable[[int], Path], warm_cache: Path) -> None:
    disk = small_disk(4096)
    done = resnext("classify", "-m", "lite0", COFFEE, cache=disk / "cache", timeout=300)
    assert done.returncode == 3 and "Traceback" not in done.stderr and done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert "RESNEXT_CACHE" in last and "internal error" not in done.stderr
    assert not [path for path in disk.glob("cache/compiled/*")], "what was half built is gone"


def test_a_damaged_model_on_a_full_disk(
    resnext: RunResnext, small_disk: Callable[[int], Path], warm_cache: Path
) -> None:
    """It can't be built again there, and is not believed either."""
    disk = small_disk(24_000)
    shutil.copytree(warm_cache, disk / "cache")
    (graph,) = disk.glob("cache/compiled/*/graph.bin")
    with graph.open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"damaged")
    done = resnext("classify", "-m", "lite0", COFFEE, cache=disk / "cache", timeout=300)
    assert (done.returncode, done.stdout) == (3, "")
    assert "damaged" in done.stderr and "RESNEXT_CACHE" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr and "internal error" not in done.stderr


@pytest.mark.parametrize("name", ["new.jsonl", "old.jsonl", "old.parquet"])
def test_a_read_only_disk(resnext: RunResnext, small_disk: Callable[[int], Path], name: str) -> None:
    """One that root can't write either."""
    disk = small_disk(64)
    for old in ("old.jsonl", "old.parquet"):
        (disk / old).write_bytes(OLD)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    check_refusal(resnext("classify", "-m", "lite0", "-o", disk / name, "--overwrite", COFFEE), name)
    summary = resnext("classify", "-m", "lite0", "--summary-file", disk / "summary.json", COFFEE)
    check_refusal(summary, "summary")
    assert {path.name: path.read_bytes() for path in disk.iterdir()} == {"old.jsonl": OLD, "old.parquet": OLD}
    cache = resnext("classify", "-m", "lite0", COFFEE, cache=disk / "cache")
    assert cache.returncode == 3 and "RESNEXT_CACHE" in cache.stderr.splitlines()[-1]


def test_a_closed_stderr_changes_nothing(tmp_path: Path, warm_cache: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -m resnext classify -m lite0 "{COFFEE}" missing.jpg 2>&-'],
        env=clean_environment(tmp_path / "home", warm_cache),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1 and len(done.stdout.splitlines()) == 2
