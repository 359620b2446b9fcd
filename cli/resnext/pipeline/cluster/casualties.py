"""What happens to a shard whose workers die: done again, then searched for the input that does it, which is left out.

The search cuts what is suspected in half, and tries the first half on a worker without keeping its rows: if it dies,
the input is there, else in the other one. At last one input is tried alone; only if that kills as often as a shard may,
it is condemned. A search that finds nothing (the machine itself was killed, say) lets the whole shard be done again.
"""

from typing import NamedTuple

from resnext.pipeline.cluster.cut import InputShard

_VAIN_SEARCHES = 5


class Trial(NamedTuple):
    """What a worker is to do: the whole shard but for what is `condemned`, or to try inputs `first` up to `end`."""

    shard: InputShard
    condemned: frozenset[int] = frozenset()
    first: int = 0
    end: int | None = None  # None: the whole shard, for its rows


class Case:
    """One shard on its way. Ask for `trial`, then tell whether its worker `died` or `survived`."""

    def __init__(self, shard: InputShard, retries: int) -> None:
        self.shard = shard
        self._retries, self._deaths = retries, 0
        self._condemned: set[int] = set()
        self._suspected: tuple[int, int] | None = None  # a search is on
        self._vain = 0

    @property
    def trial(self) -> Trial:
        if self._suspected is None:
            return Trial(self.shard, frozenset(self._condemned))
        return Trial(self.shard, frozenset(self._condemned), *self._half)

    def died(self) -> None:
        """Note that the worker died."""
        if self._suspected is None:
            self._deaths += 1
            if self._deaths > self._retries:
                self._begin_search()
            return
        first, end = self._suspected
        if end - first > 1:
            self._narrow(*self._half)
            return
        self._deaths += 1
        if self._deaths > self._retries:
            self._condemned.add(first)
            self._suspected = None  # and the next death of the whole begins another search

    def survived(self) -> None:
        """Note that what was tried killed nobody; the rows of a whole shard are then in place."""
        if self._suspected is None:
            return
        first, end = self._suspected
        if end - first > 1:
            self._narrow(self._half[1], end)
            return
        self._suspected, self._deaths = None, 0
        self._vain += 1
        if self._vain == _VAIN_SEARCHES:  # not one input, but several together
            self._condemned.update(range(len(self.shard.items)))

    def _begin_search(self) -> None:
        self._narrow(0, len(self.shard.items))

    def _narrow(self, first: int, end: int) -> None:
        self._suspected, self._deaths = (first, end), 0

    @property
    def _half(self) -> tuple[int, int]:
        assert self._suspected is not None
        first, end = self._suspected
        return first, max(first + 1, (first + end) // 2)
