"""The process that decodes for another: photos by name in, crops out, one at a time (to images.processes).

It obeys limits that a thread can't have: of memory, and of time for each photo. What a hostile file does to it, it does
to nobody else. It ends when its pipe does, so that it never outlives the run.
"""

import json
import os
import signal
import sys
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from resnext.errors import FailureCode, InputError
from resnext.images.decode import DecodeConfig
from resnext.images.frames import Frame
from resnext.images.limits import Need
from resnext.images.loading import Decoding, Reader
from resnext.records import PreprocessingConfig, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

# A photo that claims to need little may take this much more than the process has at its start; one that has asked for
# more gets twice what it has asked for.
ALLOWANCE_BYTES = 512 << 20
MESSAGE_CHARACTERS = 300


def serve(setup: dict[str, Any]) -> None:
    """Decode what the lines of stdin name, until they end.

    A request is `{"file": …, "size": …}`; with a size, the content lies in the file descriptor `setup["slot"]` behind
    the place of the crop. `"frame"` and `"film"` are the number of a frame, and one that stands for its file from frame
    to frame. The answer is `{}` once the crop is in the slot, or the `code` and `message` of a failure; to `"count"`
    it is the `frames` of the file.
    Before much memory is taken, `{"reserve": bytes, "small": bool}` asks for it; an empty line grants it, another has
    the `code` and `message` of a refusal.
    """
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)  # the run ends for all of us, by closing the pipe
    worker = _Worker(setup, sys.stdin.buffer, _private_stdout())
    worker.reply({})
    for line in sys.stdin.buffer:
        worker.reply(worker.answer(json.loads(line)))


class _Worker:
    def __init__(self, setup: dict[str, Any], requests: BinaryIO, replies: int) -> None:
        self._requests, self._replies = requests, replies
        self._slot: int = setup["slot"]
        self._crop_bytes: int = setup["crop_bytes"]
        self._share: int = setup["share"]
        self._seconds: float = setup["seconds"]
        preprocessing = PreprocessingConfig(**setup["preprocessing"])
        self._read = Reader(Decoding(preprocessing, setup["exact"], setup["max_megapixels"]))
        self._film: tuple[int, Source] | None = None
        self._own_bytes = _data_bytes()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Decode one photo into the slot; a failure is an answer too."""
        content = partial(os.pread, self._slot, request["size"], self._crop_bytes) if "size" in request else None
        try:
            with self._limited():
                source = Source(request["file"], content)
                if "count" in request:
                    return {"frames": self._read.frame_count(source)}
                if "frame" in request:
                    source = self._frame(source, request["film"], request["frame"])
                crop = self._read(source, self._reserve)
                os.pwrite(self._slot, crop.tobytes(), 0)
        except InputError as error:
            return {"code": error.code, "message": str(error)[:MESSAGE_CHARACTERS]}
        return {}

    def _frame(self, of: Source, film: int, number: int) -> Source:
        if self._film is None or self._film[0] != film:
            self._film = film, of
        return Source(of.file, Frame(self._film[1], number, DecodeConfig(0)))

    def reply(self, message: dict[str, Any]) -> None:
        os.write(self._replies, json.dumps(message).encode() + b"\n")

    @contextmanager
    def _limited(self) -> "Iterator[None]":
        """The clock ends the process itself: C code that hangs takes no other notice of a signal."""
        _limit_data(self._own_bytes + ALLOWANCE_BYTES)
        signal.setitimer(signal.ITIMER_REAL, self._seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _reserve(self, need: Need) -> None:
        if need.size <= self._share:
            return
        signal.setitimer(signal.ITIMER_REAL, 0)  # to wait for others' memory takes nothing of this photo's time
        self.reply({"reserve": need.size, "small": need.small})
        line = self._requests.readline()
        if not line:
            os._exit(0)
        if line.strip():
            refusal = json.loads(line)
            raise InputError(FailureCode(refusal["code"]), refusal["message"])
        _limit_data(self._own_bytes + max(ALLOWANCE_BYTES, 2 * need.size))
        signal.setitimer(signal.ITIMER_REAL, self._seconds)


def _private_stdout() -> int:
    """What libraries print goes nowhere; the descriptor that is given back is for answers."""
    replies = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return replies


def _data_bytes() -> int:
    """What RLIMIT_DATA counts of this process now; 0 where the system does not tell."""
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _limit_data(size: int) -> None:
    """Let the process have so many bytes of memory of its own; other systems than Linux hold it to nothing."""
    if sys.platform != "linux":
        return
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (size if most == resource.RLIM_INFINITY else min(size, most), most))
