"""`resnext classify`: photos in, labels out."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, get_args

import typer

from resnext import options
from resnext.errors import ExitCode, UsageError, report_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from resnext.batches import Load
    from resnext.predictions import PredictionConfig
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
    format: str
    output: Path | None
    overwrite: bool
    color: "ColorChoice"
    sources: "SourceConfig"
    max_megapixels: float
    exact: bool
    workers: int
    progress: bool


def classify(
    paths: options.Paths = None,
    model: options.Model = "auto",
    top_k: options.TopK = 5,
    threshold: options.Threshold = 0.0,
    label_type: options.LabelTypeOption = "name",
    format: options.Format = None,
    json: options.Json = False,
    output: options.Output = None,
    overwrite: options.Overwrite = False,
    weights: options.Weights = None,
    labels: options.Labels = None,
    offline: options.Offline = False,
    exact: options.Exact = False,
    precision: options.PrecisionOption = "auto",
    engine: options.EngineOption = "openvino",
    device: options.Device = "cpu",
    batch_size: options.BatchSize = None,
    workers: options.Workers = None,
    files_from: options.FilesFrom = None,
    null: options.Null = False,
    column: options.Column = None,
    timeout: options.Timeout = 30.0,
    retries: options.Retries = 2,
    max_file_size: options.MaxFileSize = 100.0,
    exclude_dir: options.ExcludeDir = None,
    include_hidden: options.IncludeHidden = False,
    max_image_megapixels: options.MaxMegapixels = 200.0,
    color: options.Color = "auto",
    no_progress: options.NoProgress = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    debug: options.Debug = False,
) -> None:
    """Label photos: the best ImageNet classes of each, with their probabilities.

    One row an input, in the order given, also for a file that can't be read. Exit status: 0 all labelled, 1 some
    inputs failed, 2 wrong usage, 3 could not run.
    """
    with report_errors(debug):
        from resnext.engines import EngineName, Precision
        from resnext.output import check_output, choose_format
        from resnext.predictions import PredictionConfig
        from resnext.shelf import ModelRequest
        from resnext.sources import SourceConfig, check
        from resnext.sources.folders import DEFAULT_EXCLUDED_DIRS, FolderConfig
        from resnext.sources.lists import ListConfig
        from resnext.terminal import ColorChoice, Notices
        from resnext.writers import WRITERS, LabelType

        if json and format not in (None, "jsonl"):
            raise UsageError(f"--json and --format {format} contradict each other")
        chosen_precision: Precision = _one_of("--precision", precision, get_args(Precision))
        if exact and chosen_precision == "bf16":
            raise UsageError("--exact and --precision bf16 contradict each other")
        sources = SourceConfig(
            folders=FolderConfig(frozenset([*DEFAULT_EXCLUDED_DIRS, *(exclude_dir or ())]), include_hidden),
            files_from=tuple(files_from or ()),
            lists=ListConfig(null=null, column=column),
            timeout=timeout,
            retries=retries,
            max_bytes=int(max_file_size * 1e6),
            offline=offline,
        )
        request = ClassifyRequest(
            paths=tuple(paths or ()),
            model=ModelRequest(
                model=model,
                weights=weights,
                engine=_one_of("--engine", engine, get_args(EngineName)),
                device=device,
                precision="fp32" if exact else chosen_precision,
                batch_size=batch_size,
                offline=offline,
            ),
            labels=labels,
            prediction=PredictionConfig(top_k=top_k, threshold=threshold),
            label_type=_one_of("--label-type", label_type, get_args(LabelType)),
            format=choose_format("jsonl" if json else format, output),
            output=output,
            overwrite=overwrite,
            color=_one_of("--color", color, get_args(ColorChoice)),
            sources=check(tuple(paths or ()), sources),
            max_megapixels=max_image_megapixels,
            exact=exact,
            workers=workers or os.cpu_count() or 1,
            progress=not (no_progress or quiet),
        )
        _one_of("--format", request.format, tuple(WRITERS))
        check_output(output, overwrite)
        code = run(request, Notices(quiet=quiet, verbose=verbose))
    raise typer.Exit(int(code))


def run(request: ClassifyRequest, notices: "Notices") -> ExitCode:
    """Label every input of the request; gives the exit code.

    Raises:
        ResnextError: the run could not begin or go on; rows that were written stay.
    """
    from resnext import pipeline
    from resnext.batches import LookAhead
    from resnext.labels import read_labels
    from resnext.output import Output, ReaderGone
    from resnext.predictions import predict
    from resnext.progress import RunProgress, report
    from resnext.shelf import Shelf
    from resnext.sources import find
    from resnext.terminal import use_color

    model = Shelf(notices).open(request.model)
    sources = find(request.paths, request.sources)
    load = _loader(model, request)
    # Decoding begins now, in threads, while the engine loads.
    with LookAhead(sources, load, input_size=model.preprocessing.input_size, workers=request.workers) as look_ahead:
        labels = read_labels(request.labels, model.num_classes) if request.labels else model.labels()
        engine = model.load(look_ahead.at_least(_MANY, _LOOK_SECONDS))
        records = pipeline.classify(
            look_ahead.batches(engine.batch_size), engine, lambda logits: predict(logits, labels, request.prediction)
        )
        people_watch = sys.stderr.isatty()
        rows_are_watched = request.output is None and sys.stdout.isatty()
        progress = RunProgress(
            bar=request.progress and people_watch and not rows_are_watched,
            color=use_color(sys.stderr, request.color),
            total=look_ahead.total,
        )
        try:
            with Output(request.output, request.overwrite, _writer_maker(model, request)) as out, progress:
                for record in records:
                    out.write(record)
                    progress.count(record)
        except ReaderGone:
            return ExitCode.OK
    if not progress.done:
        raise UsageError("nothing to do: the list is empty")
    report(progress, notices, wanted=people_watch and progress.done > 1)
    return ExitCode.SOME_FAILED if progress.failures else ExitCode.OK


def _loader(model: "OpenedModel", request: ClassifyRequest) -> "Load":
    """Source -> pixels for this model: decoding, then preprocessing."""
    from resnext import preprocess
    from resnext.decode import DecodeConfig, decode

    config = model.preprocessing
    if preprocess.is_supported(config):
        transform = preprocess.transform_for(config)
        shorter_side = preprocess.resize_target(config)
    else:
        from resnext.engines.timm_models import timm_transform

        transform = timm_transform(config)
        shorter_side = 0
    decoding = DecodeConfig(0 if request.exact else shorter_side, request.max_megapixels)
    return lambda source: transform(decode(source, decoding))


def _writer_maker(model: "OpenedModel", request: ClassifyRequest) -> "Callable[[TextIO], Writer]":
    from resnext.output import terminal_width
    from resnext.terminal import use_color
    from resnext.writers import WRITERS, OutputConfig

    config = OutputConfig(
        model=model.name,
        top_k=min(request.prediction.top_k, model.num_classes),
        label_type=request.label_type,
        color=use_color(sys.stdout, request.color) and request.output is None,
        width=terminal_width(),
    )
    return lambda stream: WRITERS[request.format](stream, config)


def _one_of(option: str, value: str, allowed: tuple[Any, ...]) -> Any:
    """Check a choice; Typer's enums would need a class for every Literal that the rooms already have."""
    if value not in allowed:
        raise UsageError(f"{option} {value}: not one of {', '.join(allowed)}")
    return value
