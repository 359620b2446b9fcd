"""Damaged pictures through the decoder: a picture or an InputError comes out, nothing else, and no crash.

The work is done in a process of its own, which says before each picture which one it is: one that kills it or holds it
up is known, and `damaged(seeds, number)` makes it again.
"""

import io
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from PIL import Image

from resnext.images.formats import EXTRAS, PLUGINS
from support.program import HOSTILE, REPO, SAMPLES, clean_environment

# Pictures are small, so no one of them may take long or much: more is a bomb that passed the bounds.
MAX_MEGAPIXELS = 4
SECONDS_A_PICTURE = 20
MEMORY_BYTES = 3 << 30
HOSTILE_BYTES = 200_000

_WORK = """
import faulthandler, os, resource, sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import test_decode_fuzz as fuzz
from resnext.images.decode import DecodeConfig, decode
from resnext.errors import InputError
from resnext.images.frames import each_frame
from resnext.images.loading import Decoding, loader
from resnext.records import Failure, PreprocessingConfig, Source
from resnext.console.terminal import keep_stderr_for_our_own_lines

keep_stderr_for_our_own_lines()
faulthandler.enable(sys.stderr)
resource.setrlimit(resource.RLIMIT_AS, (fuzz.MEMORY_BYTES,) * 2)
model = PreprocessingConfig((3, 64, 64), "bicubic", 0.875, "center", (0.5,) * 3, (0.5,) * 3)
load = loader(Decoding(model, max_megapixels=fuzz.MAX_MEGAPIXELS))
config = DecodeConfig(0, fuzz.MAX_MEGAPIXELS)
seeds = fuzz.seeds()
number, end = int(sys.argv[2]), time.monotonic() + float(sys.argv[3])
while time.monotonic() < end:
    print(number, flush=True)
    content = fuzz.damaged(seeds, number)
    source = Source(f"{number}.jpg", read=lambda: content)
    try:
        if number % 3 == 0:
            assert load(source).shape == (64, 64, 3)
        elif number % 3 == 1:
            assert decode(source, config).mode == "RGB"
        else:
            for frame in each_frame([source], 3, config):
                assert isinstance(frame, Failure) or decode(frame, config).mode == "RGB"
    except InputError as error:
        assert "\\n" not in str(error) and str(error)
    number += 1
print("end", flush=True)
"""


@cache
def seeds() -> tuple[bytes, ...]:
    """Small whole pictures of every allowed format in several kinds, and the smaller ones of the hostile set."""
    photos = []
    for path in sorted(SAMPLES.iterdir()):
        if path.suffix != ".md":
            with Image.open(path) as photo:
                photos.append(photo.convert("RGB").resize((48, 40)))
    found = [encoded for number, photo in enumerate(photos) for encoded in _all_formats(photo, full=number == 0)]
    if HOSTILE.is_dir():
        files = sorted(path for path in (HOSTILE / "files").iterdir() if path.stat().st_size < HOSTILE_BYTES)
        found += [path.read_bytes() for path in files if path.stat().st_size]
    return tuple(found)


def _all_formats(photo: Image.Image, *, full: bool) -> list[bytes]:
    """One photo as each format; `full` adds modes, compressions, animations and metadata."""
    kinds: list[tuple[Image.Image, str, dict[str, object]]] = [(photo, name, {}) for name in (*PLUGINS, "HEIF", "JXL")]
    if full:
        exif = Image.Exif()
        exif[0x0112], exif[0x010E] = 6, "a photo"
        grey, ink, palette = photo.convert("L"), photo.convert("CMYK"), photo.quantize(16)
        clear, deep = photo.convert("RGBA"), photo.convert("I;16")
        kinds += [
            (photo, "JPEG", {"progressive": True, "exif": exif, "comment": b"x"}),
            *((each, "JPEG", {}) for each in (grey, ink)),
            *((each, "PNG", {"exif": exif}) for each in (grey, palette, clear, deep, photo.convert("1"))),
            *(
                (photo, "TIFF", {"compression": each, "exif": exif})
                for each in ("tiff_lzw", "jpeg", "packbits", "zstd")
            ),
            *((each, "TIFF", {}) for each in (ink, deep, palette, photo.convert("F"), photo.convert("LAB"))),
            (photo.convert("1"), "TIFF", {"compression": "group4"}),
            (photo, "WEBP", {"lossless": True, "exif": exif}),
            (clear, "JPEG2000", {"irreversible": True}),
            *((each, "PPM", {}) for each in (grey, photo.convert("F"))),
            *((photo, name, {"save_all": True, "append_images": [photo.rotate(90)] * 3}) for name in _ANIMATED),
        ]
    import pillow_heif
    import pillow_jxl  # noqa: F401

    pillow_heif.register_heif_opener()
    result = []
    for picture, name, options in kinds:
        stream = io.BytesIO()
        picture.save(stream, name, **options)
        result.append(stream.getvalue())
    return result


