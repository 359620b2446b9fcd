"""When photos were taken, by their EXIF; and which of them are one burst."""

from collections.abc import Sequence
from datetime import datetime

from PIL import Image

from resnext.errors import InputError
from resnext.images.content import content
from resnext.records import Source

_IFD, _ORIGINAL, _CHANGED = 0x8769, 0x9003, 0x0132
_BURST_SECONDS = 60.0


def bursts(sources: Sequence[Source]) -> list[int | None]:
    """Give each photo the number of its burst: photos of which each was taken within a minute of the one before.

    None for a photo that does not tell its time, or is from another machine.
    """
    times = {at: time for at, source in enumerate(sources) if (time := taken_at(source)) is not None}
    found: list[int | None] = [None] * len(sources)
    burst, last = 0, float("-inf")
    for at, time in sorted(times.items(), key=lambda each: (each[1], each[0])):
        burst += time - last > _BURST_SECONDS
        found[at], last = burst, time
    return found


def taken_at(source: Source) -> float | None:
    """When a local photo was taken, in seconds by the camera's clock."""
    if source.remote:
        return None
    try:
        with content(source) as stream, Image.open(stream) as image:
            exif = image.getexif()
            text = exif.get_ifd(_IFD).get(_ORIGINAL) or exif.get(_CHANGED)
        return (datetime.strptime(str(text).strip("\0 "), "%Y:%m:%d %H:%M:%S") - datetime(1970, 1, 1)).total_seconds()
    except (InputError, OSError, ValueError, SyntaxError, KeyError, TypeError, Image.DecompressionBombError):
        return None
