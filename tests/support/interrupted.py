"""Runs that a signal ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

SIGNALS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if sys.platform != "win32" else [])]


@contextmanager
def started(command: list[str], environment: dict[str, str]) -> "Iterator[subprocess.Popen[str]]":
    """A run in a process group of its own, so that an orphan would be found."""
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def interrupted(process: "subprocess.Popen[str]", number: int) -> tuple[str, str]:
    """Send the signal; the process must be gone with its status, well before its work is, and nobody of its group left.

    Two seconds are promised. A busy machine keeps no promise of seconds, so what each test lets it do takes minutes.
    """
    process.send_signal(number)
    output = process.communicate(timeout=60)
    assert process.returncode in (-number, 128 + number), (process.returncode, output)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert "Traceback" not in output[1] and "internal error" not in output[1]
    return output


def wait_until(condition: Callable[[], object], process: "subprocess.Popen[str]", seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.002)
