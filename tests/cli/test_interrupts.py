"""Ctrl-C and SIGTERM: finished rows are kept, the status is the signal's own, nobody is left behind."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import SAMPLES, clean_environment


@pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_its_rows(tmp_path: Path, warm_cache: Path, number: signal.Signals) -> None:
    output = tmp_path / "labels.jsonl"
    command = [sys.executable, "-m", "resnext", "classify", "-m", "lite0", "-o", str(output)]
    command += [str(SAMPLES / "china.jpg")] * 5000
    with subprocess.Popen(
        command, env=clean_environment(tmp_path, warm_cache), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        end = time.monotonic() + 60
        while time.monotonic() < end and not (output.exists() and output.stat().st_size > 2000):
            time.sleep(0.01)
        process.send_signal(number)
        begin = time.monotonic()
        stdout, stderr = process.communicate(timeout=30)
    assert time.monotonic() - begin < 10  # 2 s are promised; a loaded test machine gets more
    assert process.returncode == -number, "the shell must see the signal itself"
    assert (stdout, stderr) == ("", "resnext: interrupted; the rows that were written stay\n")
    text = output.read_text()
    assert text.endswith("\n")
    rows = [json.loads(line) for line in text.splitlines()]
    assert 0 < len(rows) < 5000 and {row["status"] for row in rows} == {"ok"}
