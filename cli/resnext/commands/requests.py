"""The groups of options that runs share -> the parts of their requests, checked against each other."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from resnext.errors import ResnextError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from resnext.commands.groups import MessageOptions
    from resnext.commands.options import ComputeOptions, InputOptions, ModelOptions, RunOptions
    from resnext.console.terminal import Notices
    from resnext.pipeline.run import RunRequest
    from resnext.shelf.shelf import ModelRequest
    from resnext.sources.config import SourceConfig


def run_request(
    inputs: "InputOptions",
    model: "ModelOptions",
    compute: "ComputeOptions",
    run: "RunOptions",
    messages: "MessageOptions",
    frames: int | None = 1,
) -> "RunRequest":
    """What every run is asked for; `frames` None: all of each file.

    Raises:
        UsageError: options that contradict each other; nothing to read.
    """
    from resnext.pipeline.run import RunRequest

    return RunRequest(
        paths=tuple(inputs.paths or ()),
        model=_model_request(model, compute),
        color=messages.color,
        sources=source_config(inputs, model.offline),
        frames=frames,
        max_megapixels=inputs.max_image_megapixels,
        exact=compute.exact,
        workers=compute.workers,
        isolate=compute.isolate,
        progress=not (run.no_progress or messages.quiet),
        summary_file=run.summary_file,
        max_errors=1 if run.strict else run.max_errors,
    )


def model_to_continue_with(model: "ModelOptions", result: Path, notices: "Notices") -> "ModelOptions":
    """For --resume with --model auto: give the model that made the rows of the result, and say so."""
    from resnext.outputs.run_note import model_in_note

    return same_model(model, model_in_note(result), result.name, notices)


def same_model(model: "ModelOptions", made_with: object, result: str, notices: "Notices") -> "ModelOptions":
    """For --model auto: the model that a result was made with, where it is known."""
    if model.model.lower() != "auto" or model.weights is not None or not isinstance(made_with, str) or not made_with:
        return model
    notices.info(f"going on with {made_with}, which {result} was made with")
    return model.replace(model=made_with)


def claimed(name: object, written: "Sequence[tuple[str, Path]]") -> AbstractContextManager[None]:
    """Keep other runs off what this one will write, before its model is loaded; raises as outputs.claims.claimed."""
    if not written:
        return nullcontext()
    from resnext.outputs.claims import claimed
    from resnext.store.store import Store, cache_root

    try:
        claims = Store(cache_root()).output_claims()
    except ResnextError:  # whoever needs the store says so
        return nullcontext()
    return claimed(str(name), written, claims)


def check_summary(path: Path | None, others: "Iterable[tuple[str, Path]]") -> None:
    """Refuse a --summary-file that can't be, before a model is loaded; `others` are what the run writes besides.

    Raises:
        UsageError, OutputError: as check_summary_file.
    """
    if path is not None:
        from resnext.outputs.summary import check_summary_file

        check_summary_file(path, others)


def _model_request(model: "ModelOptions", compute: "ComputeOptions") -> "ModelRequest":
    """Which model, and how it computes.

    Raises:
        UsageError: --exact and another precision than its own.
    """
    from resnext.shelf.request import Adjustments, ModelRequest

    if compute.exact and compute.precision in ("bf16", "int8"):
        raise UsageError(f"--exact and --precision {compute.precision} contradict each other")
    if compute.engine == "torch" and compute.precision == "int8":
        raise UsageError("--engine torch has no int8")
    return ModelRequest(
        model=model.model,
        weights=model.weights,
        engine=compute.engine,
        device=compute.device,
        precision="fp32" if compute.exact else compute.precision,
        batch_size=compute.batch_size,
        offline=model.offline,
        adjustments=Adjustments(
            input_size=model.input_size,
            crop_pct=model.crop_pct,
            interpolation=None if model.interpolation == "auto" else model.interpolation,
            mean=model.mean,
            std=model.std,
        ),
    )


def source_config(inputs: "InputOptions", offline: bool) -> "SourceConfig":
    """Where inputs come from, and within which bounds.

    Raises:
        UsageError: nothing to read, or stdin for two things.
    """
    from resnext.sources import check
    from resnext.sources.config import DEFAULT_EXCLUDED_DIRS, FolderConfig, ListConfig, SourceConfig

    excluded = frozenset([*DEFAULT_EXCLUDED_DIRS, *(inputs.exclude_dir or ())])
    config = SourceConfig(
        folders=FolderConfig(excluded, inputs.include_hidden),
        files_from=tuple(inputs.files_from or ()),
        lists=ListConfig(null=inputs.null, column=inputs.column),
        timeout=inputs.timeout,
        retries=inputs.retries,
        max_bytes=int(inputs.max_file_size * 1e6),
        offline=offline,
        shard=inputs.shard,
    )
    return check(tuple(inputs.paths or ()), config)
