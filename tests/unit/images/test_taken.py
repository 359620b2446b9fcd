"""When photos were taken, and which are one burst: by EXIF alone, in any order, and nothing where it says nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from resnext.errors import FailureCode, InputError
from resnext.images.taken import bursts, taken_at
from resnext.records import Source

ORIGINAL, CHANGED, IFD = 0x9003, 0x0132, 0x8769
Make = Callable[..., Source]


@pytest.fixture
def photo(tmp_path: Path) -> Make:
    """Makes a photo that was taken at `time`, as its camera writes it; `changed` stands where programs write."""

    def make(name: str, time: str | None = None, changed: str | None = None) -> Source:
        exif = Image.Exif()
        if time is not None:
            exif.get_ifd(IFD)[ORIGINAL] = time
        if changed is not None:
            exif[CHANGED] = changed
        Image.new("RGB", (8, 8)).save(tmp_path / name, exif=exif)
        return Source(str(tmp_path / name))

    return make


def test_the_time_is_that_of_the_camera(photo: Make) -> None:
    assert taken_at(photo("a.jpg", "1970:01:02 00:00:01")) == 86_401
    assert taken_at(photo("b.jpg", "1970:01:02 00:00:01", "2020:01:01 00:00:00")) == 86_401
    assert taken_at(photo("c.jpg", changed="1970:01:01 00:01:00")) == 60
    assert taken_at(photo("d.webp", "1970:01:01 01:00:00")) == 3600


@pytest.mark.parametrize("time", [None, "", "0000:00:00 00:00:00", "yesterday", "2020-01-01 00:00:00", "9" * 5000])
def test_what_is_no_time_is_none(photo: Make, time: str | None) -> None:
    assert taken_at(photo("a.jpg", time)) is None


def test_what_is_no_photo_or_elsewhere_has_no_time(photo: Make, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no photo")
    assert taken_at(Source(str(tmp_path / "text.jpg"))) is None
    assert taken_at(Source(str(tmp_path / "missing.jpg"))) is None
    here = photo("a.jpg", "1970:01:01 00:00:01")
    content = Path(here.file).read_bytes()

    def never() -> bytes:
        raise AssertionError("read")

    assert taken_at(Source("https://example.org/a.jpg", read=never, remote=True)) is None
    assert taken_at(Source("a.zip!/a.jpg", read=lambda: content)) == 1

    def broken() -> bytes:
        raise InputError(FailureCode.ARCHIVE, "breaks off")

    assert taken_at(Source("a.zip!/a.jpg", read=broken)) is None


def test_a_burst_goes_on_while_each_follows_within_a_minute(photo: Make) -> None:
    """In the order of the times, not of the names; a chain may be longer than a minute in all."""
    times = ["12:02:30", "12:00:00", "12:01:00", "12:02:00", None, "12:03:31", "13:00:00"]
    sources = [photo(f"{at}.jpg", time and f"2024:05:01 {time}") for at, time in enumerate(times)]
    first, *others, none, late, last = bursts(sources)
    assert others == [first] * 3 and none is None
    assert len({first, late, last}) == 3  # 61 seconds are too many


def test_photos_of_one_second_are_a_burst_and_none_are_none(photo: Make) -> None:
    same = [photo(f"{at}.jpg", "2024:05:01 12:00:00") for at in range(3)]
    assert len(set(bursts(same))) == 1 and None not in bursts(same)
    assert bursts([]) == [] and bursts([photo("x.jpg"), photo("y.jpg")]) == [None, None]


def test_a_bomb_has_no_time(photo: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    source = photo("a.jpg", "1970:01:01 00:00:01")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert taken_at(source) is None
