"""The driver: lists the inputs, hands out shards, counts what comes back. Its memory does not grow with the inputs."""

import importlib.util
import os
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from resnext.console.interrupts import Interrupted, dying_of_signals, ending_on_signals
from resnext.console.terminal import Notices, use_color
from resnext.errors import ExitCode, OutputError, TooManyFailures, UsageError
from resnext.outputs.parts import PartFolder
from resnext.outputs.parts.manifest import Manifest, check_settings, clear, sweep
from resnext.pipeline.cluster.casualties import Case
from resnext.pipeline.cluster.cut import InputShard, cut, usual_size
from resnext.pipeline.cluster.worker import Broken, Done, PartJob, WorkOrder
from resnext.pipeline.progress import RunProgress
from resnext.pipeline.run import RunRequest, concluding
from resnext.sources import find
from resnext.sources.counting import InputCount
from resnext.sources.skipped import SkippedFiles
from resnext.store.entries import GRAPH_WEIGHTS, files_of

if TYPE_CHECKING:
    from resnext.pipeline.cluster.machines import Machines
    from resnext.shelf.shelf import OpenedModel

_LISTED_AHEAD = 4  # shards
_WAIT_SECONDS = 0.2


class ClusterRequest(NamedTuple):
    """How the work is spread. `cores_per_worker` None: one worker a machine; `shard_size` None: a minute's work."""

    address: str
    cores_per_worker: int | None
    shard_size: int | None
    shard_retries: int


def run_on_cluster(
    request: ClusterRequest, run: RunRequest, make_job: "Callable[[OpenedModel], PartJob]", output: PartFolder,
    earlier: Manifest | None, *, overwrite: bool, notices: Notices,
) -> ExitCode:  # fmt: skip
    """Answer every input of the request on a cluster; return the exit code. `earlier`: what is gone on with.

    Raises:
        ResnextError: the run could not start or continue; parts that were put in place stay.
    """
    with dying_of_signals("interrupted; no row was written"):
        from resnext.shelf.shelf import Shelf

        if importlib.util.find_spec("ray") is None:
            raise UsageError("--cluster needs Ray: pip install 'resnext[ray]'")
        # All parts are computed in one way: a photo's numbers must not depend on its shard.
        run = run._replace(model=run.model._replace(tuning="throughput"), sources=run.sources._replace(elsewhere=True))
        model = Shelf(notices).open(run.model)
        if model.compiled is None:
            raise UsageError("--cluster needs --engine openvino")
        job = make_job(model)
        size = request.shard_size or (earlier.shard_size if earlier is not None else None)
        cores = request.cores_per_worker or os.cpu_count() or 1
        manifest = Manifest(job.settings, size or usual_size(model.compiled.folder / GRAPH_WEIGHTS, cores))
        if earlier is not None:
            check_settings(output, earlier, manifest)
        order = WorkOrder(
            job, run, model.name, model.compiled.provenance, model.compiled.digest, output,
            resume=earlier is not None, folder=str(Path.cwd()), cores=1,
        )  # fmt: skip
        from resnext.pipeline.cluster.machines import Machines

        machines = Machines(request.address, request.cores_per_worker, order, files_of(model.compiled), notices)
    try:
        output.make()
        sweep(output)
        if overwrite:
            clear(output, 0)  # before the manifest: what it says must be true of the parts that there are
        manifest.write(output)
        return Handout(request, run, job, model.name, manifest, output, machines, notices).go()
    finally:
        machines.close()


