"""Files -> upright RGB: the orientation, reduced decoding of JPEGs, and names that say nothing of the bytes."""

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from resnext.errors import InputError
from resnext.images.decode import DecodeConfig, decode
from resnext.records import Source
from support.program import SAMPLES

IN_FULL = DecodeConfig(min_shorter_side=0)


def pixels_of(path: Path, config: DecodeConfig = IN_FULL) -> NDArray[np.int64]:
    image = decode(Source(str(path)), config)
    assert image.mode == "RGB"
    return np.asarray(image).astype(np.int64)


def failure_of(path: Path | str, config: DecodeConfig = IN_FULL) -> InputError:
    with pytest.raises(InputError) as caught:
        decode(Source(str(path)), config)
    return caught.value


@pytest.fixture
def photo() -> Image.Image:
    with Image.open(SAMPLES / "grace_hopper.jpg") as image:
        return image.convert("RGB")


# -- the right way up ------------------------------------------------------------------------------------------------

# EXIF 2.32, tag 0x0112: how the stored rows and columns lie on the photo, as turns of the stored array.
UPRIGHT: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: stored.swapaxes(0, 1)[:, ::-1],
    7: lambda stored: stored.swapaxes(0, 1)[::-1, ::-1],
    8: lambda stored: stored.swapaxes(0, 1)[::-1],
}
LOSSLESS_ENOUGH = {"jpg": {"quality": 95, "subsampling": 0}, "webp": {"lossless": True}, "avif": {"quality": 95}}


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "avif", "mpo"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, suffix: str) -> None:
    fields = np.array(
        [[(250, 0, 0), (0, 250, 0), (0, 0, 250)], [(250, 250, 0), (0, 250, 250), (120, 120, 120)]], np.uint8
    )
    stored = fields.repeat(32, axis=0).repeat(32, axis=1)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / f"o.{suffix}", exif=exif.tobytes(), **LOSSLESS_ENOUGH.get(suffix, {}))
    expected = UPRIGHT[orientation](stored).astype(np.int64)
    got = pixels_of(tmp_path / f"o.{suffix}")
    assert got.shape == expected.shape
    assert np.abs(got - expected).mean() < 6


@pytest.mark.filterwarnings("ignore")  # that Pillow's warnings reach nobody is tested in a process of its own
@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01", b"??"]
)
def test_broken_exif_leaves_the_photo_as_it_lies(tmp_path: Path, photo: Image.Image, exif: bytes) -> None:
    photo.save(tmp_path / "plain.jpg")
    photo.save(tmp_path / "broken.jpg", exif=exif)
    assert np.array_equal(pixels_of(tmp_path / "broken.jpg"), pixels_of(tmp_path / "plain.jpg"))


def exif_with(*more: tuple[int, int, bytes]) -> bytes:
    """EXIF with orientation 6 and entries of any tag, type and (one) value, whether that makes sense or not."""
    entries = sorted([(0x0112, 3, b"\x06"), *more])
    packed = b"".join(struct.pack("<HHI4s", tag, kind, 1, value) for tag, kind, value in entries)
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + packed + bytes(4)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "exif",
    [
        exif_with((0x0128, 6, b"\x89")),  # a negative unit of resolution: can be read, and not be written again
        exif_with((0xA005, 7, b"0")),  # bytes where a number leads to further entries
    ],
    ids=["negative", "no pointer"],
)
def test_the_orientation_counts_whatever_else_is_wrong(tmp_path: Path, photo: Image.Image, exif: bytes) -> None:
    photo.save(tmp_path / "turned.jpg", exif=exif)
    photo.save(tmp_path / "plain.jpg")
    assert np.array_equal(pixels_of(tmp_path / "turned.jpg"), np.rot90(pixels_of(tmp_path / "plain.jpg"), -1))


# -- reduced decoding of JPEGs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(2600, 1900), (1900, 2600), (1021, 1030), (3000, 511), (509, 700), (40, 2000)])
@pytest.mark.parametrize("need", [64, 255])
def test_a_reduced_jpeg_has_twice_the_need_and_looks_the_same(
    tmp_path: Path, photo: Image.Image, size: tuple[int, int], need: int
) -> None:
    photo.resize(size, Image.Resampling.BICUBIC).save(tmp_path / "large.jpg", quality=92)
    full = decode(Source(str(tmp_path / "large.jpg")), IN_FULL)
    reduced = decode(Source(str(tmp_path / "large.jpg")), DecodeConfig(need))
    assert full.size == size
    assert min(reduced.size) >= min(2 * need, *size)
    assert reduced.width / reduced.height == pytest.approx(size[0] / size[1], rel=0.01)
    if min(size) >= 4 * need:
        assert min(reduced.size) <= min(size) / 2 + 1
    small = [
        np.asarray(image.resize((need, need), Image.Resampling.BICUBIC)).astype(np.int64) for image in (full, reduced)
    ]
    assert np.abs(small[0] - small[1]).mean() < 3


def test_a_reduced_jpeg_is_upright_too(tmp_path: Path, photo: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo.resize((1600, 1200)).save(tmp_path / "turned.jpg", exif=exif.tobytes())
    assert decode(Source(str(tmp_path / "turned.jpg")), DecodeConfig(100)).size == (300, 400)


def test_other_formats_are_decoded_in_full(tmp_path: Path, photo: Image.Image) -> None:
    photo.save(tmp_path / "p.png")
    assert np.array_equal(pixels_of(tmp_path / "p.png", DecodeConfig(8)), np.asarray(photo))


# -- the bytes decide, not the name ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["p.jpg", "p.txt", "p", "p.eps"])
def test_a_png_under_another_name_is_a_png(tmp_path: Path, photo: Image.Image, name: str) -> None:
    photo.save(tmp_path / name, "PNG")
    assert np.array_equal(pixels_of(tmp_path / name), np.asarray(photo))


def test_decoding_leaves_no_file_open(tmp_path: Path, photo: Image.Image) -> None:
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("no /proc to count open files in")
    photo.save(tmp_path / "cut.png")
    os.truncate(tmp_path / "cut.png", 5000)
    before = len(list(descriptors.iterdir()))
    kept: list[Any] = [pixels_of(SAMPLES / "astronaut.avif"), failure_of(tmp_path / "cut.png")]
    kept += [decode(Source(str(SAMPLES / name)), IN_FULL) for name in ("coffee.png", "camera.tif", "chelsea.webp")]
    assert len(list(descriptors.iterdir())) == before
    assert kept
