"""More than the first frame of an animation or a multi-page file: one input a frame."""

import io
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from resnext.errors import InputError
from resnext.images.decode import DecodeConfig, decode, frame_count
from resnext.records import Failure, Source


class Frame:
    """One picture of a file of several; what a Source of it is read by.

    Decoders take it from the file itself, within their bounds; whoever reads it gets a picture of its own.
    """

    def __init__(self, of: Source, number: int, config: DecodeConfig) -> None:
        self.of, self.number, self.config = of, number, config

    def __call__(self) -> bytes:
        """Give the frame as a PNG."""
        buffer = io.BytesIO()
        decode(self.of, self.config, frame=self.number).save(buffer, "PNG", compress_level=0)
        return buffer.getvalue()


def each_frame(
    sources: Iterable[Source | Failure],
    limit: int | None,
    config: DecodeConfig,
    count: Callable[[Source], int] | None = None,
) -> Iterator[Source | Failure]:
    """Give every frame of every source as a Source of its own, `limit` of each at most (None: all), lazily.

    Frame 3 of cat.gif is called cat.gif#frame=3, counted from 0; what has one frame keeps its name. Frames that
    wait to be decoded are no more than names. `count` counts the frames of a file, or raises InputError: without one,
    this process does.
    """
    count = count or partial(frame_count, config=config)
    for source in sources:
        if isinstance(source, Failure):
            yield source
        else:
            yield from _frames(source, limit, config, count)


def _frames(
    source: Source, limit: int | None, config: DecodeConfig, count_in: Callable[[Source], int]
) -> Iterator[Source | Failure]:
    try:
        if source.read is not None:
            content = source.read()  # fetched once: the frames and a still's decoding read the same bytes
            source = source._replace(read=lambda: content, remote=False)
        count = count_in(source)
    except InputError as error:
        yield Failure(source, error.code, str(error))
        return
    if count == 1:
        yield source
        return
    path = source.file if source.read is None else source.path
    for number in range(count if limit is None else min(limit, count)):
        yield Source(f"{source.file}#frame={number}", Frame(source, number, config), path=path)
