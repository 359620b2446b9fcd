"""What runs on the machines: opens the model once, then does shards, each as the plain command would.

Ray makes an actor of the class; nothing here knows of Ray. What fails comes back as a value, in words: an exception
would have to be understood by the other side.
"""

import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from resnext import __version__
from resnext.console.terminal import Notices
from resnext.errors import FailureCode, ResnextError
from resnext.outputs.done import changed_at
from resnext.outputs.parts import PartFolder
from resnext.outputs.parts.manifest import PartRecord, read_record, record_name
from resnext.outputs.run_note import RunNote, Settings, write_note
from resnext.outputs.writers.rows import exact_name
from resnext.pipeline.cluster.casualties import Trial
from resnext.pipeline.cluster.cut import InputShard
from resnext.pipeline.inputs import each_input
from resnext.pipeline.run import Job, RunRequest
from resnext.records import Failure, Source
from resnext.sources.tars import unpacked
from resnext.store.entries import Provenance, installed_version

if TYPE_CHECKING:
    from resnext.records import Answer
    from resnext.shelf.shelf import OpenedModel

_INDEX = ".jsonl"  # what features have beside a .npy
_DIED = "the worker that reads it dies of it, each time that it is tried"


class PartJob(Job, Protocol):
    """A Job that can be pickled, and be done in parts on other machines."""

    @property
    def ending(self) -> str:
        """How a part's name ends: ".jsonl"."""

    @property
    def settings(self) -> Settings: ...

    def part(self, model: "OpenedModel", path: Path, *, resume: bool) -> "PartJob":
        """The same job, of one part that is written to a local path."""


class WorkOrder(NamedTuple):
    """All that a worker must know before its first shard: small, frozen, and it can be pickled.

    The entry of the store that has these two keys is `model`; `folder` is where the driver was started.
    """

    job: PartJob
    run: RunRequest
    model: str
    provenance: Provenance
    digest: str
    output: PartFolder
    resume: bool
    folder: str
    cores: int


class Done(NamedTuple):
    """What became of a shard. `rows` are all of its part, `skipped` of them were there before.

    `changed` were there too, and are done again.
    """

    rows: int = 0
    skipped: int = 0
    changed: int = 0
    abstained: int = 0
    failures: Mapping[str, int] = {}
    seconds: float = 0.0


class Broken(NamedTuple):
    """Why a worker can't go on, in one line."""

    reason: str


def versions() -> dict[str, str]:
    """What must be the same on all machines, or the same photo might get another row."""
    return {"resnext": __version__, "openvino": installed_version("openvino")}


class Worker:
    """One process of a machine, with some of its cores. Call `versions`, `start`, then `do` for each shard."""

    def versions(self) -> dict[str, str]:
        return versions()

    def start(self, order: WorkOrder, entry: Mapping[str, bytes]) -> Broken | None:
        """Put the model into this machine's store, unless it is there, and open it."""
        try:
            self._start(order, entry)
        except ResnextError as error:
            return Broken(str(error))
        return None

    def do(self, trial: Trial) -> Done | Broken:
        """Do a shard and put its part in place; or try some of its inputs and keep nothing of them."""
        begin = time.monotonic()
        try:
            if trial.end is None:
                done = self._part(trial.shard, _without(trial))
            else:
                done = Done()
                for _ in self._records(self._inputs(_without(trial)[trial.first : trial.end])):
                    pass
        except ResnextError as error:
            return Broken(str(error))
        return done._replace(seconds=time.monotonic() - begin)

    # -- the model ---------------------------------------------------------------------------------------------------

    def _start(self, order: WorkOrder, entry: Mapping[str, bytes]) -> None:
        from resnext.images import resources
        from resnext.images.loading import Decoding, decoders
        from resnext.shelf.shelf import Shelf
        from resnext.store.store import Store, cache_root

        try:
            os.chdir(order.folder)
        except OSError:  # a name is then found nowhere, rather than be that of another file
            os.chdir(tempfile.mkdtemp(prefix="resnext-"))
        store = Store(cache_root())
        compiled = store.adopt(order.provenance, order.digest, entry)
        run = order.run
        # With all the cores of the machine as the plain command does it.
        threads = order.cores if order.cores < resources.processors() else None
        self._order = order
        self._model = Shelf(Notices(quiet=True), store).open_adopted(
            order.model, compiled, run.model._replace(threads=threads)
        )
        self._engine = self._model.load("throughput")
        self._answer = order.job.part(self._model, Path(f"part{order.job.ending}"), resume=False).answer()
        self._decoding_threads = run.workers or order.cores
        decoding = Decoding(self._model.preprocessing, run.exact, run.max_megapixels)
        self._open = ExitStack()
        self._load = self._open.enter_context(
            decoders(
                decoding,
                self._model.transform,
                isolated=run.isolate == "always",
                workers=self._decoding_threads,
            )
        )

    # -- a shard -----------------------------------------------------------------------------------------------------

    def _part(self, shard: InputShard, items: list[Source | Failure]) -> Done:
        order, name, began = self._order, f"{shard.part}{self._order.job.ending}", time.time()
        record = read_record(order.output, shard.part) if order.resume else None
        if record is not None and record.digest != shard.digest:
            record = None  # of other inputs: some came or went before it
        if record is not None and not record.failed and not _changed(shard, record.began):
            return Done(record.rows, record.rows)
        with tempfile.TemporaryDirectory(prefix="resnext-") as scratch:
            path = Path(scratch) / name
            resume = record is not None and order.output.get(name, path)
            if record is not None and resume:
                order.output.get(name + _INDEX, path.with_name(name + _INDEX))
                write_note(path, RunNote(order.job.settings, "ended", record.began))
            done = self._write(order.job.part(self._model, path, resume=resume), items)
            order.output.remove(record_name(shard.part))
            for file in sorted(Path(scratch).iterdir()):
                if not file.name.endswith(".run.json"):
                    order.output.put(file.name, file)
        PartRecord(shard.digest, done.rows, sum(done.failures.values()), began).write(order.output, shard.part)
        return done

    def _write(self, job: PartJob, items: list[Source | Failure]) -> Done:
        earlier = job.prepare()
        failures: Counter[str] = Counter()
        rows = abstained = 0
        with job.output() as out:
            for record in self._records(earlier.remaining(self._inputs(items))):
                out.write(record)
                rows += 1
                if isinstance(record, Failure):
                    failures[str(record.code)] += 1
                else:
                    abstained += job.abstained(record)
        return Done(rows + earlier.count, earlier.count, earlier.changed, abstained, failures)

    def _inputs(self, items: list[Source | Failure]) -> Iterator[Source | Failure]:
        return each_input(unpacked(items), self._order.run, self._load.frame_count)

    def _records(self, items: Iterable[Source | Failure]) -> "Iterator[Answer | Failure]":
        from resnext.pipeline import loop
        from resnext.pipeline.look_ahead import LookAhead

        with LookAhead(items, self._load, workers=self._decoding_threads) as look_ahead:
            yield from loop.answer_each(look_ahead.batches(self._engine.batch_size), self._engine, self._answer)


def _without(trial: Trial) -> list[Source | Failure]:
    """The shard's inputs, a Failure in the place of each that is condemned."""
    return [
        Failure(item, FailureCode.WORKER_DIED, _DIED)
        if number in trial.condemned and isinstance(item, Source)
        else item
        for number, item in enumerate(trial.shard.items)
    ]


def _changed(shard: InputShard, since: float) -> bool:
    """Whether one of the shard's inputs changed after a time, in seconds since 1970."""
    return any(changed_at(exact_name(item.file)) > since for item in shard.items if isinstance(item, Source))
