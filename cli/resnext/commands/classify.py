"""`resnext classify`: photos in, labels out."""

from typing import get_args

import typer

from resnext.commands import options
from resnext.errors import report_errors


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
        from resnext.commands import requests
        from resnext.console.terminal import Notices
        from resnext.outputs import OutputRequest, check_output, choose_format
        from resnext.outputs.writers import LabelType
        from resnext.pipeline.classify_job import ClassifyRequest, Labelling
        from resnext.pipeline.run import list_inputs, run
        from resnext.records import OutputType, PredictionConfig

        request = ClassifyRequest(
            run=requests.run_request(
                paths,
                requests.model_request(model, weights, engine, device, precision, exact, batch_size, offline),
                requests.source_config(
                    paths,
                    files_from,
                    null,
                    column,
                    timeout,
                    retries,
                    max_file_size,
                    exclude_dir,
                    include_hidden,
                    offline,
                ),
                frames=frames,
                max_megapixels=max_image_megapixels,
                exact=exact,
                workers=workers,
                color=color,
                progress=not (no_progress or quiet),
                summary_file=summary_file,
                max_errors=1 if strict else max_errors,
            ),
            labels=labels,
            prediction=PredictionConfig(
                top_k=top_k,
                threshold=threshold,
                output_type=requests.one_of("--output-type", output_type, get_args(OutputType)),
            ),
            label_type=requests.one_of("--label-type", label_type, get_args(LabelType)),
            output=OutputRequest(
                path=output,
                format=choose_format(format, json=json, template=template, output=output),
                template=template or "",
                overwrite=overwrite,
                resume=resume,
            ),
        )
        if dry_run:
            done = request.output.target().prepare(None)
            code = list_inputs(request.run, done, as_json=json or format == "jsonl")
        else:
            check_output(request.output)
            requests.check_summary(summary_file)
            notices = Notices(quiet=quiet, verbose=verbose)
            code = run(request.run, lambda opened: Labelling(request, opened), notices)
    raise typer.Exit(int(code))