class Handout:
    """Hands out the shards of one run to machines, and counts what comes back. Call `go`."""

    def __init__(
        self, request: ClusterRequest, run: RunRequest, job: PartJob, model: str, manifest: Manifest,
        output: PartFolder, machines: "Machines", notices: Notices,
    ) -> None:  # fmt: skip
        self._request, self._run, self._job, self._model = request, run, job, model
        self._manifest, self._output, self._machines, self._notices = manifest, output, machines, notices
        self._passed_over = SkippedFiles()
        self._shards = _Ahead(cut(find(run.paths, run.sources, self._passed_over), manifest.shard_size))
        self._due: deque[Case] = deque()  # those that must be tried again
        self._under_way = self._parts = self._rows = self._skipped = self._changed = 0
        self._counted = InputCount(run.paths, run.sources) if run.frames == 1 and sys.stderr.isatty() else None
        self._progress = RunProgress(
            bar=run.progress and sys.stderr.isatty(),
            lines=run.progress and not sys.stderr.isatty(),
            color=use_color(sys.stderr, run.color),
            total=self._total,
            passed_over=lambda: str(self._passed_over),
            skipped=lambda: self._skipped,
            changed=lambda: self._changed,
            verb=job.verb,
            abstained=job.abstained,
            abstained_words=job.abstained_words,
            also=lambda: f"{self._parts} shards, {machines.ready} workers",
        )

    def _total(self) -> int | None:
        inputs = self._counted.total() if self._counted is not None else None
        return None if inputs is None else max(0, inputs - self._skipped)

    def go(self) -> ExitCode:
        """Do all shards; gives the exit code."""
        progress = self._progress
        try:
            with ending_on_signals(), concluding(self._run, self._model, progress, self._notices), progress:
                while self._step():
                    progress.show()
                if self._parts:
                    clear(self._output, self._parts)  # of an earlier run with more inputs
                    failed = progress.failures.total()
                    self._manifest._replace(complete=True, parts=self._parts, rows=self._rows, failed=failed).write(
                        self._output
                    )
        except Interrupted as interrupt:
            if self._parts:
                interrupt.kept = (
                    f"{self._parts:,} parts are in {self._output.name}; the same line with --resume goes on"
                )
            else:
                interrupt.kept = "no part was finished"
            raise
        finally:
            self._shards.close()
        if not self._parts:
            raise UsageError("nothing to do: the list is empty")
        return ExitCode.SOME_FAILED if progress.failures else ExitCode.OK

    def _step(self) -> bool:
        """Hand out what there is to do, and take what is done; False at the end."""
        while self._machines.idle and (case := self._next()) is not None:
            self._machines.give(case)
            self._under_way += 1
        for case, result in self._machines.outcomes(_WAIT_SECONDS):
            self._under_way -= 1
            self._take(case, result)
        return bool(self._under_way or self._due or not self._shards.ended)

    def _next(self) -> Case | None:
        if self._due:
            return self._due.popleft()
        shard = self._shards.next()
        return None if shard is None else Case(shard, self._request.shard_retries)

    def _take(self, case: Case, result: "Done | Broken | None") -> None:
        if isinstance(result, Broken):
            raise OutputError(result.reason)
        whole = case.trial.end is None
        if result is None:
            self._notices.detail(f"{case.shard.part} is given back: its worker died")
            case.died()
        else:
            case.survived()
        if result is None or not whole:
            self._due.append(case)
            return
        self._notices.detail(f"{case.shard.part}: {result.rows} rows in {result.seconds:.1f} s")
        self._parts += 1
        self._rows += result.rows
        self._skipped += result.skipped
        self._changed += result.changed
        self._progress.add(result.rows - result.skipped, result.abstained, result.failures)
        limit, failed = self._run.max_errors, self._progress.failures.total()
        if limit is not None and failed >= limit:
            raise TooManyFailures(f"stopped at {failed} failures; what is done stays, and --resume goes on with it")


class _Ahead:
    """Lists in a thread, a few shards ahead: a walk through folders or a slow pipe keeps no worker waiting."""

    def __init__(self, shards: Iterator[InputShard]) -> None:
        self._shards = shards
        self._queue: queue.Queue[InputShard | BaseException | None] = queue.Queue(_LISTED_AHEAD)
        self._closed = threading.Event()
        self.ended = False
        threading.Thread(target=self._list, name="sources", daemon=True).start()

    def next(self) -> InputShard | None:
        """Give the next shard; None where there is none now. Raises what ended the listing."""
        if self.ended:
            return None
        try:
            item = self._queue.get_nowait()
        except queue.Empty:
            return None
        if item is None:
            self.ended = True
            return None
        if isinstance(item, BaseException):
            self.ended = True
            raise item
        return item

    def close(self) -> None:
        """Stop listing."""
        self._closed.set()

    def _list(self) -> None:
        end: BaseException | None = None
        try:
            for shard in self._shards:
                if not self._put(shard):
                    return
        except BaseException as error:  # raised where the driver reads
            end = error
        self._put(end)

    def _put(self, item: InputShard | BaseException | None) -> bool:
        while not self._closed.is_set():
            try:
                self._queue.put(item, timeout=_WAIT_SECONDS)
                return True
            except queue.Full:
                continue
        return False
