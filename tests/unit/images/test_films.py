"""Files of several pictures stay open from one to the next: each picture is decoded once, by whoever's turn it is."""

import io
import itertools
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from resnext.errors import FailureCode, InputError
from resnext.images.decode import DecodeConfig, decode
from resnext.images.film import Film
from resnext.images.turns import Turns
from resnext.records import Source

IN_FULL = DecodeConfig(0)
COUNT = 8


def moving(kind: str) -> bytes:
    """A square that moves over a picture: most of each frame is that of the one before."""
    frames = []
    for number in range(COUNT):
        frame = Image.linear_gradient("L").resize((60, 40)).convert("RGB")
        frame.paste((number * 30,) * 3, (number * 5, 10, number * 5 + 12, 25))
        frames.append(frame)
    stream = io.BytesIO()
    frames[0].save(stream, kind, save_all=True, append_images=frames[1:], duration=40)
    return stream.getvalue()


class Counted:
    """A content that counts how often it is read, which is how often the file is opened."""

    def __init__(self, content: bytes) -> None:
        self.times, self._content = 0, content

    def __call__(self) -> bytes:
        self.times += 1
        return self._content


def taken(size: int) -> None:
    """Memory is no matter here."""


def code_of(film: Film, number: int) -> FailureCode:
    with pytest.raises(InputError) as caught:
        film.picture(number, taken)
    return caught.value.code


@pytest.mark.parametrize("numbers", [range(COUNT), [1, 2, 5, 7], [0, 3, 2, 7, 6]], ids=["all", "some", "back"])
@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF", "TIFF"])
def test_a_film_gives_what_decode_gives(kind: str, numbers: list[int]) -> None:
    content = Counted(moving(kind))
    source, backs = Source("film", content), sum(b < a for a, b in itertools.pairwise(numbers))
    film = Film(source, IN_FULL)
    seen = [np.array(film.picture(number, taken)) for number in numbers]
    assert content.times == 1 + backs, "opened anew for a picture that follows"
    for number, pixels in zip(numbers, seen, strict=True):
        assert np.array_equal(pixels, np.asarray(decode(source, IN_FULL, frame=number)))
    film.close()


def test_the_pictures_of_a_heic_are_opened_one_by_one() -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    content = moving("HEIF")
    source = Source("film", lambda: content)
    film = Film(source, IN_FULL)
    for number in range(COUNT):
        expected = np.asarray(decode(source, IN_FULL, frame=number))
        assert np.array_equal(np.asarray(film.picture(number, taken)), expected)
        assert film._opened is None


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_behind_a_picture_that_is_broken_there_is_none(kind: str) -> None:
    """And nobody looks for it again, from the beginning, for each of a thousand frames."""
    content = moving(kind)
    counted = Counted(content[: len(content) * 3 // 5])
    film = Film(Source("film", counted), IN_FULL)
    codes = []
    for number in range(COUNT):
        try:
            film.picture(number, taken)
            codes.append("")
        except InputError as error:
            codes.append(error.code)
    assert codes[-1] in (FailureCode.TRUNCATED, FailureCode.CORRUPT)
    assert len(set(codes[codes.index(codes[-1]) :])) == 1
    assert counted.times == 1


def test_behind_a_broken_page_there_are_others() -> None:
    pages = [Image.new("L", (64, 64), level) for level in (10, 20, 30)]
    stream = io.BytesIO()
    pages[0].save(stream, "TIFF", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    content = bytearray(stream.getvalue())
    with Image.open(io.BytesIO(bytes(content))) as image:
        image.seek(1)
        offset = image.tag_v2[273][0]  # type: ignore[attr-defined]
    content[offset : offset + 8] = b"\xff" * 8
    counted = Counted(bytes(content))
    film = Film(Source("film", counted), IN_FULL)
    assert film.picture(0, taken).getpixel((5, 5)) == (10, 10, 10)
    assert code_of(film, 1) in (FailureCode.TRUNCATED, FailureCode.CORRUPT)
    assert film.picture(2, taken).getpixel((5, 5)) == (30, 30, 30)
    assert counted.times == 1


def test_a_frame_that_makes_the_canvas_too_large_is_refused_before_it_is_there() -> None:
    small = moving("GIF")
    frame = b",\0\0\0\0" + (60000).to_bytes(2, "little") * 2 + b"\0\x02\x02\x44\x01\0"
    content = small[:-1] + frame + b";"
    film = Film(Source("film", lambda: content), IN_FULL)
    for number in range(COUNT):
        assert film.picture(number, taken).size == (60, 40)
    assert code_of(film, COUNT) == FailureCode.TOO_LARGE
    assert code_of(film, COUNT + 1) == FailureCode.TOO_LARGE


class Resource:
    def __init__(self, of: Source) -> None:
        self.of, self.closed = of, False

    def close(self) -> None:
        assert not self.closed
        self.closed = True


def test_turns_are_taken_by_one_at_a_time_the_least_number_first() -> None:
    turns, order, source = Turns(Resource), list[int](), Source("film")

    def take(number: int) -> None:
        with turns.turn(source, number):
            order.append(number)

    with ThreadPoolExecutor(4) as pool:
        with turns.turn(source, 0):
            waiting = [pool.submit(take, number) for number in (4, 2, 3, 1)]
            while len(turns._kept[0].numbers) < 5:
                time.sleep(0.001)
            assert not any(each.done() for each in waiting)
            order.append(0)
        for each in waiting:
            each.result()
    assert order == [0, 1, 2, 3, 4]


def test_a_file_is_closed_when_another_has_come_and_nobody_is_at_it() -> None:
    turns, one, two = Turns(Resource), Source("one"), Source("two")
    with turns.turn(one, 0) as first:
        pass
    assert not first.closed
    with turns.turn(one, 1) as again:
        assert again is first
        turns.move_on()
        assert not first.closed
    assert first.closed
    with turns.turn(one, 2) as anew:
        assert anew is not first
    with turns.turn(two, 0) as second:
        assert anew.closed
    assert not second.closed
    turns.move_on()
    assert second.closed
