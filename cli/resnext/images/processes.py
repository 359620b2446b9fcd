"""Decoding in processes of their own: whatever a file does to its decoder costs that file's row, and nothing else."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from resnext.errors import FailureCode, InputError, NoResources
from resnext.images.budget import Lease
from resnext.images.frames import Frame
from resnext.images.loading import Decoding, decoding_budget
from resnext.images.worker import MESSAGE_CHARACTERS
from resnext.records import Source

if TYPE_CHECKING:
    from resnext.records import Pixels

# Far longer than the largest allowed photo takes on a busy machine.
PHOTO_SECONDS = 60.0
# A process that does not even end itself when its time is over is ended so much later.
_GRACE_SECONDS = 10.0
_START_SECONDS = 120.0
_REPLY_BYTES = 1 << 13
# What a process may take without asking: small photos cost no second message.
_SHARE_BYTES = 64 << 20

# The modules come from where this process has them, whatever the environment or the working folder says.
PROGRAM = """
import json, sys
setup = json.loads(sys.stdin.buffer.readline())
sys.path[:] = setup["path"]
from resnext.images.worker import serve
serve(setup)
"""


class IsolatedLoader:
    """From a source to the Pixels of one photo, for any number of threads; each has a process while it decodes.

    A process is started when none is idle, and another in its place when it dies. `close()` ends them all. `program`
    is what they run.
    """

    def __init__(
        self,
        decoding: Decoding,
        *,
        workers: int,
        seconds: float = PHOTO_SECONDS,
        program: str = PROGRAM,
    ) -> None:
        _, height, width = decoding.preprocessing.input_size
        self._shape = (height, width, 3)
        self._budget, self._seconds = decoding_budget(), seconds
        self._command = [sys.executable, "-P", "-c", program]
        self._setup: dict[str, Any] = {
            "path": sys.path,
            "preprocessing": decoding.preprocessing._asdict(),
            "exact": decoding.exact,
            "max_megapixels": decoding.max_megapixels,
            "crop_bytes": height * width * 3,
            "share": min(_SHARE_BYTES, self._budget.limit // (4 * workers)),
            "seconds": seconds,
        }
        self._lock = threading.Lock()
        self._idle: list[_Process] = []
        self._all: set[_Process] = set()
        self._closed = False

    def __call__(self, source: Source) -> "Pixels":
        """Decode one photo, uint8 (H, W, 3).

        Raises:
            InputError: it can't be decoded; its decoder died of it, or took too long.
            NoResources: no process can be started.
        """
        request: dict[str, Any] = {"file": source.file}
        if isinstance(source.read, Frame):
            request = {"file": source.read.of.file, "frame": source.read.number}
            source = source.read.of
        content = source.read() if source.read is not None else None
        process = self._take()
        try:
            with self._budget.lease() as lease:
                crop = process.decode(request, content, lease)
        except _Died:
            self._forget(process)
            raise process.failure() from None
        except InputError:
            self._give_back(process)
            raise
        self._give_back(process)
        return np.frombuffer(crop, np.uint8).reshape(self._shape)

    def close(self) -> None:
        """End all processes, in the middle of a photo or not."""
        with self._lock:
            self._closed = True
            busy, idle = self._all.difference(self._idle), self._idle
            self._all, self._idle = set(), []
        for process in busy:
            process.kill()  # the thread that waits for its answer closes it
        for process in idle:
            process.close()

    def _take(self) -> "_Process":
        with self._lock:
            while self._idle:
                process = self._idle.pop()
                if process.is_alive():
                    return process
                self._all.discard(process)
                process.close()
        process = _Process(self._command, self._setup, self._seconds)
        with self._lock:
            if not self._closed:
                self._all.add(process)
                return process
        process.close()
        raise InputError(FailureCode.READ_ERROR, "given up at the end of the run")

    def _give_back(self, process: "_Process") -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(process)
                return
        process.close()

    def _forget(self, process: "_Process") -> None:
        with self._lock:
            self._all.discard(process)
        process.close()


class _Died(Exception):
    """The process ended, or what it says is none of its words."""


class _Process:
    """One decoder. Photos' contents and crops lie in a file without a name, which both have open."""

    def __init__(self, command: list[str], setup: dict[str, Any], seconds: float) -> None:
        self._crop_bytes, self._seconds, self._late = setup["crop_bytes"], seconds, False
        slot = os.memfd_create("photo") if sys.platform == "linux" else os.dup(tempfile.TemporaryFile().fileno())
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                pass_fds=(slot,),
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            )
        except OSError as error:
            os.close(slot)
            raise NoResources(f"can't start a process to decode in: {error.strerror}; give --isolate never") from error
        assert self._process.stdin is not None and self._process.stdout is not None
        self._requests, self._replies = self._process.stdin, self._process.stdout
        self._slot, self._rest = slot, b""
        self._poll = select.poll()
        self._poll.register(self._replies, select.POLLIN)
        try:
            self._send({**setup, "slot": slot})
            self._reply(_START_SECONDS)
        except _Died:
            self.close()
            raise NoResources("a process to decode in does not start; give --isolate never") from None

    def decode(self, request: dict[str, Any], content: bytes | None, lease: Lease) -> bytes:
        """Give the crop of what is asked for, whose file may come as `content`.

        Raises InputError for a photo without one, _Died where there is no answer.
        """
        if content is not None:
            os.pwrite(self._slot, content, self._crop_bytes)
            request = {**request, "size": len(content)}
        self._send(request)
        reply = self._reply(self._seconds + _GRACE_SECONDS)
        if isinstance(wanted := reply.get("reserve"), int):
            lease.take(wanted)
            self._send(None)
            reply = self._reply(self._seconds + _GRACE_SECONDS)
        if content is not None:
            os.ftruncate(self._slot, self._crop_bytes)
        if reply:
            raise _failure(reply)
        crop = os.pread(self._slot, self._crop_bytes, 0)
        if len(crop) != self._crop_bytes:
            raise _Died
        return crop

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """End it, and wait for that."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End it and give back what it had; only for the thread that uses it."""
        self.kill()
        self._requests.close()
        self._replies.close()
        os.close(self._slot)

    def failure(self) -> InputError:
        """Say what it died of."""
        status = self._process.returncode
        if self._late or status == -signal.SIGALRM:
            return InputError(FailureCode.TIMEOUT, f"not decoded within {self._seconds:g} s")
        how = f"of {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        return InputError(FailureCode.DECODER_CRASHED, f"its decoder ended {how}")

    def _send(self, message: dict[str, Any] | None) -> None:
        try:
            self._requests.write(b"\n" if message is None else json.dumps(message).encode() + b"\n")
        except BrokenPipeError:
            raise _Died from None

    def _reply(self, seconds: float) -> dict[str, Any]:
        """Read one line. What wrote it may be under another's control: nothing in it is trusted."""
        if not self._poll.poll(seconds * 1000):
            self._late = True
            raise _Died
        line = os.read(self._replies.fileno(), _REPLY_BYTES)
        try:
            reply = json.loads(line)
        except (ValueError, RecursionError):
            raise _Died from None
        if not isinstance(reply, dict):
            raise _Died
        return reply


def _failure(reply: dict[str, Any]) -> InputError:
    try:
        return InputError(FailureCode(reply["code"]), str(reply["message"])[:MESSAGE_CHARACTERS])
    except (KeyError, ValueError):
        raise _Died from None
