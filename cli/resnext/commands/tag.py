"""`resnext tag`: tags into XMP sidecars, where photo managers read them, and out again."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from resnext.commands.groups import MessageOptions, Option, OptionGroup, command
from resnext.commands.options import ComputeOptions, FileOptions, InputOptions, ModelOptions, RunOptions, TagOptions
from resnext.errors import ExitCode, UsageError
from resnext.outputs.sidecars.naming import ENDING, Naming

if TYPE_CHECKING:
    from resnext.outputs import OutputRequest


class SidecarOptions(OptionGroup):
    """What is written, and where."""

    title = "Sidecars"

    root: Annotated[
        str, Option(metavar="NAME", help="The branch under which our tags stand in hierarchies; - for none.")
    ] = "auto"
    flat: Annotated[bool, Option("--flat/--no-flat", help="Write them as plain keywords (dc:subject) too.")] = True
    naming: Annotated[
        Naming,
        Option(help="full: IMG.jpg.xmp; stem: IMG.xmp; auto: the one that is there, else full."),
    ] = "auto"
    from_: Annotated[
        Path | None,
        Option("--from", metavar="FILE", help="Write what 'classify --tags -o FILE.jsonl' found; no model runs."),
    ] = None
    undo: Annotated[
        bool, Option("--undo", help="Take back what tag put into the sidecars of PATH, or of --manifest.")
    ] = False
    manifest: Annotated[
        Path | None, Option(metavar="FILE", help="Note each change in a file (JSON Lines); with --undo, read it.")
    ] = None
    labels: Annotated[
        Path | None, Option(metavar="FILE", help="Class names: a line each, or JSON. Default: ImageNet's.")
    ] = None
    output: Annotated[
        Path | None, Option("--output", "-o", metavar="FILE", help="Write the rows to a file (JSON Lines).")
    ] = None
    json: Annotated[bool, Option("--json", help="JSON Lines on a terminal too.")] = False


@command(
    examples=[
        "resnext tag photos/ --dry-run",
        "resnext tag photos/ --manifest tagged.jsonl",
        "resnext classify photos/ --tags -o labels.jsonl && resnext tag --from labels.jsonl",
        "resnext tag --undo photos/",
    ]
)
def tag(
    inputs: InputOptions,
    model: ModelOptions,
    tags: TagOptions,
    sidecars: SidecarOptions,
    file: FileOptions,
    run: RunOptions,
    compute: ComputeOptions,
    messages: MessageOptions,
) -> ExitCode:
    """Write tags of photos into XMP sidecars beside them; photos themselves are never touched.

    A sidecar that exists is edited: all that is not ours stays as it is. --dry-run shows what would change. Exit
    status: 0 all done, 1 some inputs failed, 2 wrong usage, 3 could not run.
    """
    from resnext.commands import requests
    from resnext.outputs import check_output
    from resnext.outputs.sidecars.changes import SidecarRequest
    from resnext.outputs.sidecars.noted import check_manifest
    from resnext.pipeline import tag_job

    _check(inputs, sidecars, file)
    output = _output(sidecars, file)
    written = tuple(check_output(output))
    _check_apart(inputs, tags, sidecars, run, written)
    if sidecars.manifest is not None and not sidecars.undo:
        check_manifest(sidecars.manifest)
    if sidecars.undo:
        paths = tuple(inputs.paths or ())
        with requests.claimed(output.path, written):
            return tag_job.undo_all(paths, sidecars.manifest, dry_run=run.dry_run, output=output)
    root = "" if sidecars.root == "-" else sidecars.root
    wanted = SidecarRequest(root, sidecars.flat, sidecars.naming, run.dry_run, sidecars.manifest)
    if sidecars.from_ is not None:
        with requests.claimed(output.path, written):
            return tag_job.tag_from(sidecars.from_, wanted, output, 1 if run.strict else run.max_errors)
    from resnext.pipeline.run import run as run_job

    request = tag_job.TagJobRequest(
        run=requests.run_request(inputs, model, compute, run, messages),
        labels=sidecars.labels,
        tags=tags.request(),
        sidecars=wanted,
        output=output,
    )
    requests.check_summary(run.summary_file, written)
    notices = messages.notices()
    with requests.claimed(output.path, written):
        return run_job(request.run, lambda opened: tag_job.Tagging(request, opened, notices), notices)


def _check(inputs: InputOptions, sidecars: SidecarOptions, file: FileOptions) -> None:
    """Refuse what contradicts itself.

    Raises:
        UsageError: it does.
    """
    named = bool(inputs.paths or inputs.files_from)
    if sidecars.from_ is not None and (named or sidecars.undo):
        raise UsageError(f"--from and {'--undo' if sidecars.undo else 'PATH'} contradict each other")
    if sidecars.undo and inputs.files_from:
        raise UsageError("--undo takes PATH or --manifest, not --files-from")
    if sidecars.undo and not named and sidecars.manifest is None:
        raise UsageError("nothing to do: name photos, sidecars or folders, or give --manifest")
    if file.resume and (sidecars.undo or sidecars.from_ is not None):
        raise UsageError("--resume is for runs with a model; --from and --undo change nothing twice anyway")
    if "|" in sidecars.root or "/" in sidecars.root or not sidecars.root.isprintable():
        raise UsageError(f"--root {sidecars.root}: one level, without | and /")


def _check_apart(
    inputs: InputOptions,
    tags: TagOptions,
    sidecars: SidecarOptions,
    run: RunOptions,
    written: "tuple[tuple[str, Path], ...]",
) -> None:
    """Refuse a file that is written and is another one of the command's too.

    Raises:
        UsageError: there is one.
    """
    from resnext.outputs.places import check_apart

    named = {
        "the --manifest": sidecars.manifest,
        "the --summary-file": run.summary_file,
        "the rows of --from": sidecars.from_,
        "the --labels": sidecars.labels,
        "the --vocabulary": tags.vocabulary,
    }
    for what in ("the --manifest", "the --summary-file"):
        path = named[what]
        if path is not None and path.name.lower().endswith(ENDING):
            raise UsageError(f"{path}: is named as sidecars are; give {what} another name")
    files = [*written, *((what, path) for what, path in named.items() if path is not None)]
    files += [("a list of inputs", Path(name)) for name in inputs.files_from or () if name != "-"]
    if sidecars.manifest is not None:
        files += [("an input", Path(name)) for name in inputs.paths or ()]
    check_apart(files)


def _output(sidecars: SidecarOptions, file: FileOptions) -> "OutputRequest":
    """Where rows go: JSON Lines, but for people who look on."""
    from resnext.outputs import OutputRequest, choose_format

    shown = choose_format(None, json=sidecars.json, template=None, output=None)
    if sidecars.output is not None:
        if choose_format(None, json=sidecars.json, template=None, output=sidecars.output) != "jsonl":
            raise UsageError(f"{sidecars.output}: rows of tag are JSON Lines; use the ending .jsonl")
        shown = "jsonl"
    return OutputRequest(sidecars.output, shown, overwrite=file.overwrite, resume=file.resume)