_ANIMATED = ("GIF", "PNG", "WEBP", "TIFF", "AVIF")


def damaged(seeds: tuple[bytes, ...], number: int) -> bytes:
    """The `number`-th damaged picture, the same on every machine with the same seeds."""
    rng = random.Random(number)
    content = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 2, 5))):
        rng.choice(_DAMAGES)(content, seeds, rng)
    return bytes(content)


def _flip_bits(content: bytearray, seeds: tuple[bytes, ...], rng: random.Random) -> None:
    for _ in range(rng.choice((1, 3, 30))):
        if content:
            # Headers are where damage does most.
            place = rng.randrange(len(content) if rng.random() < 0.5 else min(len(content), 200))
            content[place] ^= 1 << rng.randrange(8)


def _cut(content: bytearray, seeds: tuple[bytes, ...], rng: random.Random) -> None:
    del content[rng.randint(1, max(1, len(content))) :]


def _remove(content: bytearray, seeds: tuple[bytes, ...], rng: random.Random) -> None:
    start = rng.randint(0, len(content))
    del content[start : start + rng.choice((1, 4, 100))]


def _splice(content: bytearray, seeds: tuple[bytes, ...], rng: random.Random) -> None:
    """Go on with the rest of another picture, which may be one of the same format."""
    other = rng.choice(seeds)
    place = rng.randint(0, len(content))
    content[place:] = other[min(place, len(other)) if rng.random() < 0.5 else rng.randint(0, len(other)) :]


def _set_length(content: bytearray, seeds: tuple[bytes, ...], rng: random.Random) -> None:
    """Write what lengths, counts, offsets and sizes don't expect."""
    width = rng.choice((1, 2, 4, 8))
    value = rng.choice(
        (0, 1, 2, 0x7F, 0xFF, 0xFFFF, 1 << 31, (1 << 31) - 1, (1 << 32) - 1, (1 << 64) - 1, len(content))
    )
    place = rng.randrange(max(1, min(len(content), rng.choice((64, 300, 1 << 30)))))
    content[place : place + width] = (value % (1 << 8 * width)).to_bytes(width, rng.choice(("little", "big")))


def _repeat(content: bytearray, seeds: tuple[bytes, ...], rng: random.Random) -> None:
    """Write a part twice or many times, as a chunk that comes again."""
    start = rng.randint(0, len(content))
    part = content[start : start + rng.choice((4, 20, 300, 3000))]
    content[start:start] = part * rng.choice((1, 1, 2, 50))


_DAMAGES = (_flip_bits, _flip_bits, _cut, _remove, _splice, _set_length, _set_length, _repeat)


def fuzz(tmp_path: Path, first: int, seconds: float) -> int:
    """Decode damaged pictures from number `first` on for so long; gives how many it were."""
    environment = clean_environment(tmp_path, tmp_path) | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYTHONWARNINGS": "",
    }
    command = [sys.executable, "-c", _WORK, str(Path(__file__).parent), str(first), str(seconds)]
    numbers, errors = tmp_path / "numbers", tmp_path / "errors"
    with numbers.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment, cwd=REPO)
        seen, changed = 0, time.monotonic()
        while process.poll() is None:
            if numbers.stat().st_size != seen:
                seen, changed = numbers.stat().st_size, time.monotonic()
            if time.monotonic() - changed > SECONDS_A_PICTURE + 40 * (seen == 0):  # its start takes a while
                process.kill()
                process.wait()
                break
            time.sleep(0.02)
    *done, last = numbers.read_text().split() or ["none"]
    said = [line for line in errors.read_text(errors="replace").splitlines() if line]
    assert (process.returncode, last) == (0, "end"), f"picture {last}: status {process.returncode}: {said[-12:]}"
    assert said == []
    return len(done)


def test_every_allowed_format_is_among_the_seeds() -> None:
    from resnext.images.formats import HEAD_BYTES, format_of

    known = {format_of(seed[:HEAD_BYTES]) for seed in _all_formats(Image.new("RGB", (48, 40), "red"), full=True)}
    assert known == {*PLUGINS, *EXTRAS}


def test_damaged_pictures_give_a_picture_or_an_input_error(tmp_path: Path) -> None:
    assert fuzz(tmp_path, 0, 4) > 50


@pytest.mark.slow
def test_ten_minutes_of_damaged_pictures(tmp_path: Path, amount: Callable[[int, int], int]) -> None:
    """Each run goes on where no other was: its first number is the time."""
    first = int(time.time()) * 1000
    count = fuzz(tmp_path, first, amount(600, 10))
    print(f"{count} damaged pictures from number {first} on: only pictures and InputErrors")
    assert count > 100
