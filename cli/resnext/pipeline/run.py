"""One run: takes a frozen request, writes records, returns an exit code. Joins the rooms; knows no option.

All commands that read photos share this; a Job does what differs between them.
"""

import gc
import sys
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from resnext.console.interrupts import Interrupted, dying_of_signals, ending_on_signals
from resnext.console.terminal import say
from resnext.errors import ExitCode, OutputError, TooManyFailures, UsageError
from resnext.pipeline.inputs import MANY, are_few, count_of, inputs_of
from resnext.pipeline.start import import_ahead
from resnext.records import Failure
from resnext.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from resnext.console.terminal import ColorChoice, Notices
    from resnext.engines import Engine
    from resnext.outputs import DoneInputs
    from resnext.pipeline.loop import Row
    from resnext.pipeline.progress import RunProgress
    from resnext.records import Answer, Isolation, Source
    from resnext.shelf.shelf import ModelRequest, OpenedModel
    from resnext.sources.config import SourceConfig

_LOOK_SECONDS = 0.05  # how long it is waited for as many inputs as make a run one of many
_NO_ROW = "no row was written"
# The engine of the last run. To free it takes 15 ms, a twentieth of a start, and what comes next is the end of the
# process, which frees it at once. No object outlives a run until then, so it is the module that holds it.
_in_use: "list[Engine]" = []


class RunRequest(NamedTuple):
    """What every run is asked for. `frames` None is all of them; `max_errors` failures end the run.

    `workers` photos are decoded at once; None leaves that to the processors that there are. `inputs` were found before
    and stand in place of `paths`.
    """

    paths: tuple[str, ...]
    model: "ModelRequest"
    color: "ColorChoice"
    sources: "SourceConfig"
    frames: int | None
    max_megapixels: float
    exact: bool
    workers: int | None
    progress: bool
    summary_file: Path | None = None
    max_errors: int | None = None
    isolate: "Isolation" = "auto"
    inputs: "tuple[Source | Failure, ...] | None" = None


class Sink(Protocol):
    """Writes each record at once; what was written stays, however the run ends."""

    def write(self, record: "Answer | Failure") -> None: ...


class Job(Protocol):
    """What differs: how a photo's arrays become a record, and where records go. Made once the model is open."""

    verb: str  # what was done to a photo: "labelled"
    abstained_words: str  # of photos of which there is nothing to say: "below the threshold"; "" where there are none
    watched: bool  # whether people watch the records as they come, so that a bar would be in the way
    resumable: Path | None  # the file that --resume continues

    def prepare(self) -> "DoneInputs":
        """Read the output of an earlier run, and give the inputs that are done; locks the files, changes no content."""

    def abstained(self, record: "Answer") -> bool:
        """Tell whether there is nothing to say of a photo that worked."""

    def answer(self) -> "Callable[[Source, Row], Answer]":
        """Give the function that makes the record of a photo, or raises InputError."""

    def output(self) -> AbstractContextManager[Sink]:
        """Open the place for the records."""


def run(request: RunRequest, make_job: "Callable[[OpenedModel], Job]", notices: "Notices") -> ExitCode:
    """Answer every input of the request; return the exit code.

    Raises:
        ResnextError: the run could not start or continue; written records stay.
    """
    with ExitStack() as starting:
        starting.enter_context(dying_of_signals(f"interrupted; {_NO_ROW}"))
        return _run(request, make_job, notices, starting)


