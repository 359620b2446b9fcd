"""`resnext train`: photos with labels in, a model that knows them out."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from resnext.commands.groups import MessageOptions, command
from resnext.commands.options import ComputeOptions, InputOptions, ModelOptions, PhotoOptions, RunOptions
from resnext.commands.train_options import LabelOptions, PlaceOptions, SemiOptions, TrainingOptions, WholeOptions
from resnext.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from resnext.pipeline.run import RunRequest
    from resnext.pipeline.semi_job import SemiRequest
    from resnext.pipeline.train_request import TrainRequest
    from resnext.pipeline.whole_network import WholeRequest
    from resnext.sources.config import SourceConfig
    from resnext.training.photos import FoundPhotos


@command(
    examples=[
        "resnext train photos/ -o my-birds",
        "resnext train photos/ -o my-birds -m 50-32x4d --test other-photos/",
        "resnext train photos/ -o my-birds --method full --epochs 20",
        "resnext train --labels-from birds.csv --column path --label-column species -o my-birds",
        "resnext train few-birds/ --method semi --unlabelled all-photos/ -o my-birds",
        "resnext classify -m ./my-birds garden/",
    ]
)
def train(
    labels: LabelOptions,
    place: PlaceOptions,
    training: TrainingOptions,
    semi: SemiOptions,
    whole_network: WholeOptions,
    photos: PhotoOptions,
    model: ModelOptions,
    run: RunOptions,
    compute: ComputeOptions,
    messages: MessageOptions,
) -> ExitCode:
    """Teach a model your own classes: photos in folders that are called as they are, or in a table.

    The folder that comes out is a model for -m, and for timm. Run again, only new photos are computed. Exit status: 0
    trained, 1 trained without photos that can't be read, 2 wrong usage or fewer than two classes, 3 nothing trained.
    """
    from resnext.commands import requests
    from resnext.outputs.stdout import ReaderGone, Stdout
    from resnext.pipeline.model_place import check_target
    from resnext.pipeline.train_job import train as train_job
    from resnext.pipeline.train_request import TrainRequest

    if compute.precision == "int8":
        raise UsageError("--precision int8: train with another one, then 'resnext quantize' makes the model int8")
    folder = _folder(labels, photos)
    whole = _whole(training, semi, whole_network, place, compute)
    if whole is not None:  # the features come from the fast engine in any case
        compute = compute.replace(device="cpu", batch_size=None)
    # The column is of the table, which is read here.
    inputs = InputOptions(**vars(photos)).replace(paths=[folder or str(labels.labels_from)], column=None)
    asked = requests.run_request(inputs, model, compute, run, messages)
    if place.output is None and not run.dry_run:
        raise UsageError("where does the model go? give --output FOLDER")
    target = place.output or Path("model")
    if place.output is not None:
        check_target(target, overwrite=place.overwrite, resume=place.resume)
    stdout = Stdout()
    stdout.check()
    found = _found(folder, labels, photos, asked.sources)
    test = None
    if labels.test is not None:
        from resnext.training.photos import in_folders

        test = in_folders(str(labels.test), asked.sources.folders, nested=labels.nested)
    request = TrainRequest(
        run=asked,
        found=found,
        test=test,
        target=target,
        overwrite=place.overwrite,
        method=training.method,
        group_by=training.group_by,
        seed=training.seed or 0,
        command=sys.argv[1:],
        semi=_semi(semi, training, asked),
        whole=whole,
    )
    notices = messages.notices()
    if run.dry_run:
        text, code = _listing(request, as_json=training.json), ExitCode.OK
        for note in found.notes:
            notices.warning(note)
    else:
        requests.check_summary(run.summary_file, ())
        report, code = train_job(request, notices)
        text = json.dumps(report, indent=2) + "\n" if training.json else _table(report) if report else ""
    try:
        stdout.write(text.encode())
    except ReaderGone:
        stdout.abandon()
    return code


def _whole(
    training: TrainingOptions,
    semi: SemiOptions,
    whole_network: WholeOptions,
    place: PlaceOptions,
    compute: ComputeOptions,
) -> "WholeRequest | None":
    """What is asked of the whole network; None where a head is trained.

    Raises:
        UsageError: it is asked for something, and a head does not do it; or torchrun starts several processes, and a
            student is trained by one.
    """
    from resnext.pipeline.whole_network import WholeRequest
    from resnext.training.full.settings import process_of

    is_student = training.method == "semi" and semi.student == "full"
    if is_student and process_of().count > 1:
        raise UsageError("--student full is trained by one process; torchrun is for --method full")
    if training.method != "full" and not is_student:
        asked = {
            "--recipe": whole_network.recipe,
            "--epochs": whole_network.epochs,
            "--lr": whole_network.lr,
            "--no-pretrained": whole_network.no_pretrained or None,
        }
        given = [name for name, value in asked.items() if value is not None]
        if given:
            raise UsageError(f"{given[0]} is of the whole network: give --method full too")
        return None
    return WholeRequest(
        recipe=whole_network.recipe,
        epochs=whole_network.epochs,
        lr=whole_network.lr,
        batch_size=compute.batch_size,
        seed=training.seed,
        pretrained=not whole_network.no_pretrained,
        device=compute.device,
        bf16=None if compute.precision == "auto" else compute.precision == "bf16",
        workers=compute.workers,
        resume=place.resume,
    )


def _folder(labels: LabelOptions, photos: PhotoOptions) -> str | None:
    """The folder of folders; None where a table says all.

    Raises:
        UsageError: neither is given, or both.
    """
    import os

    folder = labels.folder
    if labels.labels_from is not None:
        if folder is not None:
            raise UsageError("--labels-from is the list of photos; a folder has no place beside it")
        return None
    if folder is None or not os.path.isdir(folder):  # noqa: PTH112
        what = f"{folder} is no folder: " if folder is not None else ""
        raise UsageError(
            f"{what}name one folder that holds a folder of photos for each class, or give --labels-from FILE"
        )
    if photos.column is not None or labels.label_column is not None:
        raise UsageError("--column and --label-column are of a table: give --labels-from FILE")
    return folder


def _semi(semi: SemiOptions, training: TrainingOptions, asked: "RunRequest") -> "SemiRequest | None":
    """What `--method semi` is asked for; None of another method.

    Raises:
        UsageError: it lacks photos, or another method has its options.
    """
    given = semi.unlabelled or semi.top_per_class is not None or semi.top_p != 1 or semi.teacher is not None
    given = given or semi.student != "head"
    if training.method != "semi":
        if given:
            raise UsageError("--unlabelled, --top-per-class, --top-p, --teacher and --student belong to --method semi")
        return None
    if not semi.unlabelled:
        raise UsageError("--method semi learns from photos without labels: name them with --unlabelled")
    from resnext.pipeline.semi_job import SemiRequest
    from resnext.records import Failure, Source
    from resnext.shelf.request import Adjustments
    from resnext.sources import find, without_missing

    teacher = None
    if semi.teacher is not None:
        own = asked.model._replace(model=semi.teacher, weights=None, adjustments=Adjustments())
        teacher = asked._replace(model=own, summary_file=None)
    found: list[Source | Failure] = []
    for path in semi.unlabelled:
        here = list(find([path], asked.sources))
        if len(here) == 1:  # what a folder or an archive lists is there
            here = list(without_missing(here))
        if all(isinstance(each, Failure) for each in here):
            why = next(each.message for each in here if isinstance(each, Failure))
            raise UsageError(f"--unlabelled {path}: no photo there: {why}")
        found += here
    return SemiRequest(tuple(found), semi.top_per_class, semi.top_p, teacher, semi.student)


def _found(folder: str | None, labels: LabelOptions, photos: PhotoOptions, config: "SourceConfig") -> "FoundPhotos":
    from resnext.training.photos import in_folders, in_table

    if folder is not None:
        return in_folders(folder, config.folders, nested=labels.nested)
    return in_table(str(labels.labels_from), config, photos.column, labels.label_column)


def _listing(request: "TrainRequest", *, as_json: bool) -> str:
    """`--dry-run`: the classes with their photos, of each split."""
    from collections import Counter

    from resnext.console.terminal import printable
    from resnext.pipeline.train_photos import classes_of

    classes = classes_of(request.found)
    splits = {split: request.found.of(split) for split in ("train", "val", "test")}
    counts = {split: Counter(each.name for each in named) for split, named in splits.items() if named}
    if as_json:
        document = {
            "classes": [{"name": name, **{split: of[name] for split, of in counts.items()}} for name in classes]
        }
        return json.dumps(document, indent=2) + "\n"
    lines = [f"{'class':28}" + "".join(f"{split:>12}" for split in counts)]
    lines += [f"{printable(name)[:28]:28}" + "".join(f"{of[name]:12,}" for of in counts.values()) for name in classes]
    return "\n".join(lines) + "\n"


def _table(report: dict[str, object]) -> str:
    from resnext.outputs.training_report import lines_of

    return "\n".join(lines_of(report)) + "\n"
