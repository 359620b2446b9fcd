"""Fetching ahead: concurrent, in order, bounded, and never in the way of what is finished."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from resnext.errors import FailureCode, InputError
from resnext.pipeline.look_ahead import LookAhead, fetched_ahead
from resnext.records import Failure, Source

SIZE = (3, 2, 2)


def load(source: Source) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    content = source.read() if source.read is not None else source.file.encode()
    return np.full(SIZE, int(content), np.float32)


def remote(number: int, seconds: float) -> Source:
    def read() -> bytes:
        time.sleep(seconds)
        if number % 10 == 9:
            raise InputError(FailureCode.HTTP, "no")
        return str(number).encode()

    return Source(str(number), read=read, remote=True)


def test_many_are_fetched_at_once_and_come_in_order() -> None:
    together = threading.Barrier(8)

    def waiting(number: int) -> Source:
        source = remote(number, 0)

        def read() -> bytes:
            if number < together.parties:
                together.wait(60)  # all of them are under way at once
            assert source.read is not None
            return source.read()

        return Source(str(number), read=read, remote=True)

    with LookAhead(map(waiting, range(200)), load, workers=2) as ahead:
        batches = [batch for batch in ahead.batches(4) if batch is not None]
    names, values = [], []
    for batch in batches:
        rows = iter(batch.pixels)
        for entry in batch.entries:
            names.append(entry.source.file if isinstance(entry, Failure) else entry.file)
            values.append(-1 if isinstance(entry, Failure) else int(next(rows)[0, 0, 0]))
    assert names == [str(number) for number in range(200)]
    assert values == [-1 if number % 10 == 9 else number for number in range(200)]


def test_no_more_is_fetched_than_will_soon_be_needed() -> None:
    begun = threading.Semaphore(0)
    started = 0

    def sources() -> Iterator[Source]:
        nonlocal started
        for number in range(100_000):
            started += 1
            yield remote(number * 10, 0)

    with LookAhead(sources(), load, workers=1) as ahead:
        begun.acquire(timeout=0.5)
        assert started < 200
        next(ahead.batches(4))


def test_a_slow_input_does_not_hold_back_what_is_finished() -> None:
    gate = threading.Event()

    def wait() -> bytes:
        gate.wait(30)
        return b"2"

    sources = [Source("1"), Source("2", read=wait, remote=True), Source("3")]
    with LookAhead(sources, load, workers=1) as ahead:
        batches = ahead.batches(4)
        first = next(batch for batch in batches if batch is not None)
        assert first.entries == (sources[0],)
        gate.set()
        rest = [entry for batch in batches if batch is not None for entry in batch.entries]
    assert rest == sources[1:]


@pytest.mark.parametrize(("count", "many"), [(3, False), (16, True)])
def test_many_is_known_of_what_has_an_end(count: int, many: bool) -> None:
    with LookAhead([Source(str(n)) for n in range(count)], load, workers=1) as ahead:
        assert ahead.at_least(16, 5) is many


def test_what_has_no_end_in_sight_is_many() -> None:
    def slowly() -> Iterator[Source]:
        yield Source("1")
        time.sleep(1)

    with LookAhead(slowly(), load, workers=1) as ahead:
        assert ahead.at_least(16, 0.05)


def test_contents_are_fetched_side_by_side_and_come_in_order() -> None:
    together = threading.Barrier(3)

    def read(number: int) -> bytes:
        together.wait(20)  # all three are under way at once
        if number == 1:
            raise InputError(FailureCode.HTTP, "no")
        return str(number).encode()

    sources = [Source(str(number), read=lambda number=number: read(number), remote=True) for number in range(3)]  # type: ignore[misc]
    given = list(fetched_ahead([Source("local"), *sources, Failure(Source("gone"), FailureCode.NOT_FOUND, "no")]))
    names = [each.source.file if isinstance(each, Failure) else each.file for each in given]
    assert names == ["local", "0", "1", "2", "gone"]
    contents = [each.read() for each in given if isinstance(each, Source) and each.read is not None]
    assert contents == [b"0", b"2"] and isinstance(given[2], Failure)


def test_no_more_contents_wait_than_are_fetched_at_once() -> None:
    begun = 0

    def sources() -> Iterator[Source]:
        nonlocal begun
        for number in range(1000):
            begun += 1
            yield remote(number * 10, 0)

    fetched = fetched_ahead(sources())
    next(fetched)
    assert begun <= 33
    fetched.close()  # type: ignore[attr-defined]
