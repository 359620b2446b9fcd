"""The loop: batches through an engine, one record an input, in order, none with another's answer."""

import random
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from resnext.errors import FailureCode, InputError, ModelError
from resnext.pipeline.look_ahead import LookAhead
from resnext.pipeline.loop import Row, answer_each
from resnext.records import Batch, Classified, Failure, Label, Prediction, Source

SIZE = (3, 2, 2)
CLASSES = 5


def source(number: int) -> Source:
    return Source(f"{number}.jpg")


def failure(number: int) -> Failure:
    return Failure(source(number), FailureCode.CORRUPT, "broken")


def load(given: Source) -> NDArray[np.float32]:
    """Pixels that say whose they are."""
    return np.full(SIZE, float(given.file.removesuffix(".jpg")), np.float32)


def batch(*entries: Source | Failure) -> Batch:
    rows = [load(entry) for entry in entries if isinstance(entry, Source)]
    return Batch(entries, np.stack(rows) if rows else np.empty((0, *SIZE), np.float32))


def answer(given: Source, row: Row) -> Classified:
    return Classified(given, predict(row["logits"]))


def predict(logits: NDArray[np.float32]) -> tuple[Prediction, ...]:
    """The answer of FakeEngine for a photo is the photo's own number."""
    assert logits.shape == (CLASSES,)
    return (Prediction(Label(int(logits[0]), "", ""), 1.0),)


def expected(entry: Source | Failure) -> Classified | Failure:
    return entry if isinstance(entry, Failure) else Classified(entry, predict(np.full(CLASSES, load(entry)[0, 0, 0])))


class FakeEngine:
    """Answers a photo with its own number. `ready` says whether the ticket of the n-th batch is done before it is
    waited for; `log` has what happened, in order."""

    def __init__(self, batch_size: int = 4, depth: int = 1, ready: Any = lambda number: True) -> None:
        self.batch_size, self.depth, self._ready = batch_size, depth, ready
        self.open, self.sizes, self.log = 0, list[int](), list[str]()

    def submit(self, pixels: NDArray[np.float32]) -> "FakeTicket":
        assert 1 <= len(pixels) <= self.batch_size
        self.open += 1
        assert self.open <= self.depth, "more batches under way than the engine takes"
        number = len(self.sizes)
        self.sizes.append(len(pixels))
        self.log.append(f"submit {number}")
        return FakeTicket(self, number, pixels)


class FakeTicket:
    def __init__(self, engine: FakeEngine, number: int, pixels: NDArray[np.float32]) -> None:
        self._engine, self._number, self._pixels = engine, number, pixels

    def done(self) -> bool:
        return bool(self._engine._ready(self._number))

    def result(self) -> Row:
        self._engine.open -= 1
        self._engine.log.append(f"result {self._number}")
        numbers = self._pixels.mean(axis=(1, 2, 3))
        return {"logits": np.repeat(numbers[:, None], CLASSES, axis=1)}


def records(batches: Iterable[Batch | None], engine: FakeEngine) -> list[Classified | Failure]:
    return list(answer_each(batches, engine, answer))


# -- one record an input, in order -----------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("ready", [True, False])
@pytest.mark.parametrize(
    "kinds", ["", "f", "s", "f|f", "fs|s", "s|f", "f|s|f", "sfs|fff|ss|f", "s|s|s|s|s", "ssss||fsfs|f|f|s"]
)
def test_records_stand_in_input_order(kinds: str, depth: int, ready: bool) -> None:
    numbers = iter(range(99))
    batches: list[Batch | None] = []
    for part in kinds.split("|"):
        entries = [failure(next(numbers)) if kind == "f" else source(next(numbers)) for kind in part]
        batches.append(batch(*entries) if entries else None)
    engine = FakeEngine(depth=depth, ready=lambda number: ready)
    entries = [entry for each in batches if each is not None for entry in each.entries]
    assert records(batches, engine) == [expected(entry) for entry in entries]
    assert engine.open == 0
    assert sum(engine.sizes) == kinds.count("s")


@pytest.mark.parametrize("seed", range(20))
def test_no_photo_gets_the_answer_of_another(seed: int) -> None:
    """Through decoding threads and batches, with broken photos in between and an engine that is now fast, now slow."""
    rng = random.Random(seed)
    broken = {f"{number}.jpg" for number in range(200) if rng.random() < rng.choice([0, 0.1, 0.6])}
    inputs = [failure(number) if rng.random() < 0.05 else source(number) for number in range(200)]

    def fragile(given: Source) -> NDArray[np.float32]:
        if given.file in broken:
            raise InputError(FailureCode.CORRUPT, "broken")
        return load(given)

    engine = FakeEngine(rng.randint(1, 8), rng.randint(1, 4), ready=lambda number: rng.random() < 0.5)
    with LookAhead(inputs, fragile, workers=rng.randint(1, 4)) as ahead:
        given = records(ahead.batches(engine.batch_size), engine)
    assert [record.source for record in given] == [item if isinstance(item, Source) else item.source for item in inputs]
    for record in given:
        wanted = Failure if record.source.file in broken or failure_was_given(record, inputs) else Classified
        assert isinstance(record, wanted)
        if isinstance(record, Classified):
            assert f"{record.predictions[0].label.index}.jpg" == record.source.file
    assert max(engine.sizes) <= engine.batch_size


