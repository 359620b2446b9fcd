"""The inputs that a request names: found, counted, and whether they are few."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from resnext.pipeline.look_ahead import LookAhead
    from resnext.pipeline.run import RunRequest
    from resnext.records import Failure, Source
    from resnext.sources.skipped import SkippedFiles

MANY = 16  # from this many inputs on, throughput pays for its slower start


def inputs_of(
    request: "RunRequest", frame_count: "Callable[[Source], int]", passed_over: "SkippedFiles | None" = None
) -> "Iterator[Source | Failure]":
    """Find the inputs that the request names; with --frames, each frame is an input."""
    from resnext.sources import find

    if request.inputs is not None:
        return iter(request.inputs)
    return each_input(find(request.paths, request.sources, passed_over), request, frame_count)


def each_input(
    found: "Iterator[Source | Failure]", request: "RunRequest", frame_count: "Callable[[Source], int]"
) -> "Iterator[Source | Failure]":
    """Give what was found; with --frames the frames of each file."""
    if request.frames == 1:
        return found
    from resnext.images.decode import DecodeConfig
    from resnext.images.frames import each_frame
    from resnext.pipeline.look_ahead import fetched_ahead

    return each_frame(fetched_ahead(found), request.frames, DecodeConfig(0, request.max_megapixels), frame_count)


def are_few(request: "RunRequest") -> bool:
    """Tell whether the request names a few files, each of them a picture by its name and of one frame."""
    from resnext.sources.folders import is_picture

    # Path.is_file would raise where it may not look.
    named = 0 < len(request.paths) < MANY and not request.sources.files_from and request.frames == 1
    return named and all(is_picture(path) and os.path.isfile(path) for path in request.paths)  # noqa: PTH113


def count_of(request: "RunRequest", look_ahead: "LookAhead", done_before: int) -> "Callable[[], int | None]":
    """Give the function that tells the number of remaining inputs, None until it is known. It never waits."""
    from resnext.sources.counting import InputCount

    if request.inputs is not None:
        remaining = max(0, len(request.inputs) - done_before)
        return lambda: remaining
    counted = InputCount(request.paths, request.sources) if request.frames == 1 else None

    def total() -> int | None:
        found = look_ahead.total()
        if found is not None or counted is None:
            return found
        all_inputs = counted.total()
        return None if all_inputs is None else max(0, all_inputs - done_before)

    return total
