"""`resnext evaluate`: how often a model and its tags are right on photos of one's own, and how sure it may be."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from resnext.commands.groups import MessageOptions, Option, OptionGroup, command, number, whole
from resnext.commands.options import ComputeOptions, FrameOptions, InputOptions, ModelOptions, RunOptions, TagOptions
from resnext.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from resnext.answers.advice import Advice
    from resnext.answers.tally import Tally
    from resnext.console.terminal import Notices
    from resnext.pipeline.truths import Truth
    from resnext.shelf.shelf import OpenedModel


class EvaluationOptions(OptionGroup):
    """What is right, and what is made of it."""

    title = "Evaluation"

    truth: Annotated[
        Path | None,
        Option(metavar="FILE", help="What photos show, as .csv, .tsv, .jsonl or .parquet, in place of folders' names."),
    ] = None
    truth_column: Annotated[
        str | None,
        Option(metavar="NAME", help="Its column that says so. Default: label, or the best class of classify."),
    ] = None
    real: Annotated[
        bool, Option("--real", help="ImageNet's validation photos, by their file names: ReaL's labels are right.")
    ] = False
    from_: Annotated[
        Path | None,
        Option("--from", metavar="FILE", help="Evaluate what 'classify -o FILE' wrote; no model runs."),
    ] = None
    tags: Annotated[bool, Option("--tags", help="Also tags: how many photos get one, and how many are right.")] = False
    calibrate: Annotated[
        bool, Option("--calibrate", help="Keep for this model how sure a tag has to be, from these photos.")
    ] = False
    target: Annotated[
        float,
        Option(metavar="P", parser=number(0.5, 1), help="--calibrate: how many of the tags shall be right."),
    ] = 0.95
    labels: Annotated[
        Path | None, Option(metavar="FILE", help="Class names: a line each, or JSON. Default: the model's.")
    ] = None


class ReportOptions(OptionGroup):
    """What is shown, and what is written."""

    title = "Report"

    json: Annotated[bool, Option("--json", help="Print one JSON document.")] = False
    mistakes: Annotated[
        int, Option(metavar="N", parser=whole(0, 100_000), help="Show the N wrong answers that were surest.")
    ] = 10
    confusion: Annotated[
        Path | None,
        Option(metavar="FILE", help="Write what was called what: .csv, .json, or a picture, .png or .svg."),
    ] = None
    reliability: Annotated[
        Path | None, Option(metavar="FILE", help="Write how sure it was against how often right; the same.")
    ] = None
    coverage: Annotated[
        Path | None, Option(metavar="FILE", help="Write how many are right if only the surest count; the same.")
    ] = None
    overwrite: Annotated[bool, Option("--overwrite", help="Replace these files where they exist.")] = False

    def files(self) -> dict[str, Path]:
        """The files to write, by the option that asks for each."""
        asked = {"--confusion": self.confusion, "--reliability": self.reliability, "--coverage": self.coverage}
        return {option: path for option, path in asked.items() if path is not None}


@command(
    examples=[
        "resnext evaluate photos/",
        "resnext evaluate photos/ -m ./my-birds --confusion confusion.png",
        "resnext evaluate --truth photos.csv --truth-column label --json",
        "resnext evaluate photos/ --from labels.jsonl",
        "resnext evaluate photos/ --calibrate --target 0.97",
    ]
)
def evaluate(
    inputs: InputOptions,
    frames: FrameOptions,
    model: ModelOptions,
    tags: TagOptions,
    evaluation: EvaluationOptions,
    report: ReportOptions,
    run: RunOptions,
    compute: ComputeOptions,
    messages: MessageOptions,
) -> ExitCode:
    """Measure how often a model is right, on photos of your own.

    They lie in folders that are named after what they show: a class (synset, name or index) or a tag, or "none" for
    photos of nothing that the model knows; of train/, val/ and test/ the last is taken. Exit status: 0 evaluated, 1
    some inputs failed or nothing could be calibrated, 2 wrong usage, 3 could not run.
    """
    from resnext.commands import requests
    from resnext.outputs.report_files import check_report_files
    from resnext.outputs.stdout import Stdout

    if run.dry_run:
        raise UsageError("--dry-run: evaluate writes nothing but its report; 'classify --dry-run' lists photos")
    notices = messages.notices()
    Stdout().check()
    written = check_report_files(report.files(), overwrite=report.overwrite)
    if evaluation.from_ is not None:
        return _of_rows(inputs, tags, evaluation, report, notices)
    inputs, truth = _truth(inputs, evaluation, notices)
    requests.check_summary(run.summary_file, written)
    from resnext.pipeline.evaluate_job import EvaluateRequest, Evaluating
    from resnext.pipeline.run import run as run_job

    wanted = evaluation.tags or evaluation.calibrate or tags != TagOptions()
    request = EvaluateRequest(
        run=requests.run_request(_with_list(inputs, evaluation), model, compute, run, messages, frames.frames),
        labels=evaluation.labels,
        tags=tags.request() if wanted else None,
        truth=truth,
        mistakes=report.mistakes,
        calibrate=evaluation.calibrate,
    )
    jobs: list[Evaluating] = []

    def make(opened: "OpenedModel") -> Evaluating:
        jobs.append(Evaluating(request, opened, notices))
        return jobs[-1]

    code = run_job(request.run, make, notices)
    (job,) = jobs
    document, notes = job.report(), list[str]()
    if evaluation.calibrate:
        advice, kept = job.calibrate(evaluation.target)
        document["calibration"] = _calibration(advice, kept)
        notes = _in_words(advice, evaluation.target)
        code = code if kept is not None else max(code, ExitCode.SOME_FAILED)
    _give(document, notes, job.tally, report)
    return code


def _of_rows(
    inputs: InputOptions,
    tags: TagOptions,
    evaluation: EvaluationOptions,
    report: ReportOptions,
    notices: "Notices",
) -> ExitCode:
    """Evaluate what classify wrote."""
    from resnext.pipeline.evaluate_rows import RowsEvaluation, RowsRequest

    assert evaluation.from_ is not None
    if evaluation.tags or evaluation.calibrate or tags.sure is not None or evaluation.labels is not None:
        raise UsageError("--from has classes and scores alone: --tags, --sure, --calibrate and --labels need a run")
    _, truth = _truth(inputs, evaluation, notices)
    found = RowsEvaluation(RowsRequest(evaluation.from_, truth, tags.vocabulary, report.mistakes))
    _give(found.report(), [], found.tally, report)
    return found.code


def _truth(
    inputs: InputOptions, evaluation: EvaluationOptions, notices: "Notices"
) -> "tuple[InputOptions, Truth | None]":
    """What is right: a table's, folders' names, or ReaL's labels (None); and the inputs, less what is not evaluated.

    Raises:
        UsageError: nothing was given, or two of them.
    """
    from resnext.pipeline.truths import FolderTruth, ListedTruth, evaluated_folders
    from resnext.sources.config import DEFAULT_EXCLUDED_DIRS, FolderConfig

    folders = tuple(inputs.paths or ())
    if evaluation.real:
        if evaluation.truth is not None:
            raise UsageError("--real and --truth contradict each other")
        return inputs, None
    if evaluation.truth is not None:
        if inputs.files_from:
            raise UsageError("--truth is the list of photos; --files-from has no place beside it")
        listed = ListedTruth(evaluation.truth, inputs.column, evaluation.truth_column, folders)
        if listed.silent and (folders or evaluation.from_ is not None):
            rows = "1 row says" if listed.silent == 1 else f"{listed.silent} rows say"
            notices.info(f"--truth {evaluation.truth}: {rows} nothing; {listed.first_silent}")
        return inputs, listed
    missing = next((path for path in folders if not os.path.isdir(path)), None)  # noqa: PTH112
    if evaluation.from_ is not None and folders:  # the photos themselves may lie on another machine
        missing = None
    if not folders or missing is not None or inputs.files_from:
        what = f"{missing} is no folder: " if missing is not None else ""
        raise UsageError(f"{what}name folders that hold one folder a class or tag, or give --truth FILE")
    chosen, notes = evaluated_folders(folders)
    for note in notes:
        notices.info(note)
    excluded = frozenset([*DEFAULT_EXCLUDED_DIRS, *(inputs.exclude_dir or ())])
    truth = FolderTruth(chosen, FolderConfig(excluded, inputs.include_hidden))
    return inputs.replace(paths=list(chosen)), truth


def _with_list(inputs: InputOptions, evaluation: EvaluationOptions) -> InputOptions:
    """The inputs, where a list says what is right and no photo is named: all that it lists."""
    if evaluation.truth is None or inputs.paths:
        return inputs.replace(column=None) if evaluation.truth is not None else inputs
    return inputs.replace(files_from=[str(evaluation.truth)])


def _give(document: dict[str, Any], notes: Sequence[str], tally: "Tally", options: ReportOptions) -> None:
    """Print the report, then write the files that were asked for.

    Raises:
        OutputError: one can't be written.
    """
    from resnext.answers.tally import NO_MATRIX
    from resnext.outputs import terminal_width
    from resnext.outputs.report import lines_of
    from resnext.outputs.stdout import ReaderGone, Stdout

    files, width = options.files(), terminal_width()
    # Of many classes the matrix has no room on a terminal, and takes time and memory.
    wanted = "--confusion" in files or (not options.json and len(tally.photos) <= width)
    matrix = tally.matrix() if wanted else NO_MATRIX
    if options.json:
        text = json.dumps(document, indent=2)
    else:
        text = "\n".join([*lines_of(document, matrix, width), *([""] if notes else []), *notes])
    stdout = Stdout()
    try:
        stdout.write(f"{text}\n".encode())
    except ReaderGone:
        stdout.abandon()
    if files:
        from resnext.outputs.report_files import Parts, write_report_files

        curve, ece = tally.coverage_curve(), document["ece"] or 0.0
        write_report_files(files, Parts(*matrix, tally.reliability(), ece, curve))


def _calibration(advice: "Advice", kept: Path | None) -> dict[str, Any]:
    shares = {"reached": advice.reached._asdict(), "held_out": advice.held_out._asdict()}
    return {**advice._asdict(), **shares, "kept": str(kept or "")}


def _in_words(advice: "Advice", target: float) -> list[str]:
    found = f"temperature {advice.temperature:.2f} from {advice.photos} photos"
    if advice.sure is None:
        return [f"{found}; at no certainty are {target:.0%} of the tags right: nothing was kept"]
    share, low, high = advice.reached
    lines = [
        f"{found}; --sure {advice.sure:g}: {share:.1%} of {advice.tagged} tags are right, which says that between"
        f" {low:.1%} and {high:.1%} of all such photos' are",
    ]
    if advice.held_out_tagged:
        share, low, high = advice.held_out
        lines.append(
            f"these photos chose it, which flatters; chosen by one half and tried on the other: {share:.1%} of"
            f" {advice.held_out_tagged} ({low:.1%} to {high:.1%})"
        )
    return [*lines, "kept for this model: --tags uses both from now on"]
