"""A sample is the same of the same inputs, spread over all of them, and holds no photo twice."""

import threading
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from resnext.errors import FailureCode, InputError
from resnext.pipeline.sampling import sample
from resnext.records import Failure, Source


def pixels(source: Source) -> NDArray[np.uint8]:
    """A photo that is its own number."""
    number = int(source.file.split("/")[-1])
    return np.full((2, 2, 3), 0, np.uint8) + np.frombuffer(number.to_bytes(3, "big"), np.uint8)


def numbers(found: NDArray[np.uint8]) -> list[int]:
    return [int.from_bytes(photo[0, 0].tobytes(), "big") for photo in found]


def sources(count: int) -> list[Source | Failure]:
    return [Source(f"photos/{number}") for number in range(count)]


def test_the_same_inputs_give_the_same_sample_in_any_order_and_with_any_workers() -> None:
    first = sample(sources(500), pixels, 60, workers=1)
    again = sample(reversed(sources(500)), pixels, 60, workers=4)
    assert numbers(first.pixels) == numbers(again.pixels)
    assert len(set(numbers(first.pixels))) == 60 and first.found == 500 and first.failed == 0


def test_it_is_spread_over_all_inputs() -> None:
    found = numbers(sample(sources(4000), pixels, 400, workers=2).pixels)
    quarters = np.bincount(np.array(found) // 1000, minlength=4)
    assert quarters.min() > 60


def test_of_many_inputs_few_are_decoded() -> None:
    decoded, lock = [0], threading.Lock()

    def counted(source: Source) -> NDArray[np.uint8]:
        with lock:
            decoded[0] += 1
        return pixels(source)

    found = sample(sources(20_000), counted, 20, workers=2)
    assert len(found.pixels) == 20 and found.found == 20_000
    assert decoded[0] < 2_000


def test_what_fails_is_counted_and_others_take_its_place() -> None:
    def picky(source: Source) -> NDArray[np.uint8]:
        if source.file.endswith(("1", "3", "5", "7", "9")):
            raise InputError(FailureCode.CORRUPT, "odd")
        return pixels(source)

    inputs = [*sources(40), Failure(Source("gone"), FailureCode.NOT_FOUND, "gone")]
    found = sample(inputs, picky, 20, workers=2)
    assert sorted(numbers(found.pixels)) == list(range(0, 40, 2))
    assert (found.found, found.failed) == (41, 21)


def test_a_photo_that_is_there_twice_is_taken_once() -> None:
    def copies() -> Iterator[Source | Failure]:
        for folder in ("a", "b", "c"):
            yield from (Source(f"{folder}/{number}") for number in range(30))

    assert sorted(numbers(sample(copies(), pixels, 90, workers=2).pixels)) == list(range(30))


def test_nothing_is_an_empty_sample() -> None:
    assert len(sample([], pixels, 10, workers=1).pixels) == 0
