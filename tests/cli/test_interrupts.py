"""Ctrl-C, SIGTERM, SIGHUP: rows are kept, the status is the signal's own, nobody is left behind, in every phase."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from resnext.outputs.run_note import note_of
from support.program import SAMPLES, all_printed, clean_environment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")

PROMISED_SECONDS = 2.0
# A loaded test machine starts, schedules and reaps late.
GENEROUS_SECONDS = PROMISED_SECONDS + 3
DIED_EARLY = {"resnext: interrupted\n", "resnext: interrupted; no row was written\n"}
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
CHINA = str(SAMPLES / "china.jpg")


def classify(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "resnext", "classify", *map(str, arguments)]


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
    """Send the signal; the process must be gone in time with its status, and nobody left of its group."""
    begin = time.monotonic()
    process.send_signal(number)
    output = process.communicate(timeout=60)
    assert time.monotonic() - begin < GENEROUS_SECONDS
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


def said(rows: int, output: Path) -> str:
    return f"resnext: interrupted; {rows:,} rows are in {output}; the same line with --resume goes on\n"


@pytest.mark.parametrize("isolate", ["never", "always"])
@pytest.mark.parametrize("number", SIGNALS)
def test_an_interrupted_run_keeps_its_rows(
    tmp_path: Path, warm_cache: Path, number: signal.Signals, isolate: str
) -> None:
    output = tmp_path / "labels.jsonl"
    command = classify("-m", "lite0", "--isolate", isolate, "-o", output, *[CHINA] * 5000)
    with started(command, clean_environment(tmp_path, warm_cache)) as process:
        wait_until(lambda: output.exists() and output.stat().st_size > 2000, process)
        stdout, stderr = interrupted(process, number)
    assert process.returncode == -number, "the shell must see the signal itself"
    text = output.read_text()
    assert text.endswith("\n")
    rows = [json.loads(line) for line in text.splitlines()]
    assert 0 < len(rows) < 5000 and {row["status"] for row in rows} == {"ok"}
    assert (stdout, stderr) == ("", said(len(rows), output))


def test_a_second_signal_changes_nothing(tmp_path: Path, warm_cache: Path) -> None:
    output = tmp_path / "labels.json"
    command = classify("-m", "lite0", "-o", output, *[CHINA] * 5000)
    part = output.with_name("labels.json.part")
    with started(command, clean_environment(tmp_path, warm_cache)) as process:
        wait_until(lambda: part.exists() and part.stat().st_size > 2000, process)
        process.send_signal(signal.SIGINT)
        for number in (signal.SIGTERM, signal.SIGHUP):
            process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    # Of signals that come together Python takes that of the lowest number first.
    rows = json.loads(output.read_text())
    assert process.returncode in (-signal.SIGINT, -signal.SIGHUP)
    assert len(rows) > 0 and stderr == said(len(rows), output)


def test_at_any_moment_of_a_start(tmp_path: Path, warm_cache: Path) -> None:
    """While modules and the model are loaded: no traceback, no row, the signal's status."""
    output = tmp_path / "labels.jsonl"
    for moment in range(8):
        with started(classify("-m", "lite0", "-o", output, CHINA), clean_environment(tmp_path, warm_cache)) as process:
            # Before its first line Python's own start can't be kept from complaining.
            wait_until(lambda process=process: _has_started(process.pid), process)  # type: ignore[misc]
            time.sleep(0.07 * moment)
            if process.poll() is not None:
                break
            process.send_signal(number := SIGNALS[moment % len(SIGNALS)])
            _, stderr = process.communicate(timeout=60)
        kept = len(output.read_text().splitlines()) if output.exists() else 0
        if process.returncode == 0:
            assert (kept, stderr) == (1, ""), moment
        else:
            assert process.returncode in (-number, 128 + number)
            assert stderr in DIED_EARLY or stderr == said(kept, output).replace("rows are", "row is"), moment
        assert kept in (0, 1)
        output.unlink(missing_ok=True)
        note_of(output).unlink(missing_ok=True)


