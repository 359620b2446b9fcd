"""Every frame as an input of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from resnext.errors import FailureCode, InputError
from resnext.images.decode import DecodeConfig, decode, frame_count
from resnext.images.frames import each_frame
from resnext.records import Failure, Source

CONFIG = DecodeConfig(min_shorter_side=0)
COLORS = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]


def animation(path: Path, colors: list[tuple[int, int, int]] = COLORS) -> Source:
    first, *rest = [Image.new("RGB", (40, 30), color) for color in colors]
    first.save(path, save_all=True, append_images=rest)
    return Source(str(path))


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif", "avif"])
def test_frames_come_in_order_with_their_own_pixels(tmp_path: Path, suffix: str) -> None:
    source = animation(tmp_path / f"a.{suffix}")
    frames = list(each_frame([source], None, CONFIG))
    assert [frame.file for frame in frames if isinstance(frame, Source)] == [
        f"{source.file}#frame={number}" for number in range(3)
    ]
    for frame, color in zip(frames, COLORS, strict=True):
        assert isinstance(frame, Source)
        pixel = decode(frame, CONFIG).getpixel((20, 15))
        assert isinstance(pixel, tuple)
        assert all(abs(got - wanted) < 8 for got, wanted in zip(pixel, color, strict=True))


def test_a_limit_holds_for_each_file_and_a_still_has_one_frame(tmp_path: Path) -> None:
    moving = animation(tmp_path / "a.gif")
    still = tmp_path / "b.jpg"
    Image.new("RGB", (40, 30)).save(still)
    frames = [frame for frame in each_frame([moving, Source(str(still))], 2, CONFIG) if isinstance(frame, Source)]
    assert [Path(frame.file).name for frame in frames] == ["a.gif#frame=0", "a.gif#frame=1", "b.jpg"]


def test_a_file_that_breaks_in_its_middle_gives_what_it_has_then_one_failure(tmp_path: Path) -> None:
    source = animation(tmp_path / "a.gif")
    content = Path(source.file).read_bytes()
    Path(source.file).write_bytes(content[:-30])
    assert frame_count(source, CONFIG) == 3
    assert [decode(source, CONFIG, frame=number).size for number in range(2)] == [(40, 30)] * 2
    with pytest.raises(InputError) as caught:
        decode(source, CONFIG, frame=2)
    assert caught.value.code in (FailureCode.TRUNCATED, FailureCode.CORRUPT)


def test_failures_pass_through_and_frames_are_lazy(tmp_path: Path) -> None:
    missing = Failure(Source("gone"), FailureCode.NOT_FOUND, "no such file")
    pulled: list[int] = []

    def endless() -> Iterator[Source | Failure]:
        yield missing
        for number in range(1000):
            pulled.append(number)
            yield animation(tmp_path / f"{number}.gif")

    frames = each_frame(endless(), None, CONFIG)
    assert next(frames) is missing
    next(frames)
    assert pulled == [0]
