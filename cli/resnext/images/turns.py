"""Turns at what may have one user at a time, and is best used in order: files of several pictures."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from resnext.records import Source


class _Closed(Protocol):
    def close(self) -> None: ...


R = TypeVar("R", bound=_Closed)


class _Kept(Generic[R]):
    """What is kept of one file; the numbers of those who wait for it or have it."""

    def __init__(self, of: Source, resource: R) -> None:
        self.of, self.resource = of, resource
        self.numbers: list[int] = []
        self.taken = False


class Turns(Generic[R]):
    """Hands a resource of each file to one thread at a time: of those who ask, to the one with the least number.

    A resource is made for the first who asks, and closed when another file has come and nobody is at this one: so there
    are no more than threads, and one that nobody uses only while no other file is read.
    """

    def __init__(self, make: Callable[[Source], R]) -> None:
        self._make = make
        self._kept: list[_Kept[R]] = []
        self._last: _Kept[R] | None = None
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, of: Source, number: int) -> Iterator[R]:
        """Wait for the turn of `number` at a file, and have its resource in the block."""
        with self._changed:
            kept = next((each for each in self._kept if each.of is of), None)
            if kept is None:
                kept = _Kept(of, self._make(of))
                self._kept.append(kept)
            kept.numbers.append(number)
            self._last = kept
            self._close_idle()
            mine = kept
            self._changed.wait_for(lambda: not mine.taken and number == min(mine.numbers))
            kept.taken = True
        try:
            yield kept.resource
        finally:
            with self._changed:
                kept.taken = False
                kept.numbers.remove(number)
                self._close_idle()
                self._changed.notify_all()

    def move_on(self) -> None:
        """Close what nobody is at: the next is another kind of file."""
        if self._kept:  # mostly there is nothing, and nothing to lock
            with self._changed:
                self._last = None
                self._close_idle()

    def _close_idle(self) -> None:
        for each in [each for each in self._kept if each is not self._last and not each.numbers]:
            self._kept.remove(each)
            each.resource.close()
