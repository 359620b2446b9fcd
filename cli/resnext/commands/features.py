"""`resnext features`: photos in, what the network sees of them out."""

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import typer

from resnext.commands import options
from resnext.errors import UsageError, report_errors

if TYPE_CHECKING:
    from resnext.outputs.vectors.feature_file import FeatureFile, FeatureLayout
    from resnext.outputs.vectors.feature_stream import FeatureStream


def features(
    paths: options.Paths = None,
    model: options.Model = "auto",
    kind: options.KindOption = "pooled",
    out_indices: options.OutIndices = None,
    output: options.FeaturesOutput = None,
    index: options.Index = None,
    dtype: options.DTypeOption = "float32",
    normalize: options.Normalize = False,
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    summary_file: options.SummaryFile = None,
    dry_run: options.DryRun = False,
    strict: options.Strict = False,
    max_errors: options.MaxErrors = None,
    weights: options.Weights = None,
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
    no_progress: options.NoProgress = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    debug: options.Debug = False,
) -> None:
    """Save what the network sees of photos: vectors and maps for numpy, scikit-learn, FAISS.

    NAME.npy has a row for each input that worked, in the order given; NAME.jsonl a line for each input, with its row or
    its error. Exit status: 0 all saved, 1 some inputs failed, 2 wrong usage, 3 could not run.
    """
    with report_errors(debug):
        from resnext.commands import requests
        from resnext.console.terminal import Notices
        from resnext.outputs.vectors.feature_file import FeatureLayout
        from resnext.pipeline.features_job import VECTORS, DType, Extraction, FeaturesRequest, Kind, computed_for
        from resnext.pipeline.run import list_inputs, run

        chosen: Kind = requests.one_of("--kind", kind, get_args(Kind))
        if out_indices is not None and chosen != "multiscale":
            raise UsageError(f"--out-indices are levels of --kind multiscale, not of {chosen}")
        if normalize and chosen not in VECTORS:
            raise UsageError(f"--normalize is for vectors: --kind {' or '.join(VECTORS)}")
        graph, arrays = computed_for(chosen, _levels(out_indices or "1,2,3,4"))
        asked = requests.model_request(model, weights, engine, device, precision, exact, batch_size, offline)
        saved_as: DType = requests.one_of("--dtype", dtype, get_args(DType))
        to_stdout = output is None or str(output) == "-"
        layout = FeatureLayout(output or Path("-"), "npy" if to_stdout else _format(output), arrays, saved_as)
        _check_format(layout.format, chosen, to_stdout)
        target = _target(layout, index, to_stdout=to_stdout, overwrite=overwrite, resume=resume)
        request = FeaturesRequest(
            run=requests.run_request(
                paths,
                # Always one way to compute: a photo's numbers must not depend on how many come with it.
                asked._replace(graph=graph, outputs=arrays, always_many=True),
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
                color="auto",
                progress=not (no_progress or quiet),
                summary_file=summary_file,
                max_errors=1 if strict else max_errors,
            ),
            kind=chosen,
            dtype=saved_as,
            normalize=normalize,
            target=target,
        )
        if dry_run:
            code = list_inputs(request.run, target.prepare(None), as_json=False)
        else:
            target.check()
            requests.check_summary(summary_file)
            notices = Notices(quiet=quiet, verbose=verbose)
            code = run(request.run, lambda opened: Extraction(request, opened), notices)
    raise typer.Exit(int(code))


def _levels(value: str) -> tuple[int, ...]:
    try:
        levels = tuple(int(each) for each in value.split(","))
    except ValueError:
        levels = ()
    if not levels or any(level < 0 for level in levels) or list(levels) != sorted(set(levels)):
        raise UsageError(f"--out-indices {value}: not levels from 0 on, rising, with commas between them")
    return levels


def _format(path: Path | None) -> str:
    """The format that the file's ending asks for."""
    from resnext.outputs.vectors.feature_file import FORMATS

    suffix = path.suffix.lower().removeprefix(".") if path is not None else ""
    if suffix not in FORMATS:
        raise UsageError(f"{path}: the ending names no format; use one of {', '.join('.' + each for each in FORMATS)}")
    return suffix


def _check_format(format: str, kind: str, to_stdout: bool) -> None:
    if kind == "multiscale" and format != "npz":
        where = "stdout takes one array" if to_stdout else f"a .{format} holds one array"
        raise UsageError(f"{where}, --kind multiscale has one a level; give --output NAME.npz")
    if kind == "unpooled" and format == "parquet":
        raise UsageError("a .parquet holds vectors, --kind unpooled has maps; give --output NAME.npy")


def _target(
    layout: "FeatureLayout", index: Path | None, *, to_stdout: bool, overwrite: bool, resume: bool
) -> "FeatureFile | FeatureStream":
    from resnext.outputs.vectors.feature_file import FeatureFile
    from resnext.outputs.vectors.feature_stream import FeatureStream

    if resume and overwrite:
        raise UsageError("--resume and --overwrite contradict each other")
    if to_stdout:
        if resume:
            raise UsageError("--resume goes on with a file: --output NAME.npy")
        return FeatureStream(layout, index, overwrite=overwrite)
    if index is not None:
        raise UsageError("--index is for features on stdout; a file has its index beside it")
    return FeatureFile(layout, overwrite=overwrite, resume=resume)
