"""Signals in the places where Python, C code and callbacks would lose or print them."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.interrupted import SIGNALS, interrupted, started
from support.program import clean_environment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")


@pytest.mark.parametrize("place", ["kept = weakref.ref(gone, lambda _: ask())", "weakref.finalize(gone, ask)", "pass"])
def test_where_python_swallows_exceptions(place: str) -> None:
    """In a callback or a destructor a signal is neither printed as a fault nor lost: it ends what runs after that."""
    program = f"""
import os, signal, time, weakref
from resnext.console import interrupts
from resnext.console.interrupts import Interrupted, ending_on_signals
interrupts.CLEAN_UP_SECONDS = 60

def ask():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.01)  # the handler runs here

class Gone:
    def __del__(self):
        if {place == "pass"}:
            ask()

gone = Gone()
try:
    with ending_on_signals():
        {place}
        del gone
        time.sleep(30)  # well within what the clean-up is given
        print("went on")
except Interrupted as interrupt:
    print("interrupted by", interrupt.number)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == (f"interrupted by {signal.SIGTERM.value}\n", "")


def test_a_signal_that_follows_at_once_is_no_traceback() -> None:
    """Who presses Ctrl-C twice meets the moment between the end of the clean-up and the end of the process."""
    program = """
import os, signal
from resnext.console.interrupts import Interrupted, die_of, ending_on_signals

try:
    with ending_on_signals():
        os.kill(os.getpid(), signal.SIGINT)
        while True:
            pass
except Interrupted as interrupt:
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):
        pass
    die_of(interrupt.number)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


def test_many_signals_at_one_moment(tmp_path: Path, warm_cache: Path) -> None:
    """A closed terminal and a stop at once: their handlers nest, on a stack that must hold them all.

    What computes sets a small one for the thread that loads it (openvino: two handlers' worth).
    """
    program = """
import os, signal, threading
from resnext.console.interrupts import Interrupted, ending_on_signals
from resnext.shelf.shelf import ModelRequest, Shelf
from resnext.console.terminal import Notices

together = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2}
for number in together:
    signal.signal(number, lambda number, frame: None)
engine = Shelf(Notices(quiet=False)).open(ModelRequest("lite0")).load("throughput")
try:
    with ending_on_signals():
        signal.pthread_sigmask(signal.SIG_BLOCK, together)
        for number in together:
            signal.pthread_kill(threading.get_ident(), number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, together)
except Interrupted:
    print("interrupted", flush=True)
os._exit(0)
"""
    environment = clean_environment(tmp_path, warm_cache)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted\n", "")


_STUCK = """
import ctypes, sys
sys.stdout.reconfigure(line_buffering=True)
from resnext import app
from resnext.console.interrupts import ending_on_signals
def stuck():
    with ending_on_signals():  # as where rows are written
        for _ in range(60):
            try:
                print("stuck", flush=True)
                ctypes.CDLL(None).poll(None, 0, 60_000)
            except BaseException:
                pass  # as a callback of C code does
app.app = stuck
from resnext.__main__ import main
main()
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_a_library_that_does_not_let_go_is_left(tmp_path: Path, number: signal.Signals) -> None:
    with started([sys.executable, "-c", _STUCK], clean_environment(tmp_path, tmp_path)) as process:
        assert process.stdout is not None and process.stdout.readline() == "stuck\n"
        interrupted(process, number)
    assert process.returncode == 128 + number
