"""`resnext classify`: photos in, labels out."""

from pathlib import Path
from typing import Annotated

from resnext.commands.cluster import ClusterOptions, ClusterOutput, one_file, with_address
from resnext.commands.groups import MessageOptions, Option, OptionGroup, command, name_of_file, number, whole
from resnext.commands.options import (
    ComputeOptions,
    FileOptions,
    FrameOptions,
    InputOptions,
    ModelOptions,
    RunOptions,
    TagOptions,
)
from resnext.errors import ExitCode, UsageError
from resnext.records import LabelType, OutputType

FORMATS = "table|jsonl|json|csv|tsv|parquet"
PART_FORMATS = ("jsonl", "csv", "tsv", "parquet")


class AnswerOptions(OptionGroup):
    """What is said of a photo."""

    title = "Answers"

    top_k: Annotated[
        int, Option("--top-k", "-k", metavar="K", parser=whole(1, 10**9), help="Classes a photo, best first.")
    ] = 5
    threshold: Annotated[
        float,
        Option(metavar="P", parser=number(0, 1), help="Leave out classes below this probability, 0 to 1."),
    ] = 0.0
    output_type: Annotated[OutputType, Option(help="What a score is; --threshold is a probability.")] = "prob"
    label_type: Annotated[
        LabelType,
        Option(help="One name, all synonyms, or with the definition."),
    ] = "name"
    tags: Annotated[
        bool,
        Option("--tags", help="Add tags in everyday words: the narrowest that is sure enough, or none."),
    ] = False
    labels: Annotated[
        Path | None, Option(metavar="FILE", help="Class names: a line each, or JSON. Default: ImageNet's.")
    ] = None


class OutputOptions(OptionGroup):
    """Where rows go, and in which form."""

    title = "Output"

    output: Annotated[
        str | None,
        Option(
            "--output", "-o", metavar="FILE", parser=name_of_file, show_default=False,
            help="Write the rows to a file; - is stdout. A folder with --cluster.",
        ),
    ] = None  # fmt: skip
    format: Annotated[
        str | None,
        Option(
            "--format", "-f", metavar=FORMATS, show_default=False, offers=lambda: FORMATS.split("|"),
            help="Default: by the ending of --output; else a table on a terminal, jsonl in a pipe.",
        ),
    ] = None  # fmt: skip
    long: Annotated[bool, Option("--long", help="CSV and TSV with a row a class instead of a row an input.")] = False
    json: Annotated[bool, Option("--json", help="The same as --format jsonl.")] = False
    template: Annotated[
        str | None,
        Option(
            metavar="TEXT", show_default=False,
            help=r"A line a photo in your own form: '{file}\t{label}\t{score:.2f}'.",
        ),
    ] = None  # fmt: skip


@command(
    examples=[
        "resnext classify photo.jpg",
        "resnext classify photos/ -o labels.csv",
        "resnext classify photos/ -o labels.jsonl --resume",
        "resnext classify photos/ --tags --template '{file}\\t{tag_path}'",
        "find . -name '*.jpg' -print0 | resnext classify -0 --files-from - -k 1",
        "resnext classify photos/ -o labels/ --cluster local",
    ],
    prepare=with_address,
)
def classify(
    inputs: InputOptions,
    frames: FrameOptions,
    model: ModelOptions,
    answers: AnswerOptions,
    tags: TagOptions,
    output: OutputOptions,
    file: FileOptions,
    run: RunOptions,
    compute: ComputeOptions,
    cluster: ClusterOptions,
    messages: MessageOptions,
) -> ExitCode:
    """Label photos: the best ImageNet classes of each, with their probabilities.

    One row an input, in the order given, also for a file that can't be read. Exit status: 0 all labelled, 1 some
    inputs failed, 2 wrong usage, 3 could not run.
    """
    from resnext.commands import requests
    from resnext.outputs import OutputRequest, check_output
    from resnext.pipeline.classify_job import ClassifyRequest, Labelling
    from resnext.pipeline.run import list_inputs
    from resnext.pipeline.run import run as run_job
    from resnext.records import PredictionConfig

    if not answers.tags and tags != TagOptions():
        raise UsageError(f"--{'sure' if tags.sure is not None else 'vocabulary'} is for tags: add --tags")
    notices = messages.notices()
    in_parts = cluster.is_wanted
    parts = ClusterOutput(output.output, file) if in_parts and not run.dry_run else None
    path = None if output.output in (None, "-") or in_parts else one_file(output.output)
    if parts is not None:
        model = parts.model_to_continue_with(model, notices)
    elif file.resume and path is not None:
        model = requests.model_to_continue_with(model, path, notices)
    request = ClassifyRequest(
        run=requests.run_request(inputs, model, compute, run, messages, frames.frames),
        labels=answers.labels,
        prediction=PredictionConfig(top_k=answers.top_k, threshold=answers.threshold, output_type=answers.output_type),
        label_type=answers.label_type,
        output=OutputRequest(
            path=path,
            format=_format(output, path, in_parts=in_parts),
            long=output.long,
            template=output.template or "",
            tags=answers.tags,
            overwrite=file.overwrite,
            resume=file.resume and not in_parts,
        ),
        tags=tags.request() if answers.tags else None,
    )
    if run.dry_run:
        done = request.output.target().prepare(None)
        return list_inputs(request.run, done, as_json=output.json or output.format == "jsonl")
    if parts is not None:
        requests.check_summary(run.summary_file, ())
        return parts.run(cluster, request.run, lambda opened: Labelling(request, opened, notices), notices)
    written = tuple(check_output(request.output))
    requests.check_summary(run.summary_file, written)
    with requests.claimed(path, written):
        return run_job(request.run, lambda opened: Labelling(request, opened, notices), notices)


def _format(output: OutputOptions, path: Path | None, *, in_parts: bool) -> str:
    """The format of the rows; parts are read as one data set, and so are of one that grows by rows.

    Raises:
        UsageError: there is no such format, or parts are not of it.
    """
    from resnext.outputs import choose_format

    if not in_parts:
        return choose_format(output.format, json=output.json, template=output.template, output=path)
    format = output.format or "jsonl"
    if format not in PART_FORMATS or output.template is not None:
        raise UsageError(f"--cluster writes parts as {', '.join(PART_FORMATS)}: --format FORMAT")
    return format
