"""The groups of options that commands share: spelling, type, default, help. Those of one command are in its file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from resnext.commands.groups import Argument, Option, OptionGroup, number, whole
from resnext.commands.values import Channels, Size, channels, read_frames, read_shard, size
from resnext.engines import EngineName, Precision
from resnext.records import Isolation, Shard

if TYPE_CHECKING:
    from resnext.pipeline.tagging import TagRequest

DAY = 86_400.0  # seconds
Interpolation = Literal["auto", "bilinear", "bicubic", "lanczos", "nearest", "box", "hamming"]


def model_names() -> list[str]:
    """What a shell offers where a model is asked for; any other name of timm's is taken too."""
    from resnext.models.catalog import AUTO, CATALOG

    return [AUTO, *(entry.name for entry in CATALOG)]


class ModelOptions(OptionGroup):
    """Which model."""

    title = "Model"

    model: Annotated[
        str,
        Option(
            "--model", "-m", metavar="NAME", offers=model_names,
            help="A model of the shelf, any timm classifier, or auto.",
        ),
    ] = "auto"  # fmt: skip
    weights: Annotated[
        Path | None,
        Option(metavar="FILE", help="Take the model's weights from a checkpoint (.safetensors, .pth)."),
    ] = None
    offline: Annotated[bool, Option("--offline", help="Use only what is on this machine.")] = False
    input_size: Annotated[
        Size | None,
        Option(
            metavar="N|H,W", parser=size, show_default=False, help="Pixels of its input, in place of the model's own."
        ),
    ] = None
    crop_pct: Annotated[
        float | None,
        Option(
            metavar="P", parser=number(0.05, 4), show_default=False,
            help="The share of the resized photo that the crop keeps.",
        ),
    ] = None  # fmt: skip
    interpolation: Annotated[
        Interpolation, Option(show_default=False, help="How photos are resized; auto is the model's own way.")
    ] = "auto"
    mean: Annotated[
        Channels | None,
        Option(
            metavar="R,G,B", parser=channels(-100, 100), show_default=False,
            help="What is subtracted from the channels, which are from 0 to 1.",
        ),
    ] = None  # fmt: skip
    std: Annotated[
        Channels | None,
        Option(
            metavar="R,G,B", parser=channels(1e-6, 1e6), show_default=False, help="What they are divided by afterwards."
        ),
    ] = None


class TagOptions(OptionGroup):
    """How tags are chosen."""

    title = "Tags"

    sure: Annotated[
        float | None,
        Option(
            metavar="P", parser=number(0.0001, 1), show_default=False,
            help="How likely right a tag has to be, up to 1. Default: what was measured for the model.",
        ),
    ] = None  # fmt: skip
    vocabulary: Annotated[
        Path | None,
        Option(metavar="FILE", help="Your own names and groups; begin with 'resnext info --vocabulary'."),
    ] = None

    def request(self) -> "TagRequest":
        """What was asked of tags."""
        from resnext.pipeline.tagging import TagRequest

        return TagRequest(self.sure, self.vocabulary)


class ComputeOptions(OptionGroup):
    """How it computes."""

    title = "Speed and precision"

    exact: Annotated[
        bool, Option("--exact", help="As timm computes: fp32, and every JPEG decoded in full. Slower.")
    ] = False
    precision: Annotated[Precision, Option(help="auto: bf16 where the CPU has it; int8 after resnext quantize.")] = (
        "auto"
    )
    engine: Annotated[EngineName, Option(help="What computes; torch is the slow reference.")] = "openvino"
    device: Annotated[
        str,
        Option(
            metavar="cpu|cuda|mps",
            offers=lambda: ["cpu", "cuda", "mps"],
            help="Where the torch engine computes.",
        ),
    ] = "cpu"
    batch_size: Annotated[
        int | None,
        Option(
            "--batch-size", "-b", metavar="N", parser=whole(1, 1024),
            help="Photos a batch, 1 to 1024. Default: what suits the CPU.",
        ),
    ] = None  # fmt: skip
    workers: Annotated[
        int | None,
        Option(
            "--workers", "-j", metavar="N", parser=whole(1, 256),
            help="Photos that are decoded at once, 1 to 256. Default: one a core.",
        ),
    ] = None  # fmt: skip
    isolate: Annotated[
        Isolation,
        Option(
            help="always: decode in processes with limits of memory and time, so that no photo can end the run; for"
            " uploads of strangers. auto: never."
        ),
    ] = "auto"