def _run(
    request: RunRequest, make_job: "Callable[[OpenedModel], Job]", notices: "Notices", starting: ExitStack
) -> ExitCode:
    from resnext.shelf.shelf import Shelf

    # Next the digests of the model are checked, which needs no interpreter: the importing thread gets all of it.
    import_ahead(openvino=request.model.engine == "openvino")
    few = are_few(request)
    model = Shelf(notices).open(request.model, few=few)
    # Most of it is compiled code, so imports and decoding run beside it. No daemon: the interpreter must not end in it.
    loads_now = few and request.model.engine == "openvino"
    loading = in_thread(lambda: model.load("latency"), name="engine") if loads_now else None
    from resnext.console.terminal import use_color
    from resnext.images import resources
    from resnext.images.loading import Decoding, decoders
    from resnext.outputs import ReaderGone
    from resnext.pipeline import loop
    from resnext.pipeline.look_ahead import LookAhead
    from resnext.pipeline.progress import RunProgress
    from resnext.sources.skipped import SkippedFiles

    job = make_job(model)
    done = job.prepare()
    passed_over = SkippedFiles()
    decoding = Decoding(model.preprocessing, request.exact, request.max_megapixels)
    workers = request.workers or resources.processors()
    # Decoding begins now, while the engine loads.
    with (
        decoders(decoding, model.transform, isolated=request.isolate == "always", workers=workers) as load,
        LookAhead(
            done.remaining(inputs_of(request, load.frame_count, passed_over)), load, workers=workers
        ) as look_ahead,
    ):
        gc.freeze()  # what is loaded stays: the collector need not walk through it again and again
        answer = job.answer()
        many = look_ahead.at_least(MANY, _LOOK_SECONDS)
        if loading and (request.model.tuning or not many):
            engine = loading.result()
        else:
            engine = model.load("throughput" if many else "latency")
        _in_use[:] = [engine]
        notices.detail(
            f"{model.name}, weights sha256:{model.weights_digest[:16]}{_origin_of(model)}; computed by"
            f" {request.model.engine} in {engine.precision}, {engine.batch_size} a batch; {workers} decoded at once"
            f"{', each in a process of its own' if request.isolate == 'always' else ''}; {done.count} done before"
        )
        records = loop.answer_each(look_ahead.batches(engine.batch_size), engine, answer)
        bar = request.progress and sys.stderr.isatty() and not job.watched
        progress = RunProgress(
            bar=bar,
            lines=request.progress and not sys.stderr.isatty(),
            color=use_color(sys.stderr, request.color),
            total=count_of(request, look_ahead, done.count) if bar else look_ahead.total,
            passed_over=lambda: str(passed_over),
            skipped=lambda: done.skipped,
            changed=lambda: done.changed,
            verb=job.verb,
            abstained=job.abstained,
            abstained_words=job.abstained_words,
        )
        starting.close()  # from here on there is something to lose
        try:
            with (
                ending_on_signals(),
                concluding(request, model.name, progress, notices),
                job.output() as out,
                progress,
            ):
                for record in records:
                    out.write(record)
                    progress.count(record)
                    _check_failures(record, progress, request.max_errors)
        except ReaderGone:
            return ExitCode.OK
        except Interrupted as interrupt:
            interrupt.kept = kept_words(done.count + progress.done, job.resumable)
            raise
    if not progress.done and not done.skipped:
        if request.sources.shard is None:
            raise UsageError("nothing to do: the list is empty")
        notices.info(f"no input is in shard {request.sources.shard}")  # of few inputs many shards get none
    return ExitCode.SOME_FAILED if progress.failures else ExitCode.OK


def _origin_of(model: "OpenedModel") -> str:
    return f" from {model.compiled.weights_origin}" if model.compiled is not None else ""


def kept_words(rows: int, file: Path | None) -> str:
    """Say how many rows an interrupted run has written, and how to continue it."""
    if not rows:
        return _NO_ROW
    if file is None:
        return f"{rows:,} {'row was' if rows == 1 else 'rows were'} written"
    return f"{rows:,} {'row is' if rows == 1 else 'rows are'} in {file}; the same line with --resume goes on"


def list_inputs(request: RunRequest, done: "DoneInputs", *, as_json: bool) -> ExitCode:
    """`--dry-run`: list on stdout the inputs that the run would read, without those that are `done`. Loads no model.

    A line is the path; control characters in it, such as a line break, are escaped. JSON Lines have the exact name.
    """
    from resnext.outputs import ReaderGone, Stdout
    from resnext.outputs.writers.lines import listed
    from resnext.sources import without_missing

    stdout = Stdout()
    stdout.check()
    failed = False
    try:
        with _frame_counter(request) as frame_count:
            for item in without_missing(done.remaining(inputs_of(request, frame_count))):
                failed |= isinstance(item, Failure)
                stdout.write(listed(item, as_json=as_json, terminal=stdout.is_terminal))
                if isinstance(item, Failure):
                    say(f"{item.source.file}: {item.message}")
    except ReaderGone:
        stdout.abandon()
        return ExitCode.OK
    return ExitCode.SOME_FAILED if failed else ExitCode.OK


@contextmanager
def _frame_counter(request: RunRequest) -> "Iterator[Callable[[Source], int]]":
    """Give what counts the frames of a file, where the request has them decoded; for one frame each it is not asked."""
    if request.frames == 1:
        yield lambda source: 1
        return
    from resnext.images.loading import Decoding, decoders
    from resnext.images.preprocess import from_pretrained_cfg

    decoding = Decoding(from_pretrained_cfg({}), max_megapixels=request.max_megapixels)  # of no model: none is decoded
    with decoders(decoding, None, isolated=request.isolate == "always", workers=1) as load:
        yield load.frame_count


@contextmanager
def concluding(request: RunRequest, model: str, progress: "RunProgress", notices: "Notices") -> "Iterator[None]":
    """At the end of the run, also by an error: say the figures of the run, and write the summary file."""
    from resnext.outputs import ReaderGone
    from resnext.pipeline.progress import report

    def conclude(complete: bool, tell: bool) -> None:
        if tell:
            report(progress, notices)
        if request.summary_file is not None:
            from resnext.outputs.summary import write_summary

            write_summary(request.summary_file, {"model": model, "complete": complete, **progress.figures()})

    try:
        yield
    except BaseException as error:
        with suppress(OutputError):  # the first reason is the one to tell
            conclude(complete=False, tell=not isinstance(error, OutputError | ReaderGone | Interrupted))
        raise
    conclude(complete=True, tell=True)


def _check_failures(record: "Answer | Failure", progress: "RunProgress", max_errors: int | None) -> None:
    if max_errors is not None and isinstance(record, Failure) and progress.failures.total() >= max_errors:
        which = "the first failure" if max_errors == 1 else f"{max_errors} failures, the last"
        raise TooManyFailures(f"stopped at {which}: {record.source.file}: {record.code}: {record.message}")
