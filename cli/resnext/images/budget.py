"""Memory that all decoding threads share: a thread that needs much of it waits until others have released enough."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from resnext.errors import FailureCode, InputError


class Budget:
    """Up to `limit` bytes, leased to threads in the order in which they ask.

    What needs more than all of it has it alone, but for what needs more than `most`: that is refused. A thread asks
    once for all that it needs and waits for nothing else while it has it: so no two can wait for each other, and none
    is overtaken for ever by smaller ones. Those that call themselves small have up to `small` bytes of it together;
    what needs more than that is the only one of them at a time.
    """

    def __init__(self, limit: int, most: int | None = None, *, small: int | None = None) -> None:
        self.limit, self._most, self._taken = limit, most, 0
        self._small_limit, self._small_taken = limit if small is None else min(small, limit), 0
        self._changed = threading.Condition()
        self._waiting: deque[Lease] = deque()

    @contextmanager
    def lease(self) -> Iterator["Lease"]:
        """A lease of nothing yet; what it takes in the block is given back at its end, however that comes."""
        lease = Lease(self)
        try:
            yield lease
        finally:
            self._give_back(lease)

    def _take(self, lease: "Lease", size: int, small: bool) -> None:
        if self._most is not None and size > self._most:
            raise InputError(
                FailureCode.TOO_LARGE,
                f"decoding it takes {size / 1e9:.1f} GB; here at most {self._most / 1e9:.1f} GB can",
            )
        size = min(size, self.limit)
        of_small = min(size, self._small_limit) if small else 0
        with self._changed:
            self._waiting.append(lease)
            try:
                self._changed.wait_for(
                    lambda: (
                        self._waiting[0] is lease
                        and self._taken + size <= self.limit
                        and self._small_taken + of_small <= self._small_limit
                    )
                )
                lease.size, lease.of_small = size, of_small
                self._taken += size
                self._small_taken += of_small
            finally:
                self._waiting.remove(lease)
                self._changed.notify_all()  # the next in the line may fit beside this one

    def _give_back(self, lease: "Lease") -> None:
        with self._changed:
            self._taken -= lease.size
            self._small_taken -= lease.of_small
            lease.size = lease.of_small = 0
            self._changed.notify_all()


class Lease:
    """One thread's part of a Budget; `size` is what it has, in bytes, `of_small` what of that counts as small."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.size = self.of_small = 0

    def take(self, size: int, small: bool = False) -> None:
        """Wait until `size` bytes are free, and take them; once a lease.

        Raises:
            InputError: there will never be so many.
        """
        if self.size:
            raise ValueError("a lease takes once")
        self._budget._take(self, size, small)
