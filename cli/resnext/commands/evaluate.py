"""`resnext evaluate`: how often a model and its tags are right on photos of one's own, and how sure it may be."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resnext.commands.groups import MessageOptions, OptionGroup, command, number
from resnext.commands.options import ComputeOptions, InputOptions, ModelOptions, RunOptions, TagOptions
from resnext.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from resnext.answers.evaluation import Advice
    from resnext.pipeline.evaluate_job import Truth
    from resnext.shelf.shelf import OpenedModel


@dataclass(frozen=True, slots=True)
class EvaluationOptions(OptionGroup):
    """What is right, and what is made of it."""

    title = "Evaluation"

    truth: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What photos show, as CSV, TSV or JSON Lines, in place of folders' names."),
    ] = None
    truth_column: Annotated[str, typer.Option(metavar="NAME", help="Its column that says so.")] = "label"
    tags: Annotated[
        bool, typer.Option("--tags", help="Also tags: how many photos get one, and how many are right.")
    ] = False
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Keep for this model how sure a tag has to be, from these photos.")
    ] = False
    target: Annotated[
        float,
        typer.Option(metavar="P", parser=number(0.5, 1), help="--calibrate: how many of the tags shall be right."),
    ] = 0.95
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Class names: a line each, or JSON. Default: ImageNet's.")
    ] = None
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False


@command(
    examples=[
        "resnext evaluate photos/",
        "resnext evaluate photos/ --tags",
        "resnext evaluate --truth photos.csv --truth-column label --json",
        "resnext evaluate photos/ --calibrate --target 0.97",
    ]
)
def evaluate(
    inputs: InputOptions,
    model: ModelOptions,
    tags: TagOptions,
    evaluation: EvaluationOptions,
    run: RunOptions,
    compute: ComputeOptions,
    messages: MessageOptions,
) -> ExitCode:
    """Hold a model's answers against what is right, on photos of your own.

    They lie in folders that are named after what they show: a class (synset, name or index) or a tag, or "none" for
    photos of nothing that the model knows. Exit status: 0 evaluated, 1 some inputs failed or nothing could be
    calibrated, 2 wrong usage, 3 could not run.
    """
    from resnext.commands import requests
    from resnext.outputs.stdout import ReaderGone, Stdout
    from resnext.pipeline.evaluate_job import EvaluateRequest, Evaluating
    from resnext.pipeline.run import run as run_job

    if run.dry_run:
        raise UsageError("--dry-run: evaluate writes nothing but its report; 'classify --dry-run' lists photos")
    truth = _truth(inputs, evaluation)
    stdout = Stdout()
    stdout.check()
    wanted = evaluation.tags or evaluation.calibrate or tags != TagOptions()
    request = EvaluateRequest(
        run=requests.run_request(_with_list(inputs, evaluation), model, compute, run, messages),
        labels=evaluation.labels,
        tags=tags.request() if wanted else None,
        truth=truth,
    )
    requests.check_summary(run.summary_file, ())
    notices = messages.notices()
    jobs: list[Evaluating] = []

    def make(opened: "OpenedModel") -> Evaluating:
        jobs.append(Evaluating(request, opened, notices))
        return jobs[-1]

    code = run_job(request.run, make, notices)
    (job,) = jobs
    report, notes = job.report(), []
    if evaluation.calibrate:
        advice, kept = job.calibrate(evaluation.target)
        report["calibration"] = {**advice._asdict(), "reached": advice.reached._asdict(), "kept": str(kept or "")}
        notes = _in_words(advice, evaluation.target)
        code = code if kept is not None else max(code, ExitCode.SOME_FAILED)
    try:
        stdout.write(_text(report, notes, as_json=evaluation.json).encode())
    except ReaderGone:
        stdout.abandon()
    return code


def _truth(inputs: InputOptions, evaluation: EvaluationOptions) -> "Truth":
    """What is right: a list's, or folders' names.

    Raises:
        UsageError: neither was given, or both.
    """
    from resnext.pipeline.evaluate_job import Truth, listed_truth

    if evaluation.truth is not None:
        if inputs.files_from:
            raise UsageError("--truth is the list of photos; --files-from has no place beside it")
        return Truth((), listed_truth(evaluation.truth, inputs.column or "file", evaluation.truth_column))
    folders = tuple(inputs.paths or ())
    missing = next((path for path in folders if not os.path.isdir(path)), None)  # noqa: PTH112
    if not folders or missing is not None or inputs.files_from:
        what = f"{missing} is no folder: " if missing is not None else ""
        raise UsageError(f"{what}name folders that hold one folder a class or tag, or give --truth FILE")
    return Truth(folders, None)


def _with_list(inputs: InputOptions, evaluation: EvaluationOptions) -> InputOptions:
    """The inputs, where a list says what is right and no photo is named: all that it lists."""
    from dataclasses import replace

    if evaluation.truth is None or inputs.paths:
        return replace(inputs, column=None) if evaluation.truth is not None else inputs
    return replace(inputs, files_from=[str(evaluation.truth)], column=inputs.column or "file")


def _in_words(advice: "Advice", target: float) -> list[str]:
    found = f"temperature {advice.temperature:.2f} from {advice.photos} photos"
    if advice.sure is None:
        return [f"{found}; at no certainty are {target:.0%} of the tags right: nothing was kept"]
    share, low, high = advice.reached
    return [
        f"{found}; --sure {advice.sure:g}: {share:.1%} of {advice.tagged} tags are right, which says that between"
        f" {low:.1%} and {high:.1%} of all such photos' are",
        "kept for this model: --tags uses both from now on",
    ]


def _text(report: dict[str, object], notes: list[str], *, as_json: bool) -> str:
    if as_json:
        return json.dumps(report, indent=2) + "\n"
    from resnext.outputs.report import lines_of

    return "\n".join([*lines_of(report), *([""] if notes else []), *notes]) + "\n"
