"""Decode ahead in threads, a bounded number of inputs, and give batches in input order.

Rows can't drift from names: every Batch carries its sources beside their pixels, and a failure stands at its own place.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from resnext.errors import InputError
from resnext.records import Batch, Failure, Source

if TYPE_CHECKING:
    from resnext.records import Pixels

Load = Callable[[Source], "Pixels"]

# How long an incomplete batch waits for its next input before it is given: inputs may come from a slow pipe.
_PATIENCE_SECONDS = 0.05
# Inputs of other machines are fetched by so many threads, and so many are under way or wait for their turn: enough to
# keep the engine busy over answers that take a second each.
_FETCHES = 32
_REMOTE_AHEAD = 128
# The pixels of a batch of failures.
_NOTHING = np.empty(0, np.uint8)


class _Decoding(NamedTuple):
    source: Source
    outcome: Future[Pixels | Failure]


class _End:
    """The last item of the queue; carries the error that ended the sources, if one did."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class LookAhead:
    """Decodes the next inputs while the engine works on these.

    What waits is bounded by number: 16 x `workers` + 64 inputs of this machine and _REMOTE_AHEAD of others, each as the
    pixels of one crop; besides, _FETCHES fetched files at most. So memory does not grow with the number of inputs. What
    decoding itself takes is bounded by `load`.

    Inputs of other machines are fetched further ahead, by threads of their own, and decoded with all others. Begins
    to read and decode when it is made. `close()` it, or use it in a `with` block.
    """

    def __init__(self, sources: Iterable[Source | Failure], load: Load, *, workers: int) -> None:
        self._sources = sources
        self._load = load
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
        self._fetching = ThreadPoolExecutor(_FETCHES, thread_name_prefix="fetch")
        # Decoded photos wait here: as crops 0.15 MB each at 224 x 224, as timm's own transform makes them four times
        # that. Each kind of input has its own bound, wide enough that decoding need not pause while the engine loads.
        self._queue: queue.SimpleQueue[_Decoding | Failure | _End] = queue.SimpleQueue()
        self._places = threading.BoundedSemaphore(16 * workers + 64)
        self._remote_places = threading.BoundedSemaphore(_REMOTE_AHEAD)
        self._closed = threading.Event()
        self.found = 0
        self._all_found = threading.Event()
        self._feeder = threading.Thread(target=self._feed, name="sources", daemon=True)
        self._feeder.start()

    def __enter__(self) -> LookAhead:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading sources and drop what is waiting; a photo that is being decoded is not waited for."""
        self._closed.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._fetching.shutdown(wait=False, cancel_futures=True)

    def at_least(self, count: int, seconds: float) -> bool:
        """Whether there are `count` inputs or more; yes if their end is not in sight within `seconds`."""
        end = time.monotonic() + seconds
        while self.found < count and not self._all_found.is_set() and time.monotonic() < end:
            time.sleep(0.001)
        return self.found >= count or not self._all_found.is_set()

    def total(self) -> int | None:
        """The number of inputs; None while they are still being found."""
        return self.found if self._all_found.is_set() else None

    def batches(self, batch_size: int) -> Iterator[Batch | None]:
        """Give Batches of up to `batch_size` images in input order; None when nothing came for a while.

        Any error of the sources themselves is raised here, after everything that came before it.
        """
        entries: list[Source | Failure] = []
        pixels: list[Pixels] = []
        item: _Decoding | Failure | _End | None = None
        while True:
            try:
                if item is None:
                    item = self._queue.get(timeout=_PATIENCE_SECONDS)
                if isinstance(item, _End):
                    break
                entry = item if isinstance(item, Failure) else self._decoded(item, pixels)
            except queue.Empty:
                # What is complete goes out now: the next input may be a slow one, or not there yet.
                yield self._batch(entries, pixels) if entries else None
                entries, pixels = [], []
                continue
            except Exception as fault:  # ours, not the photo's: what came before it is given first
                item = _End(fault)
                break
            self._free_place(item)
            entries.append(entry)
            item = None
            if len(pixels) >= batch_size or len(entries) >= 4 * batch_size:
                yield self._batch(entries, pixels)
                entries, pixels = [], []
        if entries:
            yield self._batch(entries, pixels)
        if item.error is not None:
            raise item.error

    def _decoded(self, item: _Decoding, pixels: list[Pixels]) -> Source | Failure:
        """Add one photo's pixels, or give its Failure. Raises queue.Empty while it is still being decoded."""
        if not item.outcome.done() and not wait((item.outcome,), _PATIENCE_SECONDS).done:
            raise queue.Empty
        outcome = item.outcome.result()
        if isinstance(outcome, Failure):
            return Failure(item.source, outcome.code, outcome.message)  # without the content that was fetched for it
        pixels.append(outcome)
        return item.source

    def _batch(self, entries: list[Source | Failure], pixels: list[Pixels]) -> Batch:
        return Batch(tuple(entries), np.stack(pixels) if pixels else _NOTHING)

    def _feed(self) -> None:
        error: BaseException | None = None
        try:
            for source in self._sources:
                self.found += 1
                if not self._place_for(source):
                    return
                self._queue.put(source if isinstance(source, Failure) else self._decoding(source))
        except BaseException as raised:  # carried to the reader, which raises it
            error = raised
        self._all_found.set()
        self._queue.put(_End(error))

    def _decoding(self, source: Source) -> _Decoding:
        if source.remote and source.read is not None:
            return _Decoding(source, self._fetching.submit(self._fetched, source))
        return _Decoding(source, self._pool.submit(self._decoded_pixels, source))

    def _fetched(self, source: Source) -> Pixels | Failure:
        """Fetch a file, then wait until it is decoded: so at most _FETCHES fetched files are in memory."""
        assert source.read is not None
        try:
            content = source.read()
        except InputError as error:
            return Failure(source, error.code, str(error))
        return self._pool.submit(self._decoded_pixels, source._replace(read=lambda: content)).result()

    def _decoded_pixels(self, source: Source) -> Pixels | Failure:
        """Decode one photo; a failure is a value from here on.

        An exception in a future would keep its traceback in memory, and with it the half-decoded photo and the content
        of its file.
        """
        try:
            return self._load(source)
        except InputError as error:
            return Failure(source, error.code, str(error))

    def _place_for(self, source: Source | Failure) -> bool:
        """Wait until one more input may be under way; False when there is no need any more."""
        places = self._remote_places if _is_remote(source) else self._places
        while not self._closed.is_set():
            if places.acquire(timeout=_PATIENCE_SECONDS):
                return True
        return False

    def _free_place(self, item: _Decoding | Failure) -> None:
        remote = isinstance(item, _Decoding) and _is_remote(item.source)
        (self._remote_places if remote else self._places).release()


def _is_remote(source: Source | Failure) -> bool:
    return isinstance(source, Source) and source.remote


def fetched_ahead(sources: Iterable[Source | Failure]) -> Iterator[Source | Failure]:
    """Fetch files of other machines in parallel; give all inputs in their order, with their contents.

    For callers that must read a file to know how many inputs it has. At most _FETCHES fetched files are in memory.
    """
    pool = ThreadPoolExecutor(_FETCHES, thread_name_prefix="fetch")
    waiting: deque[Future[Source | Failure]] = deque()
    try:
        for source in sources:
            waiting.append(
                pool.submit(_with_content, source) if isinstance(source, Source) and source.remote else _ready(source)
            )
            while waiting and (len(waiting) >= _FETCHES or waiting[0].done()):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _with_content(source: Source) -> Source | Failure:
    if source.read is None:
        return source
    try:
        content = source.read()
    except InputError as error:
        return Failure(source, error.code, str(error))
    return source._replace(read=lambda: content, remote=False)


def _ready(source: Source | Failure) -> Future[Source | Failure]:
    future: Future[Source | Failure] = Future()
    future.set_result(source)
    return future
