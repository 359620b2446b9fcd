"""One decoder in a process of its own (`images.worker`): asks it, waits with a bound, says what it died of."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from typing import Any

from resnext.errors import FailureCode, InputError, NoResources
from resnext.images.budget import Budget
from resnext.images.worker import MESSAGE_CHARACTERS
from resnext.records import Source

# A process that does not even end itself when its time is over is ended so much later.
_GRACE_SECONDS = 10.0
_START_SECONDS = 120.0
_REPLY_BYTES = 1 << 13


class Died(Exception):
    """The process ended, or what it says is none of its words."""


class DecoderProcess:
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
        except Died:
            self.close()
            raise NoResources("a process to decode in does not start; give --isolate never") from None

    def decode(self, source: Source, budget: Budget, frame: dict[str, Any] | None = None) -> bytes:
        """Give the crop of a photo, or of the `frame` of a film.

        Raises InputError for one without, Died where there is no answer.
        """
        self._ask({"file": source.file, **(frame or {})}, source, budget)
        crop = os.pread(self._slot, self._crop_bytes, 0)
        if len(crop) != self._crop_bytes:
            raise Died
        return crop

    def count(self, source: Source, budget: Budget) -> int:
        """Give the number of pictures of a file; raises as `decode` does."""
        count = self._ask({"file": source.file, "count": True}, source, budget).get("frames")
        if not isinstance(count, int) or count < 1:
            raise Died
        return count

    def _ask(self, request: dict[str, Any], source: Source, budget: Budget) -> dict[str, Any]:
        content = source.read() if source.read is not None else None
        if content is not None:
            os.pwrite(self._slot, content, self._crop_bytes)
            request = {**request, "size": len(content)}
        with budget.lease() as lease:
            self._send(request)
            reply = self._reply(self._seconds + _GRACE_SECONDS)
            if isinstance(wanted := reply.get("reserve"), int):
                try:
                    lease.take(wanted, small=reply.get("small") is True)
                except InputError as error:
                    self._send({"code": error.code, "message": str(error)})
                else:
                    self._send(None)
                reply = self._reply(self._seconds + _GRACE_SECONDS)
        if content is not None:
            os.ftruncate(self._slot, self._crop_bytes)
        if "code" in reply:
            raise _failure(reply)
        return reply

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
            raise Died from None

    def _reply(self, seconds: float) -> dict[str, Any]:
        """Read one line. What wrote it may be under another's control: nothing in it is trusted."""
        if not self._poll.poll(seconds * 1000):
            self._late = True
            raise Died
        line = os.read(self._replies.fileno(), _REPLY_BYTES)
        try:
            reply = json.loads(line)
        except (ValueError, RecursionError):
            raise Died from None
        if not isinstance(reply, dict):
            raise Died
        return reply


def _failure(reply: dict[str, Any]) -> InputError:
    try:
        return InputError(FailureCode(reply["code"]), str(reply["message"])[:MESSAGE_CHARACTERS])
    except (KeyError, ValueError):
        raise Died from None
