"""One run of `classify`: a frozen request in, rows out, an exit code back. Joins the rooms; knows no option."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from resnext.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from resnext.batches import Load
    from resnext.predictions import PredictionConfig
    from resnext.shelf import ModelRequest, OpenedModel
    from resnext.sources.folders import FolderConfig
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
    folders: "FolderConfig"
    max_megapixels: float
    exact: bool
    workers: int
    progress: bool


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
    sources = find(request.paths, request.folders)
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
