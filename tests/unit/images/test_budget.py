"""Memory that threads share: never more than the limit together, nobody forgotten, nobody overtaken for ever."""

import random
import threading
from pathlib import Path

import pytest
from PIL import Image

from resnext.images.budget import Budget
from resnext.images.decode import DecodeConfig, decode
from resnext.images.limits import SMALL_FILE_BYTES, SMALL_PICTURE_BYTES, Need
from resnext.records import Source

WAIT_SECONDS = 20


@pytest.mark.parametrize("seed", range(5))
def test_threads_together_never_have_more_than_the_limit(seed: int) -> None:
    rng = random.Random(seed)
    budget, lock = Budget(100), threading.Lock()
    taken, most, done = 0, 0, 0

    def work(sizes: list[int]) -> None:
        nonlocal taken, most, done
        for size in sizes:
            with budget.lease() as lease:
                lease.take(size)
                with lock:
                    taken += lease.size
                    most = max(most, taken)
                with lock:
                    taken -= lease.size
            with lock:
                done += 1

    threads = [
        threading.Thread(target=work, args=([rng.choice([0, 1, 30, 60, 100, 5000]) for _ in range(50)],), daemon=True)
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_SECONDS)
    assert done == 8 * 50, "some wait for ever"
    assert most <= 100
    assert taken == 0


def take(
    budget: Budget, size: int, has: threading.Event, end: threading.Event, *, small: bool = False
) -> threading.Thread:
    def work() -> None:
        with budget.lease() as lease:
            lease.take(size, small)
            has.set()
            end.wait(WAIT_SECONDS)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_what_is_larger_than_all_of_it_runs_alone_and_is_not_overtaken() -> None:
    budget = Budget(100)
    has = [threading.Event() for _ in range(3)]
    end = [threading.Event() for _ in range(3)]
    take(budget, 10, has[0], end[0])
    assert has[0].wait(WAIT_SECONDS)
    take(budget, 1_000_000, has[1], end[1])
    while not budget._waiting:
        pass
    take(budget, 10, has[2], end[2])
    assert not has[1].wait(0.1)
    assert not has[2].is_set(), "a small one went past the large one"
    end[0].set()
    assert has[1].wait(WAIT_SECONDS)
    assert not has[2].wait(0.1), "the large one is not alone"
    end[1].set()
    assert has[2].wait(WAIT_SECONDS)
    end[2].set()


def test_an_error_gives_back_what_was_taken() -> None:
    budget = Budget(100)
    for _ in range(3):
        with pytest.raises(KeyError), budget.lease() as lease:
            lease.take(100)
            raise KeyError
    with budget.lease() as lease:
        lease.take(100)
        with pytest.raises(ValueError, match="once"):
            lease.take(1)


def test_small_ones_share_a_part_of_it_and_leave_the_rest_to_others() -> None:
    budget = Budget(100, small=40)
    has, end = [threading.Event() for _ in range(4)], [threading.Event() for _ in range(4)]
    take(budget, 50, has[0], end[0], small=True)  # more than their part: alone among them
    assert has[0].wait(WAIT_SECONDS)
    take(budget, 50, has[1], end[1])
    assert has[1].wait(WAIT_SECONDS)
    end[1].set()
    take(budget, 10, has[2], end[2], small=True)
    assert not has[2].wait(0.1)
    end[0].set()
    assert has[2].wait(WAIT_SECONDS)
    take(budget, 30, has[3], end[3], small=True)
    assert has[3].wait(WAIT_SECONDS), "two that fit wait for each other"
    end[2].set()
    end[3].set()


@pytest.mark.parametrize("name", ["PNG", "WEBP"])  # decoded when it is loaded; as soon as it is opened
def test_large_pictures_in_small_files_wait_for_each_other(tmp_path: Path, name: str) -> None:
    Image.new("RGBA", (4000, 4000), "red").save(tmp_path / "photo", name, lossless=True)
    needs = list[Need]()
    decode(Source(str(tmp_path / "photo")), DecodeConfig(256), needs.append)
    assert [need.small for need in needs] == [True]
    assert needs[0].size * 2 > SMALL_PICTURE_BYTES / 2 > SMALL_FILE_BYTES