class PhotoOptions(OptionGroup):
    """Which photos are taken of what is named, and within which bounds they are read."""

    title = "Inputs"

    column: Annotated[str | None, Option(metavar="NAME", help="The column of a list with columns. Default: file.")] = (
        None
    )
    exclude_dir: Annotated[
        list[str] | None,
        Option(
            metavar="NAME", show_default=False,
            help="Skip folders of this name; may be repeated. Adds to .git, node_modules, @eaDir and their like.",
        ),
    ] = None  # fmt: skip
    include_hidden: Annotated[
        bool, Option("--include-hidden", help="Also take files and folders whose names begin with a dot.")
    ] = False
    max_image_megapixels: Annotated[
        float, Option(metavar="MP", parser=number(0.001, 1e6), help="Refuse larger images.")
    ] = 200.0
    max_file_size: Annotated[
        float,
        Option(
            metavar="MB", parser=number(0.001, 1e6),
            help="Refuse larger downloads, archive members and images on stdin.",
        ),
    ] = 100.0  # fmt: skip
    timeout: Annotated[
        float,
        Option(
            metavar="SECONDS", parser=number(0.1, DAY), help="For each address in all, retries included; up to a day."
        ),
    ] = 30.0
    retries: Annotated[
        int, Option(metavar="N", parser=whole(0, 100), help="Further attempts where they may help, up to 100.")
    ] = 2


class InputOptions(PhotoOptions):
    """What is read: anything that can be named."""

    title = "Inputs"

    paths: Annotated[
        list[str] | None,
        Argument(
            metavar="[PATH]...",
            help="Photos, folders (searched recursively), quoted patterns (**/*.jpg), archives (.zip, .tar), addresses"
            " (https://..., s3://...); - is one image on stdin. Without any, stdin is read as a list.",
        ),
    ] = None  # fmt: skip
    files_from: Annotated[
        list[str] | None,
        Option(
            metavar="FILE", show_default=False,
            help="Also read a list of inputs: lines, or a column of .csv, .tsv, .jsonl or .parquet; - is stdin. May be"
            " repeated.",
        ),
    ] = None  # fmt: skip
    null: Annotated[bool, Option("--null", "-0", help="Lists are separated by NUL, as find -print0 writes them.")] = (
        False
    )
    shard: Annotated[
        Shard | None,
        Option(
            metavar="I/N", parser=read_shard, show_default=False,
            help="Of all inputs only part I of N: N runs, on as many machines, do each input once.",
        ),
    ] = None  # fmt: skip


class FrameOptions(OptionGroup):
    """Which pictures of a file with several."""

    title = "Inputs"

    frames: Annotated[
        int | None,
        Option(
            metavar="N|all", parser=read_frames, offers=lambda: ["all"],
            help="Frames of an animation or pages of a file, a row each.",
        ),
    ] = 1  # fmt: skip


class FileOptions(OptionGroup):
    """What happens to an --output file that exists."""

    title = "Output"

    overwrite: Annotated[
        bool, Option("--overwrite", help="Replace an existing --output file, once the new one is complete.")
    ] = False
    resume: Annotated[
        bool, Option("--resume", help="Continue the --output file: do what is missing, and again what failed.")
    ] = False


class RunOptions(OptionGroup):
    """How a run goes, and when it ends."""

    title = "Run"

    dry_run: Annotated[bool, Option("--dry-run", help="Only list what would be read: one path a line, or --json.")] = (
        False
    )
    strict: Annotated[bool, Option("--strict", help="Stop at the first input that fails.")] = False
    max_errors: Annotated[
        int | None, Option(metavar="N", parser=whole(1, 10**9), help="Stop when N inputs have failed.")
    ] = None
    summary_file: Annotated[
        Path | None, Option(metavar="FILE", help="Write the run in numbers to a file, as JSON.")
    ] = None
    no_progress: Annotated[bool, Option("--no-progress", help="No progress bar.")] = False
