"""Decoding ahead: bounded, in input order, and never a photo's pixels beside another photo's name."""

import itertools
import random
import threading
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from resnext.errors import FailureCode, InputError
from resnext.pipeline.look_ahead import LookAhead
from resnext.records import Batch, Failure, Source

SIZE = (3, 2, 2)
PATIENCE = 20  # seconds after which a test that waits has failed
Load = Callable[[Source], NDArray[np.float32]]


def source(number: int) -> Source:
    return Source(f"{number}.jpg")


def failure(number: int) -> Failure:
    return Failure(source(number), FailureCode.NO_IMAGES, "none")


def load(given: Source) -> NDArray[np.float32]:
    """Pixels that say whose they are."""
    return np.full(SIZE, float(given.file.removesuffix(".jpg")), np.float32)


def look_ahead(sources: Iterable[Source | Failure], load: Load = load, workers: int = 3) -> LookAhead:
    return LookAhead(sources, load, workers=workers)


def check(batch: Batch, batch_size: int) -> None:
    """Every row of pixels is that of its own source."""
    good = [entry for entry in batch.entries if isinstance(entry, Source)]
    assert len(batch.pixels) == len(good) <= batch_size
    if not good:
        return
    assert batch.pixels.shape == (len(good), *SIZE)
    assert batch.pixels.dtype == np.float32
    assert [f"{row.max():.0f}.jpg" for row in batch.pixels] == [entry.file for entry in good]
    assert np.array_equal(batch.pixels.min(axis=(1, 2, 3)), batch.pixels.max(axis=(1, 2, 3)))


def entries_of(batches: Iterable[Batch | None], batch_size: int) -> Iterator[Source | Failure]:
    for batch in batches:
        if batch is not None:
            check(batch, batch_size)
            assert batch.entries
            yield from batch.entries


def drain(ahead: LookAhead, batch_size: int = 4) -> list[Source | Failure]:
    with ahead:
        return list(entries_of(ahead.batches(batch_size), batch_size))


# -- order -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_every_input_comes_once_in_order_with_its_own_pixels(seed: int) -> None:
    rng = random.Random(seed)
    share = rng.choice([0.0, 0.1, 0.5, 0.95, 1.0])
    broken = {f"{number}.jpg" for number in range(150) if rng.random() < share}
    inputs = [failure(number) if rng.random() < share / 3 else source(number) for number in range(150)]

    def fragile(given: Source) -> NDArray[np.float32]:
        if given.file in broken:
            raise InputError(FailureCode.CORRUPT, f"broken: {given.file}")
        return load(given)

    expected = [
        Failure(item, FailureCode.CORRUPT, f"broken: {item.file}")
        if isinstance(item, Source) and item.file in broken
        else item
        for item in inputs
    ]
    assert drain(look_ahead(inputs, fragile, workers=rng.randint(1, 5)), rng.randint(1, 9)) == expected


def test_a_photo_that_is_decoded_late_keeps_its_place() -> None:
    third_is_done = threading.Event()

    def late(given: Source) -> NDArray[np.float32]:
        if given.file == "0.jpg":
            assert third_is_done.wait(PATIENCE)
        pixels = load(given)
        if given.file == "3.jpg":
            third_is_done.set()
        return pixels

    assert drain(look_ahead(map(source, range(6)), late, workers=4)) == [source(number) for number in range(6)]


@pytest.mark.parametrize(
    "kinds", ["", "f", "s", "fff", "fs", "sf", "fsf", "sfs", "ssssfssss", "f" * 40, "f" * 40 + "s", "s" + "f" * 40]
)
def test_failures_stand_at_the_start_at_the_end_and_alone(kinds: str) -> None:
    inputs = [failure(number) if kind == "f" else source(number) for number, kind in enumerate(kinds)]
    assert drain(look_ahead(inputs), 2) == inputs


def test_waiting_photos_fill_whole_batches() -> None:
    with look_ahead(map(source, range(12))) as ahead:
        assert ahead.at_least(12, PATIENCE)
        sizes = [len(batch.pixels) for batch in ahead.batches(4) if batch is not None]
    assert sizes == [4, 4, 4]


# -- a slow source or photo ------------------------------------------------------------------------------------------


def test_a_slow_source_does_not_hold_back_what_is_there() -> None:
    more = threading.Event()

    def slow() -> Iterator[Source]:
        yield from map(source, range(3))
        assert more.wait(PATIENCE), "the first three were held back"
        yield source(3)

    with look_ahead(slow()) as ahead:
        entries = entries_of(ahead.batches(8), 8)
        assert list(itertools.islice(entries, 3)) == [source(0), source(1), source(2)]
        more.set()
        assert list(entries) == [source(3)]


def test_a_slow_photo_does_not_hold_back_those_before_it_nor_is_it_overtaken() -> None:
    go_on = threading.Event()

    def slow(given: Source) -> NDArray[np.float32]:
        if given.file == "2.jpg":
            assert go_on.wait(PATIENCE), "the first two were held back"
        return load(given)

    with look_ahead(map(source, range(5)), slow) as ahead:
        entries = entries_of(ahead.batches(8), 8)
        assert list(itertools.islice(entries, 2)) == [source(0), source(1)]
        go_on.set()
        assert list(entries) == [source(2), source(3), source(4)]


