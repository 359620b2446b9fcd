"""`resnext classify`: photos in, labels out."""

import os
from typing import Any, get_args

import typer

from resnext import options
from resnext.ahead import import_ahead
from resnext.errors import UsageError, report_errors


def classify(
    paths: options.Paths = None,
    model: options.Model = "auto",
    top_k: options.TopK = 5,
    threshold: options.Threshold = 0.0,
    output_type: options.OutputTypeOption = "prob",
    label_type: options.LabelTypeOption = "name",
    format: options.Format = None,
    json: options.Json = False,
    template: options.Template = None,
    output: options.Output = None,
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    summary_file: options.SummaryFile = None,
    dry_run: options.DryRun = False,
    strict: options.Strict = False,
    max_errors: options.MaxErrors = None,
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
    frames: options.Frames = "1",
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
        if not dry_run:
            import_ahead(openvino=engine == "openvino")
        from resnext.engines import EngineName, Precision
        from resnext.output import OutputRequest, check_output, choose_format
        from resnext.records import OutputType, PredictionConfig
        from resnext.run import ClassifyRequest, list_inputs, run
        from resnext.shelf import ModelRequest
        from resnext.sources import SourceConfig, check
        from resnext.sources.folders import DEFAULT_EXCLUDED_DIRS, FolderConfig
        from resnext.sources.lists import ListConfig
        from resnext.terminal import ColorChoice, Notices
        from resnext.writers import LabelType

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
            prediction=PredictionConfig(
                top_k=top_k,
                threshold=threshold,
                output_type=_one_of("--output-type", output_type, get_args(OutputType)),
            ),
            label_type=_one_of("--label-type", label_type, get_args(LabelType)),
            output=OutputRequest(
                path=output,
                format=choose_format(format, json=json, template=template, output=output),
                template=template or "",
                overwrite=overwrite,
                resume=resume,
                summary_file=summary_file,
                max_errors=1 if strict else max_errors,
            ),
            color=_one_of("--color", color, get_args(ColorChoice)),
            sources=check(tuple(paths or ()), sources),
            frames=_frames(frames),
            max_megapixels=max_image_megapixels,
            exact=exact,
            workers=workers or os.cpu_count() or 1,
            progress=not (no_progress or quiet),
        )
        notices = Notices(quiet=quiet, verbose=verbose)
        if dry_run:
            code = list_inputs(request, as_json=json or format == "jsonl")
        else:
            check_output(request.output)
            code = run(request, notices)
    raise typer.Exit(int(code))


def _one_of(option: str, value: str, allowed: tuple[Any, ...]) -> Any:
    """Check a choice; Typer's enums would need a class for every Literal that the rooms already have."""
    if value not in allowed:
        raise UsageError(f"{option} {value}: not one of {', '.join(allowed)}")
    return value


def _frames(value: str) -> int | None:
    """How many frames of each file; None for all."""
    if value == "all":
        return None
    if not value.isascii() or not value.isdecimal() or not 1 <= int(value[:9]):
        raise UsageError(f"--frames {value}: neither a number from 1 on nor all")
    return int(value[:9])
