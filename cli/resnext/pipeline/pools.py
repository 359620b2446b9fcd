"""Threads for work that waits: unlike ThreadPoolExecutor's they never keep the program from ending."""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class WaitingPool:
    """Runs what it is given in up to `size` daemon threads, started as they are needed, in the order of submission."""

    def __init__(self, size: int, name: str) -> None:
        self._size, self._name = size, name
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._threads = 0
        self._closed = False

    def submit(self, work: Callable[[], _Result]) -> Future[_Result]:
        """Have `work` done; to be called by one thread only."""
        future: Future[_Result] = Future()
        self._work.put((future, work))
        if self._threads < self._size:
            self._threads += 1
            threading.Thread(target=self._run, name=f"{self._name}-{self._threads}", daemon=True).start()
        return future

    def close(self) -> None:
        """Begin nothing more; what has begun is not waited for."""
        self._closed = True
        for _ in range(self._threads):
            self._work.put(None)

    def _run(self) -> None:
        while (item := self._work.get()) is not None and not self._closed:
            future, work = item
            try:
                future.set_result(work())
            except BaseException as error:  # carried to whoever asks for the result
                future.set_exception(error)
            del item, future, work  # an idle thread keeps no photo alive
