"""One run of `classify`: a frozen request in, rows out, an exit code back. Joins the rooms; knows no option."""

import gc
import hashlib
import json
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from resnext.errors import ExitCode, OutputError, TooManyFailures, UsageError
from resnext.records import Classified, Failure
from resnext.terminal import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from resnext.batches import LookAhead
    from resnext.output import OutputRequest, ResultFile, Settings, Stdout
    from resnext.progress import RunProgress
    from resnext.records import Label, PredictionConfig, Source
    from resnext.shelf import ModelRequest, OpenedModel
    from resnext.sources import SourceConfig
    from resnext.terminal import ColorChoice, Notices
    from resnext.writers import LabelType, Writer

# From this many inputs on, throughput pays for its slower start; they are looked for no longer than this.
_MANY = 16
_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class ClassifyRequest:
    """All that one run was asked for."""

    paths: tuple[str, ...]
    model: "ModelRequest"
    labels: Path | None
    prediction: "PredictionConfig"
    label_type: "LabelType"
    output: "OutputRequest"
    color: "ColorChoice"
    sources: "SourceConfig"
    frames: int | None
    max_megapixels: float
    exact: bool
    workers: int
    progress: bool


def run(request: ClassifyRequest, notices: "Notices") -> ExitCode:
    """Label every input of the request; gives the exit code.

    Raises:
        ResnextError: the run could not begin or go on; rows that were written stay.
    """
    from resnext.shelf import Shelf

    model = Shelf(notices).open(request.model)
    from resnext import pipeline
    from resnext.batches import LookAhead
    from resnext.labels import read_labels
    from resnext.loading import loader
    from resnext.output import Output, ReaderGone
    from resnext.predictions import predict
    from resnext.progress import RunProgress
    from resnext.terminal import use_color

    own_labels = read_labels(request.labels, model.num_classes) if request.labels else None
    target = request.output.target()
    done = target.prepare(_settings(model, own_labels, request))
    sources = done.remaining(_inputs(request))
    load = loader(model.preprocessing, exact=request.exact, max_megapixels=request.max_megapixels)
    # Decoding begins now, in threads, while the engine loads.
    with LookAhead(sources, load, input_size=model.preprocessing.input_size, workers=request.workers) as look_ahead:
        labels = own_labels or model.labels()
        gc.freeze()  # what is loaded stays: the collector need not walk through it again and again
        engine = model.load(look_ahead.at_least(_MANY, _LOOK_SECONDS))
        records = pipeline.answer_each(
            look_ahead.batches(engine.batch_size),
            engine,
            lambda source, row: Classified(source, predict(row["logits"], labels, request.prediction)),
        )
        rows_are_watched = request.output.path is None and sys.stdout.isatty()
        bar = request.progress and sys.stderr.isatty() and not rows_are_watched
        progress = RunProgress(
            bar=bar,
            color=use_color(sys.stderr, request.color),
            total=_total(request, look_ahead, done.count) if bar else look_ahead.total,
            skipped=lambda: done.skipped,
        )
        make_writer = _writer_maker(model, target, request)
        try:
            with _concluding(request, model.name, progress, notices), Output(target, make_writer) as out, progress:
                for record in records:
                    out.write(record)
                    progress.count(record)
                    _check_failures(record, progress, request.output.max_errors)
        except ReaderGone:
            return ExitCode.OK
    if not progress.done and not done.skipped:
        raise UsageError("nothing to do: the list is empty")
    return ExitCode.SOME_FAILED if progress.failures else ExitCode.OK


def list_inputs(request: ClassifyRequest, *, as_json: bool) -> ExitCode:
    """`--dry-run`: list on stdout what the run would read, without a model; with --resume, what is left to do.

    A line is the path as it is; a name with a line break or other controls in it is escaped, and exact in JSON Lines.
    """
    from resnext.output import ReaderGone, Stdout
    from resnext.writers.listing import listed

    stdout = Stdout()
    stdout.check()
    failed = False
    done = request.output.target().prepare(None)
    try:
        for item in done.remaining(_inputs(request)):
            failed |= isinstance(item, Failure)
            stdout.write(listed(item, as_json=as_json, terminal=stdout.is_terminal))
            if isinstance(item, Failure):
                say(f"{item.source.file}: {item.message}")
    except ReaderGone:
        stdout.abandon()
        return ExitCode.OK
    return ExitCode.SOME_FAILED if failed else ExitCode.OK