def failure_was_given(record: Classified | Failure, inputs: list[Source | Failure]) -> bool:
    return any(isinstance(item, Failure) and item.source == record.source for item in inputs)


def test_a_photo_without_an_answer_is_a_failure_in_its_place() -> None:
    def picky(given: Source, row: Row) -> Classified:
        if row["logits"][0] == 1:
            raise InputError(FailureCode.NON_FINITE, "not a number")
        return answer(given, row)

    given = list(answer_each([batch(source(0), source(1), source(2))], FakeEngine(), picky))
    assert given == [
        expected(source(0)),
        Failure(source(1), FailureCode.NON_FINITE, "not a number"),
        expected(source(2)),
    ]


def test_an_engine_that_answers_too_few_rows_is_a_fault() -> None:
    class Forgetful(FakeEngine):
        def submit(self, pixels: NDArray[np.float32]) -> FakeTicket:
            return super().submit(pixels[1:])

    with pytest.raises((RuntimeError, ValueError)):
        records([batch(source(0), source(1), source(2))], Forgetful())


# -- when records come -----------------------------------------------------------------------------------------------


def logged(batches: Iterable[Batch | None], log: list[str]) -> Iterator[Batch | None]:
    for each in batches:
        log.append("next")
        yield each


def test_several_batches_are_under_way_at_once() -> None:
    engine = FakeEngine(depth=3, ready=lambda number: False)
    given = records([batch(source(number)) for number in range(5)], engine)
    assert given == [expected(source(number)) for number in range(5)]
    assert engine.log[:4] == ["submit 0", "submit 1", "submit 2", "result 0"]


def test_what_is_finished_is_handed_on_before_more_is_asked_for() -> None:
    engine = FakeEngine(depth=3)
    batches = logged([batch(source(0)), None, batch(failure(1)), batch(source(2))], engine.log)
    for record in answer_each(batches, engine, answer):
        engine.log.append(record.source.file)
    assert [line for line in engine.log if not line.startswith(("submit", "result"))] == [
        *("next", "0.jpg", "next", "next", "1.jpg", "next", "2.jpg"),
    ]


def test_silence_of_the_inputs_hands_on_what_was_finished_meanwhile() -> None:
    engine = FakeEngine(depth=3, ready=lambda number: engine.log.count("next") >= 3)
    for record in answer_each(logged([batch(source(0)), None, None, None], engine.log), engine, answer):
        engine.log.append(record.source.file)
    assert engine.log == ["next", "submit 0", "next", "next", "result 0", "0.jpg", "next"]


def test_a_failure_does_not_overtake_a_photo_before_it() -> None:
    engine = FakeEngine(depth=3, ready=lambda number: False)
    inputs = [batch(source(0)), batch(failure(1)), None, batch(source(2))]
    assert [record.source for record in records(inputs, engine)] == [source(0), source(1), source(2)]


# -- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ready", [True, False])
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_an_error_of_the_inputs_is_raised_after_all_that_came_before(depth: int, ready: bool) -> None:
    def breaking() -> Iterator[Batch]:
        yield batch(source(0), failure(1))
        yield batch(source(2))
        yield batch(failure(3))
        raise OSError("the list broke off")

    given = []
    with pytest.raises(OSError, match="the list broke off"):
        for record in answer_each(breaking(), FakeEngine(depth=depth, ready=lambda number: ready), answer):
            given.append(record)
    assert given == [expected(entry) for entry in (source(0), failure(1), source(2), failure(3))]


def test_an_error_of_the_engine_is_raised_after_the_batches_before() -> None:
    class Breaking(FakeTicket):
        def result(self) -> Row:
            if self._number == 1:
                raise ModelError("the model failed")
            return super().result()

    class BreakingEngine(FakeEngine):
        def submit(self, pixels: NDArray[np.float32]) -> FakeTicket:
            ticket = super().submit(pixels)
            return Breaking(self, ticket._number, pixels)

    given = []
    with pytest.raises(ModelError, match="the model failed"):
        for record in answer_each([batch(source(number)) for number in range(3)], BreakingEngine(depth=3), answer):
            given.append(record)
    assert given == [expected(source(0))]
