"""The options that `train` alone has, in groups."""

from pathlib import Path
from typing import Annotated, Literal

from resnext.commands.groups import Argument, Option, OptionGroup, number, whole


class LabelOptions(OptionGroup):
    """What photos show."""

    title = "Labels"

    folder: Annotated[
        str | None,
        Argument(
            metavar="[FOLDER]", help="A folder that holds a folder of photos for each class, called as the class."
        ),
    ] = None
    labels_from: Annotated[
        Path | None,
        Option(
            metavar="FILE",
            help="A table of photos and labels (.csv, .tsv, .jsonl, .parquet), in place of folders' names.",
        ),
    ] = None
    label_column: Annotated[
        str | None, Option(metavar="NAME", help="Its column of labels. Default: label, or what classify wrote.")
    ] = None
    nested: Annotated[
        bool, Option("--nested", help="Folders in the folders of classes are classes too, called a/b.")
    ] = False
    test: Annotated[
        Path | None,
        Option(metavar="DIR", help="Folders of the same classes with photos that only measure."),
    ] = None


class PlaceOptions(OptionGroup):
    """Where the model goes, and what happens where something stands already."""

    title = "Output"

    output: Annotated[
        Path | None,
        Option("--output", "-o", metavar="FOLDER", help="Where the model goes: a folder in timm's form."),
    ] = None
    overwrite: Annotated[
        bool,
        Option(
            "--overwrite",
            help="Put the new model, once it is complete, in the place of one that is there. Without --resume, what a"
            " killed training left is dropped.",
        ),
    ] = False
    resume: Annotated[
        bool,
        Option(
            "--resume",
            help="Go on with a killed training of the whole network. Features of photos that are known are gone on"
            " with in any case.",
        ),
    ] = False


class TrainingOptions(OptionGroup):
    """How it learns, and how it is measured."""

    title = "Training"

    method: Annotated[
        Literal["head", "full", "semi"],
        Option(
            help="head: a new classifier on the features of the base. full: all of the network, from that head on; the"
            " head is kept where it validates better. semi: learns from photos without labels too."
        ),
    ] = "head"
    group_by: Annotated[
        Literal["looks", "folder", "time", "none"],
        Option(
            help="Photos that are never on both sides of an estimate: near-duplicates by their looks; also those of a"
            " folder, or taken within a minute of each other."
        ),
    ] = "looks"
    seed: Annotated[
        int | None,
        Option(metavar="N", parser=whole(0, 2**31 - 1), help="Of what is left to chance. Default: 0, or the recipe's."),
    ] = None
    json: Annotated[bool, Option("--json", help="Print what was found as one JSON document.")] = False


class SemiOptions(OptionGroup):
    """What photos without labels teach."""

    title = "Photos without labels (--method semi)"

    unlabelled: Annotated[
        list[str] | None,
        Option(metavar="PATH", help="Photos, folders, patterns or archives without labels. May be repeated."),
    ] = None
    top_per_class: Annotated[
        int | None,
        Option(
            metavar="K",
            parser=whole(1, 10_000_000),
            help="Each class takes its best K. Default: a third of an equal share, at most 16000.",
        ),
    ] = None
    top_p: Annotated[
        int,
        Option(metavar="P", parser=whole(1, 100_000), help="Of photos that have the class among their best P."),
    ] = 1
    teacher: Annotated[
        str | None,
        Option(
            metavar="MODEL", help="A model that has the classes and scores the photos. Default: a head of the labels."
        ),
    ] = None
    student: Annotated[
        Literal["head", "full"],
        Option(
            help="head: learns from labels and pseudo-labels at once. full: all of the network, from the pseudo-labels"
            " first, then from the labels alone."
        ),
    ] = "head"


class WholeOptions(OptionGroup):
    """How the whole network is trained; -b, -j, --device, --precision and --resume count for it too."""

    title = "Whole network (--method full, --student full)"

    recipe: Annotated[
        Path | None,
        Option(metavar="FILE", help="A recipe under the names of timm's args.yaml; what can't be honoured is refused."),
    ] = None
    epochs: Annotated[
        int | None, Option(metavar="N", parser=whole(1, 100_000), help="How often all photos are gone through.")
    ] = None
    lr: Annotated[float | None, Option(metavar="RATE", parser=number(0, 1e3), help="The highest learning rate.")] = None
    no_pretrained: Annotated[
        bool, Option("--no-pretrained", help="Begin from nothing, without the weights of the base.")
    ] = False