def _total(request: ClassifyRequest, look_ahead: "LookAhead", done_before: int) -> "Callable[[], int | None]":
    """How to tell the number of inputs that are left: as soon as it is known, without waiting for it."""
    from resnext.sources.counting import InputCount

    counted = InputCount(request.paths, request.sources) if request.frames == 1 else None

    def total() -> int | None:
        found = look_ahead.total()
        if found is not None or counted is None:
            return found
        all_inputs = counted.total()
        return None if all_inputs is None else max(0, all_inputs - done_before)

    return total


@contextmanager
def _concluding(request: ClassifyRequest, model: str, progress: "RunProgress", notices: "Notices") -> "Iterator[None]":
    """Whatever ends the run: say how it went, and write the summary file."""
    from resnext.output import ReaderGone, write_summary
    from resnext.progress import report

    def conclude(complete: bool, tell: bool) -> None:
        if tell:
            report(progress, notices, wanted=sys.stderr.isatty() and progress.done > 1)
        if request.output.summary_file is not None:
            write_summary(request.output.summary_file, {"model": model, "complete": complete, **progress.figures()})

    try:
        yield
    except BaseException as error:
        with suppress(OutputError):  # the first reason is the one to tell
            conclude(complete=False, tell=not isinstance(error, OutputError | ReaderGone))
        raise
    conclude(complete=True, tell=True)


def _check_failures(record: "Classified | Failure", progress: "RunProgress", max_errors: int | None) -> None:
    if max_errors is not None and isinstance(record, Failure) and progress.failures.total() >= max_errors:
        which = "the first failure" if max_errors == 1 else f"{max_errors} failures, the last"
        raise TooManyFailures(f"stopped at {which}: {record.source.file}: {record.code}: {record.message}")


def _settings(model: "OpenedModel", labels: "tuple[Label, ...] | None", request: ClassifyRequest) -> "Settings":
    """What the content of the rows depends on: a run that goes on with them must have the same."""
    from resnext.output import Settings

    names = json.dumps([label.name for label in labels]).encode() if labels else None
    return Settings(
        "classify",
        {
            "--format": request.output.format,
            "--model": model.name,
            "weights": f"sha256:{model.weights_digest[:32]}",
            "--labels": f"sha256:{hashlib.sha256(names).hexdigest()[:32]}" if names else None,
            "--engine": request.model.engine,
            "--precision": request.model.precision,
            "--exact": request.exact,
            "--top-k": min(request.prediction.top_k, model.num_classes),
            "--threshold": request.prediction.threshold,
            "--output-type": request.prediction.output_type,
            "--label-type": request.label_type,
            "--frames": request.frames,
            "--template": request.output.template or None,
        },
    )


def _inputs(request: ClassifyRequest) -> "Iterator[Source | Failure]":
    """What was named, and where more than the first frame is asked for, each frame of it."""
    from resnext.sources import find

    found = find(request.paths, request.sources)
    if request.frames == 1:
        return found
    from resnext.decode import DecodeConfig
    from resnext.frames import each_frame

    return each_frame(found, request.frames, DecodeConfig(0, request.max_megapixels))


def _writer_maker(
    model: "OpenedModel", target: "ResultFile | Stdout", request: ClassifyRequest
) -> "Callable[[TextIO], Writer]":
    from resnext.output import terminal_width
    from resnext.terminal import use_color
    from resnext.writers import WRITERS, OutputConfig

    config = OutputConfig(
        model=model.name,
        top_k=min(request.prediction.top_k, model.num_classes),
        label_type=request.label_type,
        output_type=request.prediction.output_type,
        terminal=target.is_terminal,
        color=use_color(sys.stdout, request.color) and request.output.path is None,
        width=terminal_width(),
        template=request.output.template,
    )
    return lambda stream: WRITERS[target.format](stream, config)
