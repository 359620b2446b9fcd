"""Ctrl-C, SIGTERM, SIGHUP: rows are kept, the status is the signal's own, nobody is left behind, in every phase."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from resnext.outputs.run_note import note_of
from support.interrupted import SIGNALS, interrupted, started, wait_until
from support.program import PATIENT, PROGRAM, SAMPLES, all_printed, clean_environment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")

DIED_EARLY = {"resnext: interrupted\n", "resnext: interrupted; no row was written\n"}
PIPE_BYTES = 65536
CHINA = str(SAMPLES / "china.jpg")


def classify(*arguments: str | Path, program: list[str] = PATIENT) -> list[str]:
    return [*program, "classify", *map(str, arguments)]


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


def _has_started(pid: int) -> bool:
    """Whether the program has taken the signals over: SIGTERM is caught, which Python itself does not do."""
    if not Path("/proc/self/status").exists():
        time.sleep(0.2)
        return True
    caught = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def test_while_a_model_is_compiled(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with started(classify("-m", "lite0", CHINA), clean_environment(tmp_path, cache)) as process:
        wait_until(lambda: list(cache.glob("compiled/.building-*")), process)
        interrupted(process, signal.SIGTERM)


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
    command = classify("-m", "lite0", "-f", "json", *["/nowhere/at/all.jpg"] * 5000, program=PROGRAM)
    with started(command, clean_environment(tmp_path, warm_cache)) as process:
        wait_until(lambda: _unread(process) > PIPE_BYTES * 3 // 4, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (-signal.SIGTERM, 128 + signal.SIGTERM)


def _unread(process: "subprocess.Popen[str]") -> int:
    """Bytes that wait in the pipe of its stdout."""
    import fcntl
    import termios

    assert process.stdout is not None
    return int.from_bytes(fcntl.ioctl(process.stdout, termios.FIONREAD, bytes(4)), sys.byteorder)


def test_what_is_ignored_stays_ignored(tmp_path: Path, warm_cache: Path) -> None:
    """`nohup resnext …`."""
    output = tmp_path / "labels.jsonl"
    command = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *classify("-m", "lite0", "-o", output, *[CHINA] * 60)]
    with started(command, clean_environment(tmp_path, warm_cache)) as process:
        wait_until(output.exists, process)
        process.send_signal(signal.SIGHUP)
        assert process.wait(300) == 0
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
    printed = all_printed(terminal)
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGINT
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert 0 < len(rows) < 5000
    assert said(len(rows), output).strip().encode() in printed and b"went on" not in printed
