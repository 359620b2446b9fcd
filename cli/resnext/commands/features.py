"""`resnext features`: photos in, what the network sees of them out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from resnext.commands.cluster import ClusterOptions, ClusterOutput, one_file, with_address
from resnext.commands.groups import MessageOptions, Option, OptionGroup, command, name_of_file
from resnext.commands.options import ComputeOptions, FileOptions, FrameOptions, InputOptions, ModelOptions, RunOptions
from resnext.errors import ExitCode, UsageError
from resnext.records import DType, Kind

if TYPE_CHECKING:
    from resnext.outputs.vectors.feature_file import FeatureFile, FeatureLayout
    from resnext.outputs.vectors.feature_stream import FeatureStream


class FeatureOptions(OptionGroup):
    """What is taken from the network."""

    title = "Features"

    kind: Annotated[
        Kind,
        Option(
            help="The vector before the classifier, the last map, maps of several scales, or the classifier's answer.",
        ),
    ] = "pooled"
    out_indices: Annotated[
        str | None,
        Option(
            metavar="N,...", show_default=False,
            help="Levels of --kind multiscale, as timm counts them. Default: 1,2,3,4.",
        ),
    ] = None  # fmt: skip
    dtype: Annotated[DType, Option(help="Of the saved numbers.")] = "float32"
    normalize: Annotated[bool, Option("--normalize", help="Bring vectors to unit length (L2).")] = False


class OutputOptions(OptionGroup):
    """Where features go."""

    title = "Output"

    output: Annotated[
        str | None,
        Option(
            "--output", "-o", metavar="NAME.npy|.npz|.parquet|-", parser=name_of_file, show_default=False,
            help="Where features go: .npz for multiscale; .parquet holds files and vectors; - is a .npy on stdout. With"
            " --cluster a folder or store.",
        ),
    ] = None  # fmt: skip
    format: Annotated[
        Literal["auto", "npy", "npz", "parquet"],
        Option("--format", "-f", show_default=False, help="Of the parts of --cluster: npy, or npz for multiscale."),
    ] = "auto"
    index: Annotated[Path | None, Option(metavar="FILE", help="The index (JSON Lines) of features on stdout.")] = None


@command(
    examples=[
        "resnext features photos/ -o photos.npy",
        "resnext features photos/ -o photos.parquet --normalize",
        "resnext features photo.jpg --kind multiscale -o maps.npz",
        "resnext features photos/ -o vectors/ --format parquet --cluster local",
    ],
    prepare=with_address,
)
def features(
    inputs: InputOptions,
    frames: FrameOptions,
    model: ModelOptions,
    what: FeatureOptions,
    output: OutputOptions,
    file: FileOptions,
    run: RunOptions,
    compute: ComputeOptions,
    cluster: ClusterOptions,
    messages: MessageOptions,
) -> ExitCode:
    """Save what the network sees of photos: vectors and maps for numpy, scikit-learn, FAISS.

    NAME.npy has a row for each input that worked, in the order given; NAME.npy.jsonl a line for each input, with its
    row or its error. Exit status: 0 all saved, 1 some inputs failed, 2 wrong usage, 3 could not run.
    """
    from resnext.commands import requests
    from resnext.outputs.vectors.feature_file import FeatureLayout
    from resnext.pipeline.features_job import VECTORS, Extraction, FeaturesRequest, computed_for
    from resnext.pipeline.run import list_inputs
    from resnext.pipeline.run import run as run_job

    if what.out_indices is not None and what.kind != "multiscale":
        raise UsageError(f"--out-indices are levels of --kind multiscale, not of {what.kind}")
    if what.normalize and what.kind not in VECTORS:
        raise UsageError(f"--normalize is for vectors: --kind {' or '.join(VECTORS)}")
    if compute.precision == "int8" and what.kind not in VECTORS:
        raise UsageError(f"--precision int8 is for vectors: --kind {' or '.join(VECTORS)}")
    graph, arrays = computed_for(what.kind, _levels(what.out_indices or "1,2,3,4"))
    in_parts = cluster.is_wanted
    if output.format != "auto" and not in_parts:
        raise UsageError("--format is of the parts of --cluster; else the file's ending says it")
    usual = "npz" if what.kind == "multiscale" else "npy"
    path = (
        Path(f"part.{usual if output.format == 'auto' else output.format}")
        if in_parts
        else one_file(output.output or "-")
    )
    to_stdout = str(path) == "-"
    layout = FeatureLayout(path, "npy" if to_stdout else _format(path), arrays, what.dtype)
    _check_format(layout.format, what.kind, to_stdout)
    notices = messages.notices()
    parts = ClusterOutput(output.output, file) if in_parts and not run.dry_run else None
    target = _target(layout, output.index, FileOptions() if in_parts else file, to_stdout=to_stdout)
    if parts is not None:
        model = parts.model_to_continue_with(model, notices)
    elif file.resume and not to_stdout:
        model = requests.model_to_continue_with(model, path, notices)
    asked = requests.run_request(inputs, model, compute, run, messages, frames.frames)
    request = FeaturesRequest(
        # Always one way to compute: a photo's numbers must not depend on how many come with it.
        run=asked._replace(model=asked.model._replace(graph=graph, outputs=arrays, tuning="throughput")),
        kind=what.kind,
        dtype=what.dtype,
        normalize=what.normalize,
        target=target,
    )
    if run.dry_run:
        return list_inputs(request.run, target.prepare(None), as_json=False)
    if parts is not None:
        requests.check_summary(run.summary_file, ())
        return parts.run(cluster, request.run, lambda opened: Extraction(request, opened), notices)
    target.check()
    written = tuple(target.written_paths())
    requests.check_summary(run.summary_file, written)
    with requests.claimed(output.index if to_stdout else path, written):
        return run_job(request.run, lambda opened: Extraction(request, opened), notices)


def _levels(value: str) -> tuple[int, ...]:
    try:
        levels = tuple(int(each) for each in value.split(","))
    except ValueError:
        levels = ()
    if not levels or any(level < 0 for level in levels) or list(levels) != sorted(set(levels)):
        raise UsageError(f"--out-indices {value}: not levels from 0 on, rising, with commas between them")
    return levels


def _format(path: Path) -> str:
    """The format that the file's ending asks for."""
    from resnext.outputs.vectors.feature_file import FORMATS

    suffix = path.suffix.lower().removeprefix(".")
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
    layout: "FeatureLayout", index: Path | None, file: FileOptions, *, to_stdout: bool
) -> "FeatureFile | FeatureStream":
    from resnext.outputs.vectors.feature_file import FeatureFile
    from resnext.outputs.vectors.feature_stream import FeatureStream

    if file.resume and file.overwrite:
        raise UsageError("--resume and --overwrite contradict each other")
    if to_stdout:
        if file.resume:
            raise UsageError("--resume goes on with a file: --output NAME.npy")
        return FeatureStream(layout, index, overwrite=file.overwrite)
    if index is not None:
        raise UsageError("--index is for features on stdout; a file has its index beside it")
    return FeatureFile(layout, overwrite=file.overwrite, resume=file.resume)
