"""Outputs and caches that fail: one line, exit 3, the old file as it was, and nothing in the way of the next run."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from support.program import SAMPLES, RunResnext, clean_environment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="disks and limits as POSIX has them")

COFFEE = str(SAMPLES / "coffee.png")
OLD = b"precious\n"


def rows_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


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
def test_a_full_disk(
    resnext: RunResnext,
    small_disk: Callable[[int], Path],
    tiny_model: Path,
    tiny_cache: Path,
    tmp_path: Path,
    ending: str,
    old: bool,
) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    disk = small_disk(256)
    output = disk / f"out.{ending}"
    if old:
        output.write_bytes(OLD)
    (disk / "ballast").write_bytes(bytes(240_000))
    photo = tmp_path / "photo.png"
    Image.effect_noise((64, 48), 90).save(photo)
    run = partial(resnext, "classify", "-m", tiny_model, "-o", output, cache=tiny_cache)
    done = run("--overwrite", *[photo] * 200)
    check_refusal(done, "can't write the results: No space left")
    if old:
        assert output.read_bytes() == OLD
    (disk / "ballast").unlink()
    again = run("--resume" if " --resume" in done.stderr or not old else "--overwrite", *[photo] * 200)
    assert again.returncode == 0, again.stderr
    assert {path.name for path in disk.iterdir()} == {output.name, f"{output.name}.run.json"}


def test_a_full_disk_for_the_cache(resnext: RunResnext, small_disk: Callable[[int], Path], tiny_model: Path) -> None:
    disk = small_disk(1024)
    done = resnext("classify", "-m", tiny_model, COFFEE, cache=disk / "cache", timeout=300)
    assert done.returncode == 3 and "Traceback" not in done.stderr and done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert "RESNEXT_CACHE" in last and "internal error" not in done.stderr
    assert not [path for path in disk.glob("cache/compiled/*")], "what was half built is gone"


def test_a_damaged_model_on_a_full_disk(
    resnext: RunResnext, small_disk: Callable[[int], Path], tiny_model: Path, tiny_cache: Path
) -> None:
    """It can't be built again there, and is not believed either."""
    disk = small_disk(3000)
    shutil.copytree(tiny_cache, disk / "cache")
    (graph,) = disk.glob("cache/compiled/*/graph.bin")
    with graph.open("r+b") as file:
        file.seek(100_000)
        file.write(b"damaged")
    done = resnext("classify", "-m", tiny_model, COFFEE, cache=disk / "cache", timeout=300)
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


def test_a_closed_stdout_is_one_line(resnext: RunResnext, tmp_path: Path, warm_cache: Path) -> None:
    def shell(line: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["sh", "-c", f'"{sys.executable}" -m resnext classify -m lite0 "{COFFEE}" {line}'],
            env=clean_environment(tmp_path / "home", warm_cache),
            capture_output=True,
            text=True,
            timeout=60,
        )

    closed = shell(">&-")
    assert (closed.returncode, closed.stderr.count("\n")) == (3, 1) and "--output" in closed.stderr
    output = tmp_path / "out.jsonl"
    assert shell(f'-o "{output}" >&- 2>&- <&-').returncode == 0
    assert rows_of(output.read_text())[0]["predictions"][0]["label"] == "espresso"
    deaf = shell("missing.jpg 2>/dev/full")
    assert deaf.returncode == 1 and len(rows_of(deaf.stdout)) == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_device_as_output(resnext: RunResnext) -> None:
    done = resnext("classify", "-m", "lite0", "-f", "csv", "-o", "/dev/full", COFFEE)
    assert done.returncode == 3 and done.stderr.count("\n") == 1 and "No space left" in done.stderr
    assert resnext("classify", "-m", "lite0", "-f", "csv", "-o", "/dev/null", COFFEE).returncode == 0
    into_pipe = resnext("classify", "-m", "lite0", "-f", "jsonl", "-o", "/dev/stdout", COFFEE)
    assert into_pipe.returncode == 0 and len(rows_of(into_pipe.stdout)) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="limits as POSIX has them")
@pytest.mark.parametrize(("ending", "old"), [("jsonl", False), ("csv", True), ("json", True)])
def test_a_disk_that_fills_up_costs_no_whole_row_and_no_old_file(
    resnext: RunResnext, tmp_path: Path, ending: str, old: bool
) -> None:
    """RLIMIT_FSIZE stands for the full disk: the write that crosses it fails half done."""
    import resource

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))

    output = tmp_path / f"out.{ending}"
    options = ("-m", "lite0", "-o", output)
    if old:
        output.write_bytes(b"precious\n")
    done = resnext(
        "classify", *options, "--overwrite", *[COFFEE] * 30,
        preexec_fn=limit,
    )  # fmt: skip
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1 and "can't write the results: File too large" in done.stderr
    if old:
        assert output.read_bytes() == b"precious\n"
    resumed = resnext("classify", *options, "--resume", *[COFFEE] * 30)
    assert resumed.returncode == 0 and " done before" in resumed.stderr
    content = output.read_text()
    rows = {"jsonl": rows_of, "json": json.loads, "csv": lambda text: list(csv.DictReader(io.StringIO(text)))}[ending](
        content
    )
    assert len(rows) == 30 and {row["status"] for row in rows} == {"ok"}


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_one_line(resnext: RunResnext, tmp_path: Path) -> None:
    folder = tmp_path / "read-only"
    folder.mkdir()
    old = folder / "old.jsonl"
    old.write_text("precious\n")
    folder.chmod(0o500)
    for options in (("-o", folder / "new.jsonl"), ("-o", old, "--overwrite")):
        done = resnext("classify", "-m", "lite0", *options, COFFEE)
        assert done.returncode == 3 and done.stderr.count("\n") == 1 and "no permission" in done.stderr
    assert old.read_text() == "precious\n"
