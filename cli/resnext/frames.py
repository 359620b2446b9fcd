"""More than the first frame of an animation or a multi-page file: one input a frame."""

import io
import itertools
from collections.abc import Iterable, Iterator
from functools import partial

from PIL import Image, ImageSequence

from resnext.color import to_rgb
from resnext.decode import DecodeConfig, opened
from resnext.errors import InputError
from resnext.records import Failure, Source


def each_frame(
    sources: Iterable[Source | Failure], limit: int | None, config: DecodeConfig
) -> Iterator[Source | Failure]:
    """Give every frame of every source as a Source of its own, `limit` of each at most (None: all), lazily.

    A file that breaks in its middle gives its frames up to there, then one Failure. Frames are decoded here one after
    the other, because most formats store only what changes from one to the next.
    """
    for source in sources:
        if isinstance(source, Failure):
            yield source
        else:
            yield from _frames(source, limit, config)


def _frames(source: Source, limit: int | None, config: DecodeConfig) -> Iterator[Source | Failure]:
    number = 0
    try:
        with opened(source, config) as image:
            for frame in itertools.islice(ImageSequence.Iterator(image), limit):
                yield Source(source.file, partial(bytes, _as_png(frame)), frame=number)
                number += 1
    except InputError as error:
        yield Failure(Source(source.file, frame=number), error.code, str(error))


def _as_png(frame: Image.Image) -> bytes:
    """The frame as a picture of its own, lossless, with what decoding needs to know of it."""
    if frame.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        frame = to_rgb(frame)
    buffer = io.BytesIO()
    frame.save(buffer, "PNG", compress_level=0, exif=frame.getexif(), icc_profile=frame.info.get("icc_profile"))
    return buffer.getvalue()
