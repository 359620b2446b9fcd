"""The options that runs share -> the parts of their requests, checked."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from resnext.errors import UsageError

if TYPE_CHECKING:
    from resnext.pipeline.run import RunRequest
    from resnext.shelf.shelf import ModelRequest
    from resnext.sources.config import SourceConfig


def run_request(
    paths: list[str] | None,
    model: "ModelRequest",
    sources: "SourceConfig",
    *,
    frames: str,
    max_megapixels: float,
    exact: bool,
    workers: int | None,
    color: str,
    progress: bool,
    summary_file: Path | None,
    max_errors: int | None,
) -> "RunRequest":
    """What every run is asked for.

    Raises:
        UsageError: --frames or --color is something else.
    """
    from resnext.console.terminal import ColorChoice
    from resnext.pipeline.run import RunRequest

    return RunRequest(
        paths=tuple(paths or ()),
        model=model,
        color=one_of("--color", color, get_args(ColorChoice)),
        sources=sources,
        frames=_frames(frames),
        max_megapixels=max_megapixels,
        exact=exact,
        workers=workers or os.cpu_count() or 1,
        progress=progress,
        summary_file=summary_file,
        max_errors=max_errors,
    )


def model_request(
    model: str,
    weights: Path | None,
    engine: str,
    device: str,
    precision: str,
    exact: bool,
    batch_size: int | None,
    offline: bool,
) -> "ModelRequest":
    """Which model, and how it computes.

    Raises:
        UsageError: there is no such engine or precision; --exact and another precision than its own.
    """
    from resnext.engines import EngineName, Precision
    from resnext.shelf.shelf import ModelRequest

    chosen: Precision = one_of("--precision", precision, get_args(Precision))
    if exact and chosen == "bf16":
        raise UsageError("--exact and --precision bf16 contradict each other")
    return ModelRequest(
        model=model,
        weights=weights,
        engine=one_of("--engine", engine, get_args(EngineName)),
        device=device,
        precision="fp32" if exact else chosen,
        batch_size=batch_size,
        offline=offline,
    )


def source_config(
    paths: list[str] | None,
    files_from: list[str] | None,
    null: bool,
    column: str | None,
    timeout: float,
    retries: int,
    max_file_size: float,
    exclude_dir: list[str] | None,
    include_hidden: bool,
    offline: bool,
) -> "SourceConfig":
    """Where inputs come from, and within which bounds.

    Raises:
        UsageError: nothing to read, or stdin for two things.
    """
    from resnext.sources import check
    from resnext.sources.config import DEFAULT_EXCLUDED_DIRS, FolderConfig, ListConfig, SourceConfig

    config = SourceConfig(
        folders=FolderConfig(frozenset([*DEFAULT_EXCLUDED_DIRS, *(exclude_dir or ())]), include_hidden),
        files_from=tuple(files_from or ()),
        lists=ListConfig(null=null, column=column),
        timeout=timeout,
        retries=retries,
        max_bytes=int(max_file_size * 1e6),
        offline=offline,
    )
    return check(tuple(paths or ()), config)


def check_summary(path: Path | None) -> None:
    """Refuse a --summary-file that can't be, before a model is loaded.

    Raises:
        UsageError, OutputError: as check_summary_file.
    """
    if path is not None:
        from resnext.outputs.summary import check_summary_file

        check_summary_file(path)


def one_of(option: str, value: str, allowed: tuple[Any, ...]) -> Any:
    """Check a choice; Typer's enums would need a class for every Literal that the rooms already have."""
    if value not in allowed:
        raise UsageError(f"{option} {value}: not one of {', '.join(allowed)}")
    return value


def _frames(value: str) -> int | None:
    """How many frames of each file; None for all."""
    if value == "all":
        return None
    if not value.isascii() or not value.isdecimal() or not 1 <= int(value[:9]):
        raise UsageError(f"--frames {value}: neither a number from 1 on nor all")
    return int(value[:9])
