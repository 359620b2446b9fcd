"""The cut into shards, and the search for the photo that kills its workers: pure, without Ray."""

import pickle
import random
from itertools import count, islice
from pathlib import Path

import pytest

from resnext.errors import FailureCode
from resnext.pipeline.cluster.casualties import Case
from resnext.pipeline.cluster.cut import InputShard, cut, usual_size
from resnext.records import Failure, Source


def shard_of(size: int) -> InputShard:
    return next(cut([Source(f"{number}.jpg") for number in range(size)], size))


def test_shards_are_numbered_neighbours_and_no_more_is_read_than_is_given() -> None:
    read = count()
    shards = cut((Source(f"{next(read)}.jpg") for _ in iter(int, 1)), 100)
    first, second = islice(shards, 2)
    assert next(read) == 200
    assert (first.number, first.part, second.part) == (0, "part-00000", "part-00001")
    assert [len(first.items), second.items[0]] == [100, Source("100.jpg")]
    assert [len(each.items) for each in cut([Source("a")] * 7, 3)] == [3, 3, 1] and list(cut([], 3)) == []


def test_a_shard_is_told_by_the_names_of_its_inputs_in_their_order() -> None:
    def digest(*names: str) -> str:
        return next(cut(map(Source, names), 9)).digest

    assert digest("a", "b") == digest("a", "b")
    assert len({digest("a", "b"), digest("b", "a"), digest("ab"), digest("a", "b", ""), digest("a", "\udcff")}) == 5
    failed = Failure(Source("a"), FailureCode.NO_IMAGES, "none")
    assert next(cut([failed], 9)).digest == digest("a")
    shard = shard_of(1000)
    assert pickle.loads(pickle.dumps(shard)) == shard and len(pickle.dumps(shard)) < 100_000


@pytest.mark.parametrize(
    ("megabytes", "cores", "least", "most"), [(19, 8, 10_000, 10_000), (100, 2, 500, 2000), (775, 1, 64, 200)]
)
def test_a_shard_is_about_a_minute_of_work(tmp_path: Path, megabytes: int, cores: int, least: int, most: int) -> None:
    weights = tmp_path / "graph.bin"
    with weights.open("wb") as file:
        file.truncate(megabytes * 1_000_000)
    assert least <= usual_size(weights, cores) <= most


def play(case: Case, deadly: set[int], accidents: "random.Random | None" = None) -> tuple[int, int, set[int]]:
    """Run a case to its end where these inputs kill; gives trials, deaths, and what was condemned."""
    deaths = 0
    for trials in range(1, 5000):
        trial = case.trial
        end = len(case.shard.items) if trial.end is None else trial.end
        died = bool(deadly & (set(range(trial.first, end)) - trial.condemned))
        if accidents is not None and accidents.random() < 0.1:
            died = True
        deaths += died
        if died:
            case.died()
            continue
        case.survived()
        if trial.end is None:
            return trials, deaths, set(trial.condemned)
    raise AssertionError("it does not end")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("retries", [0, 2])
def test_the_one_that_kills_is_found(size: int, retries: int) -> None:
    for deadly in {0, size // 2, size - 1}:
        trials, _, condemned = play(Case(shard_of(size), retries), {deadly})
        assert condemned == {deadly}
        assert trials <= 2 * (retries + 1) + size.bit_length() + 2


def test_several_that_kill_are_found_each() -> None:
    _, deaths, condemned = play(Case(shard_of(500), 1), {3, 77, 78, 499})
    assert condemned == {3, 77, 78, 499} and deaths < 60


def test_machines_that_are_killed_cost_no_photo() -> None:
    assert play(Case(shard_of(100), 2), set()) == (1, 0, set())
    case = Case(shard_of(100), 2)
    for _ in range(3):
        case.died()
    assert case.trial.end is not None, "a search"
    assert play(case, set())[2] == set()
    condemned = [play(Case(shard_of(64), 2), {9}, random.Random(seed))[2] for seed in range(100)]
    assert all(9 in each for each in condemned)
    assert sum(each != {9} for each in condemned) <= 2, "an innocent one beside it"


def test_inputs_that_kill_only_together_are_given_up_together() -> None:
    case = Case(shard_of(8), 0)
    for _ in range(200):
        trial = case.trial
        if trial.end is None and trial.condemned:
            break
        case.died() if trial.end is None else case.survived()
    assert case.trial.condemned == frozenset(range(8))