@pytest.mark.parametrize("place", ["kept = weakref.ref(gone, lambda _: ask())", "weakref.finalize(gone, ask)", "pass"])
def test_where_python_swallows_exceptions(place: str) -> None:
    """In a callback or a destructor a signal is neither printed as a fault nor lost: it ends what runs after that."""
    program = f"""
import os, signal, time, weakref
from resnext.console.interrupts import Interrupted, ending_on_signals

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
        time.sleep(1)  # well within what the clean-up is given
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


def _has_started(pid: int) -> bool:
    """Whether the program has taken the signals over: SIGTERM is caught, which Python itself does not do."""
    if not Path("/proc/self/status").exists():
        time.sleep(0.2)
        return True
    caught = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_a_model_is_compiled(tmp_path: Path, number: signal.Signals) -> None:
    cache = tmp_path / "cache"
    with started(classify("-m", "lite0", CHINA), clean_environment(tmp_path, cache)) as process:
        wait_until(lambda: list(cache.glob("compiled/.building-*")), process)
        interrupted(process, number)


def test_while_weights_are_downloaded(tmp_path: Path) -> None:
    """The hub drips a byte a second."""
    asked = threading.Event()

    class Drip(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("ETag", f'"{"0" * 64}"')
            self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("Content-Length", "1000000")
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            try:
                while True:
                    self.wfile.write(b"x")
                    self.wfile.flush()
                    asked.set()
                    time.sleep(0.2)
            except OSError:
                self.close_connection = True

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Drip)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        environment = clean_environment(tmp_path, tmp_path / "cache") | {
            "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
            "HF_HUB_OFFLINE": "0",
        }
        with started(classify("-m", "50-32x4d", CHINA), environment) as process:
            wait_until(asked.is_set, process)
            interrupted(process, signal.SIGINT)
        assert process.returncode == -signal.SIGINT
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_reader_that_takes_nothing_holds_nobody_up(tmp_path: Path, warm_cache: Path) -> None:
    """`resnext … | sleep 1000`: the array's end can't be written."""
    command = classify("-m", "lite0", "-f", "json", *["/nowhere/at/all.jpg"] * 5000)
    with started(command, clean_environment(tmp_path, warm_cache)) as process:
        time.sleep(4)  # 5,000 rows are long in the pipe, and do not fit
        assert process.poll() is None
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (-signal.SIGTERM, 128 + signal.SIGTERM)
        assert time.monotonic() - begin < GENEROUS_SECONDS


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


def test_what_is_ignored_stays_ignored(tmp_path: Path, warm_cache: Path) -> None:
    """`nohup resnext …`."""
    output = tmp_path / "labels.jsonl"
    command = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *classify("-m", "lite0", "-o", output, *[CHINA] * 60)]
    with started(command, clean_environment(tmp_path, warm_cache)) as process:
        wait_until(output.exists, process)
        process.send_signal(signal.SIGHUP)
        assert process.wait(60) == 0
    assert len(output.read_text().splitlines()) == 60


def test_ctrl_c_on_a_terminal_ends_the_loop_around_it(tmp_path: Path, warm_cache: Path) -> None:
    """A real one, with a shell: bash ends its script only when the program died of the signal."""
    import pty

    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash here")
    output = tmp_path / "labels.jsonl"
    script = 'for each in 1 2 3; do "$@"; done; echo went on'
    command = [bash, "-c", script, "bash", *classify("-m", "lite0", "-o", output, *[CHINA] * 5000)]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(bash, command, clean_environment(tmp_path, warm_cache))
    end = time.monotonic() + 60
    while not (output.exists() and output.stat().st_size > 2000) and time.monotonic() < end:
        time.sleep(0.01)
    os.write(terminal, b"\x03")
    begin = time.monotonic()
    printed = all_printed(terminal)
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert time.monotonic() - begin < GENEROUS_SECONDS
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGINT
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert 0 < len(rows) < 5000
    assert said(len(rows), output).strip().encode() in printed and b"went on" not in printed
