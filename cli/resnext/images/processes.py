"""Decoding in processes of their own: whatever a file does to its decoder costs that file's row, and nothing else."""

import itertools
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from resnext.errors import FailureCode, InputError
from resnext.images.decoder_process import DecoderProcess, Died
from resnext.images.frames import Frame
from resnext.images.loading import Decoding, decoding_budget
from resnext.images.turns import Turns
from resnext.records import Source

if TYPE_CHECKING:
    from resnext.records import Pixels

# Far longer than the largest allowed photo takes on a busy machine.
PHOTO_SECONDS = 60.0
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
        self.budget, self._seconds = decoding_budget(), seconds
        self._command = [sys.executable, "-P", "-c", program]
        self._setup: dict[str, Any] = {
            "path": sys.path,
            "preprocessing": decoding.preprocessing._asdict(),
            "exact": decoding.exact,
            "max_megapixels": decoding.max_megapixels,
            "crop_bytes": height * width * 3,
            "share": min(_SHARE_BYTES, self.budget.limit // (4 * workers)),
            "seconds": seconds,
        }
        numbers = itertools.count()
        self._films = Turns(lambda of: _Film(of, self, next(numbers)))
        self._lock = threading.Lock()
        self._idle: list[DecoderProcess] = []
        self._all: set[DecoderProcess] = set()
        self._closed = False

    def __call__(self, source: Source) -> "Pixels":
        """Decode one photo, uint8 (H, W, 3).

        Raises:
            InputError: it can't be decoded; its decoder died of it, or took too long.
            NoResources: no process can be started.
        """
        if isinstance(source.read, Frame):
            with self._films.turn(source.read.of, source.read.number) as film:
                crop = film.crop(source.read.number)
        else:
            self._films.move_on()
            with self.process() as process:
                crop = process.decode(source, self.budget)
        return np.frombuffer(crop, np.uint8).reshape(self._shape)

    def frame_count(self, source: Source) -> int:
        """Count the pictures of a file.

        Raises:
            InputError: there is none, or it can't be known; its decoder died of it, or took too long.
            NoResources: no process can be started.
        """
        with self.process() as process:
            return process.count(source, self.budget)

    @contextmanager
    def process(self) -> Iterator[DecoderProcess]:
        """Have a process in the block; one that dies there is an InputError."""
        process = self.take()
        try:
            yield process
        except Died:
            raise self.failure_of(process) from None
        except InputError:
            self.give_back(process)
            raise
        self.give_back(process)

    def close(self) -> None:
        """End all processes, in the middle of a photo or not."""
        self._films.move_on()
        with self._lock:
            self._closed = True
            busy, idle = self._all.difference(self._idle), self._idle
            self._all, self._idle = set(), []
        for process in busy:
            process.kill()  # the thread that waits for its answer closes it
        for process in idle:
            process.close()

    def take(self) -> "DecoderProcess":
        with self._lock:
            while self._idle:
                process = self._idle.pop()
                if process.is_alive():
                    return process
                self._all.discard(process)
                process.close()
        process = DecoderProcess(self._command, self._setup, self._seconds)
        with self._lock:
            if not self._closed:
                self._all.add(process)
                return process
        process.close()
        raise InputError(FailureCode.READ_ERROR, "given up at the end of the run")

    def give_back(self, process: "DecoderProcess") -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(process)
                return
        process.close()

    def failure_of(self, process: "DecoderProcess") -> InputError:
        """Bury a process that died, and say what it died of."""
        with self._lock:
            self._all.discard(process)
        process.close()
        return process.failure()


class _Film:
    """A file of several pictures: one process keeps it open from one to the next."""

    def __init__(self, of: Source, loader: IsolatedLoader, number: int) -> None:
        self._of, self._loader, self._number = of, loader, number
        self._process: DecoderProcess | None = None
        self._broken: tuple[FailureCode, str] | None = None

    def crop(self, frame: int) -> bytes:
        """Give the crop of one picture. What a decoder died of would end the next one too: it is not tried again."""
        if self._broken:
            raise InputError(*self._broken)
        self._process = self._process or self._loader.take()
        try:
            return self._process.decode(self._of, self._loader.budget, {"film": self._number, "frame": frame})
        except Died:
            process, self._process = self._process, None
            failure = self._loader.failure_of(process)
            self._broken = failure.code, str(failure)
            raise failure from None

    def close(self) -> None:
        if self._process is not None:
            self._loader.give_back(self._process)
