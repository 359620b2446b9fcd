"""The one loop: batches in, records out, in input order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from resnext.engines import Engine, Ticket
from resnext.errors import InputError
from resnext.records import Batch, Failure, Source

Record = TypeVar("Record")
# One photo's arrays, by the names of the engine's outputs.
Row = dict[str, NDArray[np.float32]]


def answer_each(
    batches: Iterable[Batch | None], engine: Engine, answer: Callable[[Source, Row], Record]
) -> Iterator[Record | Failure]:
    """Give one record an input, in input order, as soon as it and all before it are ready.

    `answer` makes the record of a photo, or raises InputError. `batches` gives None when no input came for a while:
    finished records are then given at once.
    """
    for batch, ticket in _in_flight(batches, engine):
        arrays = ticket.result() if ticket is not None else {}
        if any(len(array) != len(batch.pixels) for array in arrays.values()):
            raise RuntimeError("the engine gave another number of rows than it got photos")
        rows = iter(range(len(batch.pixels)))
        for entry in batch.entries:
            if isinstance(entry, Failure):
                yield entry
                continue
            row = next(rows)
            try:
                yield answer(entry, {name: array[row] for name, array in arrays.items()})
            except InputError as error:
                yield Failure(entry, error.code, str(error))


def _in_flight(batches: Iterable[Batch | None], engine: Engine) -> Iterator[tuple[Batch, Ticket | None]]:
    """Keep the engine busy with up to `depth` batches; give the oldest when it is done or its place is needed."""
    pending: deque[tuple[Batch, Ticket | None]] = deque()
    running = 0
    fault: Exception | None = None
    try:
        for batch in batches:
            if batch is not None and len(batch.pixels):
                while running >= engine.depth:
                    oldest = pending.popleft()
                    running -= oldest[1] is not None
                    yield oldest
                pending.append((batch, engine.submit(batch.pixels)))
                running += 1
            elif batch is not None:
                pending.append((batch, None))
            while pending and (pending[0][1] is None or pending[0][1].done()):
                oldest = pending.popleft()
                running -= oldest[1] is not None
                yield oldest
    except Exception as raised:  # what came before it is under way, and is not lost
        fault = raised
    yield from pending
    if fault is not None:
        raise fault
