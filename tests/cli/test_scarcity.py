"""What the system refuses is one clear line and exit 3, not an internal error and not a hang."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.program import SAMPLES, RunResnext, clean_environment

CHINA = str(SAMPLES / "china.jpg")


def said(done: "subprocess.CompletedProcess[str]") -> str:
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert line.startswith("resnext: error: ") and "internal" not in line
    return line


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS as Linux has it")
@pytest.mark.parametrize("kilobytes", [300_000, 600_000])
def test_little_address_space(resnext: RunResnext, tmp_path: Path, warm_cache: Path, kilobytes: int) -> None:
    shell = f'ulimit -v {kilobytes}; exec "$@"'
    command = ["sh", "-c", shell, "sh", sys.executable, "-m", "resnext", "classify", "-m", "lite0", CHINA]
    done = subprocess.run(
        command, env=clean_environment(tmp_path, warm_cache), capture_output=True, text=True, timeout=100, check=False
    )
    assert "ulimit" in said(done)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has one")
def test_help_into_a_full_disk(resnext: RunResnext) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = resnext("--help", stdout=full, stderr=subprocess.PIPE)
    assert "No space left on device" in said(done)


def test_a_folder_that_is_gone(tmp_path: Path, warm_cache: Path) -> None:
    gone = tmp_path / "gone"
    shell = 'cd "$0" && rmdir "$0" && exec "$@"'
    gone.mkdir()
    command = ["sh", "-c", shell, str(gone), sys.executable, "-m", "resnext", "classify", "-m", "lite0"]
    done = subprocess.run(
        [*command, "-o", "rows.jsonl", CHINA], env=clean_environment(tmp_path, warm_cache),
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert "gone" in said(done)


@pytest.mark.skipif(sys.platform == "win32", reason="decodes in threads")
def test_isolated_rows_are_those_of_threads(resnext: RunResnext, tmp_path: Path) -> None:
    """Good ones, broken ones, members of an archive: the same rows in the same order."""
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(Path(CHINA).read_bytes()[:20_000])
    archive = shutil.make_archive(str(tmp_path / "photos"), "zip", SAMPLES)
    inputs = [CHINA, str(broken), "nowhere.jpg", archive, os.devnull, CHINA]
    runs = [
        resnext("classify", "-m", "lite0", "-q", "--isolate", isolate, "-b", "1", *inputs)
        for isolate in ("never", "always")
    ]
    assert [run.returncode for run in runs] == [1, 1]
    assert runs[0].stdout == runs[1].stdout and runs[0].stdout.count("\n") > 10
