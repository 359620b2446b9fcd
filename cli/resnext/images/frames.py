"""More than the first frame of an animation or a multi-page file: one input a frame."""

import io
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

from PIL import Image, ImageSequence

from resnext.errors import InputError
from resnext.images.color import to_rgb
from resnext.images.decode import DecodeConfig, opened
from resnext.records import Failure, Source


def each_frame(
    sources: Iterable[Source | Failure], limit: int | None, config: DecodeConfig
) -> Iterator[Source | Failure]:
    """Give every frame of every source as a Source of its own, `limit` of each at most (None: all), lazily.

    Frame 3 of cat.gif is called cat.gif#frame=3, counted from 0; what has one frame keeps its name. A file that breaks
    in its middle gives its frames up to there, then one Failure. Frames are decoded here one after the other, because
    most formats store only what changes from one to the next.
    """
    for source in sources:
        if isinstance(source, Failure):
            yield source
        else:
            yield from _frames(source, limit, config)


def _frames(source: Source, limit: int | None, config: DecodeConfig) -> Iterator[Source | Failure]:
    number = 0
    try:
        if source.read is not None:
            content = source.read()  # fetched once: the frames and a still's decoding read the same bytes
            source = replace(source, read=lambda: content, remote=False)
        with opened(source, config) as image:
            if getattr(image, "n_frames", 1) == 1:
                yield source
                return
            for frame in itertools.islice(ImageSequence.Iterator(image), limit):
                yield Source(_name(source, number), partial(bytes, _as_png(frame)))
                number += 1
    except InputError as error:
        yield Failure(Source(_name(source, number)) if number else source, error.code, str(error))


def _name(source: Source, number: int) -> str:
    return f"{source.file}#frame={number}"


def _as_png(frame: Image.Image) -> bytes:
    """The frame as a picture of its own, lossless, with what decoding needs to know of it."""
    if frame.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        frame = to_rgb(frame)
    buffer = io.BytesIO()
    frame.save(buffer, "PNG", compress_level=0, exif=frame.getexif(), icc_profile=frame.info.get("icc_profile"))
    return buffer.getvalue()