def test_silence_is_told_while_nothing_comes() -> None:
    more = threading.Event()

    def silent() -> Iterator[Source]:
        assert more.wait(PATIENCE)
        yield source(0)

    with look_ahead(silent()) as ahead:
        batches = ahead.batches(4)
        assert next(batches) is None
        more.set()
        assert list(entries_of(batches, 4)) == [source(0)]


# -- bounds ----------------------------------------------------------------------------------------------------------


class Endless:
    """Numbers of photos without end; tells how many were asked for, and when `limit` is passed."""

    def __init__(self, limit: int) -> None:
        self.pulled, self.limit, self.passed = 0, limit, threading.Event()

    def __iter__(self) -> Iterator[Source]:
        while True:
            if self.pulled >= self.limit:
                self.passed.set()
            self.pulled += 1
            yield source(self.pulled - 1)


@pytest.mark.parametrize("workers", [1, 4])
def test_only_so_many_inputs_are_looked_at_ahead(workers: int) -> None:
    ahead_at_most = 16 * workers + 80
    endless = Endless(ahead_at_most)
    with look_ahead(endless, workers=workers) as ahead:
        assert ahead.at_least(workers, PATIENCE)
        assert not endless.passed.wait(0.3)
        endless.limit += 50
        taken = list(itertools.islice(entries_of(ahead.batches(5), 5), 50))
        assert taken == [source(number) for number in range(50)]
        assert not endless.passed.wait(0.3)
    assert endless.pulled > 50


def test_close_stops_reading_sources() -> None:
    endless = Endless(10**9)
    ahead = look_ahead(endless)
    assert ahead.at_least(3, PATIENCE)
    next(iter(ahead.batches(2)))
    ahead.close()
    # One may have been under way.
    endless.limit = endless.pulled + 1
    assert not endless.passed.wait(0.3)


def test_close_ends_the_threads() -> None:
    before = set(threading.enumerate())
    ahead = look_ahead(Endless(10**9))
    assert ahead.at_least(3, PATIENCE)
    ahead.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_close_does_not_wait_for_a_photo_that_is_being_decoded() -> None:
    begun, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    def stuck(given: Source) -> NDArray[np.float32]:
        begun.set()
        go_on.wait(PATIENCE)
        return load(given)

    ahead = look_ahead([source(0)], stuck)
    assert begun.wait(PATIENCE)
    threading.Thread(target=lambda: (ahead.close(), closed.set()), daemon=True).start()
    try:
        assert closed.wait(PATIENCE / 2)
    finally:
        go_on.set()


def test_the_number_of_inputs_is_known_when_all_are_found() -> None:
    more = threading.Event()

    def slow() -> Iterator[Source | Failure]:
        yield from (source(0), failure(1))
        assert more.wait(PATIENCE)
        yield source(2)

    with look_ahead(slow()) as ahead:
        assert ahead.at_least(2, PATIENCE)
        assert ahead.total() is None
        more.set()
        assert ahead.at_least(3, PATIENCE)
        assert not ahead.at_least(4, PATIENCE)
        assert len(list(entries_of(ahead.batches(4), 4))) == 3
        assert ahead.total() == 3


# -- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 4, 7, 60])
def test_an_error_of_the_sources_is_raised_after_what_came_before(count: int) -> None:
    def breaking() -> Iterator[Source]:
        yield from map(source, range(count))
        raise OSError("the list broke off")

    came = []
    with look_ahead(breaking()) as ahead, pytest.raises(OSError, match="the list broke off"):
        for entry in entries_of(ahead.batches(4), 4):
            came.append(entry)
    assert came == [source(number) for number in range(count)]


@pytest.mark.parametrize("remote", [False, True])
@pytest.mark.parametrize("error", [ValueError("a fault"), TimeoutError("no answer")], ids=repr)
def test_a_fault_in_loading_is_raised_not_taken_for_a_bad_photo(error: Exception, remote: bool) -> None:
    def faulty(*arguments: object) -> bytes:
        raise error

    given = Source("0.jpg", read=faulty, remote=True) if remote else source(0)
    with look_ahead([given], faulty) as ahead, pytest.raises(type(error), match=str(error)):  # type: ignore[arg-type]
        list(itertools.islice(ahead.batches(4), 100))


def test_a_fault_of_ours_costs_no_photo_before_it() -> None:
    def fault(given: Source) -> NDArray[np.float32]:
        if given.file == "3.jpg":
            raise ZeroDivisionError
        return load(given)

    seen: list[Source | Failure] = []
    with look_ahead(map(source, range(6)), fault) as ahead, pytest.raises(ZeroDivisionError):
        for entry in entries_of(ahead.batches(8), 8):
            seen.append(entry)
    assert seen == [source(number) for number in range(3)]
