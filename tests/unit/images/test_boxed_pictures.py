"""HEIC, AVIF and JPEG XL: cut short, turned, cropped, and with what phones hang behind them."""

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resnext.errors import FailureCode, InputError
from support.pictures import code_of, encoded, pixels


@pytest.fixture(scope="module")
def boxed(photo: Image.Image) -> dict[str, bytes]:
    import pillow_heif
    import pillow_jxl  # noqa: F401

    pillow_heif.register_heif_opener()
    return {
        "HEIF": encoded(photo, "HEIF"),
        "AVIF": encoded(photo, "AVIF"),
        "JXL": encoded(photo, "JXL", use_container=True),
    }


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9, 0.999])
@pytest.mark.parametrize("name", ["HEIF", "AVIF", "JXL"])
def test_a_boxed_picture_cut_short_is_truncated(boxed: dict[str, bytes], name: str, share: float) -> None:
    assert code_of(boxed[name][: int(len(boxed[name]) * share)]) == FailureCode.TRUNCATED


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
@pytest.mark.parametrize("name", ["HEIF", "AVIF"])
def test_a_picture_whose_last_box_goes_to_the_end_is_truncated_too(
    boxed: dict[str, bytes], name: str, share: float
) -> None:
    content = bytearray(boxed[name])
    place = content.rindex(b"mdat") - 4
    content[place : place + 4] = bytes(4)
    assert np.array_equal(pixels(bytes(content)), pixels(boxed[name]))
    cut = place + 8 + int((len(content) - place - 8) * share)
    assert code_of(bytes(content[:cut])) == FailureCode.TRUNCATED


def test_a_jpeg_xl_without_boxes_that_is_cut_may_be_broken(photo: Image.Image) -> None:
    """libjxl does not say which of the two it is; nor do we."""
    content = encoded(photo, "JXL", use_container=False)
    with pytest.raises(InputError, match="broken image, or one that ends too early") as caught:
        pixels(content[: len(content) // 2])
    assert caught.value.code == FailureCode.CORRUPT


@pytest.mark.parametrize("name", ["HEIF", "AVIF", "JXL"])
def test_what_a_phone_hangs_behind_a_boxed_picture_does_no_harm(boxed: dict[str, bytes], name: str) -> None:
    content = boxed[name] + b"\0\0\xff\xffSEFHtrailer"
    if name != "JXL":  # libjxl refuses what follows
        assert np.array_equal(pixels(content), pixels(boxed[name]))


def test_a_jpeg_xl_is_turned_once(photo: Image.Image, tmp_path: Path) -> None:
    import pillow_jxl  # noqa: F401

    exif = Image.Exif()
    exif[0x0112] = 6
    photo.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    upright = pixels((tmp_path / "turned.jpg").read_bytes())
    with Image.open(tmp_path / "turned.jpg") as jpeg, pytest.warns(UserWarning, match="reconstruction"):
        kept = encoded_as_it_is(jpeg)
    # Without the box that a JPEG is made from again, the picture is decoded by its own codestream, which turns it.
    own = b"".join(kept[start:end] for kind, start, end in top_boxes(kept) if kind != b"jbrd")
    for content in (kept, own):
        assert pixels(content).shape == upright.shape
        assert np.abs(pixels(content) - upright).mean() < 4


def encoded_as_it_is(jpeg: Image.Image) -> bytes:
    stream = io.BytesIO()
    jpeg.save(stream, "JXL")
    return stream.getvalue()


def top_boxes(content: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start, end) of each box, its header included."""
    end = len(content) if end is None else end
    while start < end:
        length = int.from_bytes(content[start : start + 4], "big") or end - start
        yield content[start + 4 : start + 8], start, start + length
        start += length


def with_clean_aperture(avif: bytes, size: tuple[int, int], shift: tuple[int, int]) -> bytes:
    """The same AVIF with a property `clap` of its primary item; shifts are of the middle, in pixels."""

    def box(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I4s", len(content) + 8, kind) + content

    clap = box(b"clap", struct.pack(">IIIIiIiI", size[0], 1, size[1], 1, shift[0], 1, shift[1], 1))
    parts = {kind: avif[start:end] for kind, start, end in top_boxes(avif)}
    meta = {kind: parts[b"meta"][start:end] for kind, start, end in top_boxes(parts[b"meta"], 12)}
    iprp = {kind: meta[b"iprp"][start:end] for kind, start, end in top_boxes(meta[b"iprp"], 8)}
    count = sum(1 for _ in top_boxes(iprp[b"ipco"], 8))
    links = bytearray(iprp[b"ipma"][8:])
    links[10] += 1  # how many properties the first item has
    links.insert(11 + links[10] - 1, 0x80 | (count + 1))
    grown = len(clap) + 1
    iloc = bytearray(meta[b"iloc"])
    place = iloc.rindex(struct.pack(">I", avif.index(b"mdat") + 4))
    iloc[place : place + 4] = struct.pack(">I", avif.index(b"mdat") + 4 + grown)
    meta[b"iloc"] = bytes(iloc)
    meta[b"iprp"] = box(b"iprp", box(b"ipco", iprp[b"ipco"][8:] + clap) + box(b"ipma", bytes(links)))
    whole = box(b"meta", parts[b"meta"][8:12] + b"".join(meta.values()))
    return b"".join(whole if kind == b"meta" else part for kind, part in parts.items())


def test_an_avif_shows_its_clean_aperture(photo: Image.Image, boxed: dict[str, bytes]) -> None:
    content = with_clean_aperture(boxed["AVIF"], (100, 60), (20, -10))
    whole = pixels(boxed["AVIF"])
    assert np.array_equal(pixels(content), whole[60:120, 120:220])
    assert code_of(with_clean_aperture(boxed["AVIF"], (100, 60), (2000, 0))) == FailureCode.CORRUPT
