"""Kinds of files that people sent to other programs and that were seen wrongly: previews, metadata, turns, cuts."""

import io
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from resnext.errors import FailureCode, InputError
from resnext.images.decode import DecodeConfig, decode, frame_count
from resnext.records import Source
from support.program import REPO, SAMPLES

CASES = REPO.parent / "shared" / "cases"
IN_FULL = DecodeConfig(0)


def source(content: bytes) -> Source:
    return Source("x", read=lambda: content)


def pixels(content: bytes) -> NDArray[np.int64]:
    return np.asarray(decode(source(content), IN_FULL)).astype(np.int64)


def code_of(content: bytes) -> FailureCode:
    with pytest.raises(InputError) as caught:
        decode(source(content), IN_FULL)
    return caught.value.code


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    with Image.open(SAMPLES / "coffee.png") as image:
        return image.convert("RGB").resize((300, 200))


def encoded(image: Image.Image, name: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, name, **options)
    return stream.getvalue()


def test_the_cases_of_others_are_seen_as_their_other_forms_or_refused_in_words() -> None:
    if not (CASES / "cases.jsonl").is_file():
        pytest.skip(f"the cases are not at {CASES}")
    wanted = {row["file"]: row["right"] for row in map(json.loads, (CASES / "cases.jsonl").read_text().splitlines())}
    gray = ("grey_extra1.tif", "miniswhite16_le.tif", "minisblack16_le.tif")
    for path in sorted((CASES / "files").iterdir()):
        right = wanted.get(f"files/{path.name}") or ""
        if right.startswith(("error row too_large", "unsupported_format")):
            expected = FailureCode.TOO_LARGE if "too_large" in right else FailureCode.UNSUPPORTED_FORMAT
            assert code_of(path.read_bytes()) == expected, path.name
        else:
            means = pixels(path.read_bytes()).mean((0, 1))
            assert np.abs(means - ((103.6,) * 3 if path.name in gray else (158.6, 85.8, 51.5))).max() < 1, path.name


# -- JPEG ------------------------------------------------------------------------------------------------------------


def test_scans_are_counted_in_the_picture_alone(photo: Image.Image) -> None:
    plain = encoded(photo, "JPEG", progressive=True)
    marks = b"\xff\xda" * 300
    noted = plain[:2] + b"\xff\xfe" + struct.pack(">H", len(marks) + 2) + marks + plain[2:] + marks
    assert np.array_equal(pixels(noted), pixels(plain))
    scan = plain[plain.rindex(b"\xff\xda") : -2]
    assert code_of(plain[:-2] + scan * 120 + plain[-2:]) == FailureCode.TOO_LARGE


def test_a_jpeg_of_one_scan_is_not_read_for_its_scans(photo: Image.Image) -> None:
    plain = encoded(photo, "JPEG")
    assert np.array_equal(pixels(plain + b"\xff\xda" * 300), pixels(plain))


def test_previews_behind_a_jpeg_are_no_pictures_of_their_own(photo: Image.Image) -> None:
    large = photo.resize((1600, 1200))
    content = encoded(large, "MPO", save_all=True, append_images=[photo.resize((160, 120)), photo.resize((320, 240))])
    assert frame_count(source(content), IN_FULL) == 1
    assert decode(source(content), DecodeConfig(100)).size == (400, 300)
    assert decode(source(content), IN_FULL).size == (1600, 1200)


# -- PNG -------------------------------------------------------------------------------------------------------------


def chunk(name: bytes, body: bytes, *, wrong: int = 0) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body) ^ wrong)


PACKED = zlib.compress(b"x" * 3_000_000)
NOTES = {
    "packed text": chunk(b"zTXt", b"k\0\0" + PACKED),
    "packed text in any script": chunk(b"iTXt", b"k\0\1\0\0\0" + PACKED),
    "profile": chunk(b"iCCP", b"k\0\0" + PACKED),
    "many texts": chunk(b"tEXt", b"k\0" + b"x" * 1_000_000) * 70,
    "wrong checksum": chunk(b"tEXt", b"k\0v", wrong=1),
    "wrong checksum of a profile": chunk(b"iCCP", b"k\0\0" + zlib.compress(b"x"), wrong=1),
    "short gamma": chunk(b"gAMA", b"\0"),
    "unknown packing": chunk(b"zTXt", b"k\0\7abc"),
}


@pytest.mark.parametrize("where", ["before", "behind"])
@pytest.mark.parametrize("note", NOTES)
def test_a_png_is_read_whatever_is_noted_in_it(photo: Image.Image, note: str, where: str) -> None:
    plain = encoded(photo, "PNG")
    place = 33 if where == "before" else len(plain) - 12
    assert np.array_equal(pixels(plain[:place] + NOTES[note] + plain[place:]), np.asarray(photo))


def test_a_png_that_is_read_twice_reserves_its_memory_once(photo: Image.Image) -> None:
    plain, reserved = encoded(photo, "PNG"), list[int]()
    content = plain[:-12] + NOTES["wrong checksum"] + plain[-12:]
    decode(source(content), IN_FULL, reserved.append)
    assert len(reserved) == 1


def test_a_png_with_a_wrong_checksum_in_its_picture_is_broken(photo: Image.Image) -> None:
    plain = bytearray(encoded(photo, "PNG"))
    plain[30] ^= 1  # of the header
    assert code_of(bytes(plain)) == FailureCode.CORRUPT


# -- boxes: HEIC, AVIF, JPEG XL --------------------------------------------------------------------------------------


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


# -- what is known and not read --------------------------------------------------------------------------------------


OTHERS = {
    "TGA": ("RGB", "L", "P", "1", "RGBA"),
    "MSP": ("1",),
    "SGI": ("RGB", "L", "RGBA"),
    "PCX": ("RGB", "L", "P", "1"),
    "ICNS": ("RGB", "RGBA"),
    "DDS": ("RGB", "L", "RGBA"),
    "XBM": ("1",),
    "PDF": ("RGB",),
    "QOI": ("RGB", "RGBA"),
    "BLP": ("P",),
}


@pytest.mark.parametrize(("name", "mode"), [(name, mode) for name, modes in OTHERS.items() for mode in modes])
def test_a_sound_picture_of_another_format_is_not_supported(photo: Image.Image, name: str, mode: str) -> None:
    assert code_of(encoded(photo.convert(mode), name)) == FailureCode.UNSUPPORTED_FORMAT


def raw_tiff(*entries: tuple[int, int, int], sub: tuple[tuple[int, int, int], ...] = ()) -> bytes:
    """A TIFF's first directory, of (tag, type, value), and one that its tag 330 points to."""

    def directory(fields: tuple[tuple[int, int, int], ...]) -> bytes:
        packed = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in sorted(fields))
        return struct.pack("<H", len(fields)) + packed + bytes(4)

    size = (256, 3, 64), (257, 3, 64)
    first = directory((*size, *entries, (330, 4, 8 + 6 + 12 * (len(entries) + 3))))
    return b"II*\0\x08\0\0\0" + first + directory((*size, *sub)) + bytes(5000)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"II*\0\x10\0\0\0CR\2\0" + bytes(500), "CR2"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "CR3"),
        (b"FUJIFILMCCD-RAW 0201" + bytes(500), "RAF"),
        (b"IIRO\x08\0\0\0" + bytes(500), "ORF"),
        (b"IIU\0\x18\0\0\0" + bytes(500), "RW2"),
        (raw_tiff((262, 3, 2), (50706, 1, 0x0401)), "raw"),  # DNG
        (raw_tiff((254, 4, 1), (262, 3, 2), sub=((262, 3, 32803),)), "raw"),  # NEF, ARW: a preview comes first
        (raw_tiff((262, 3, 32803)), "raw"),  # PEF
    ],
)
def test_a_cameras_raw_file_says_what_it_is(content: bytes, name: str) -> None:
    with pytest.raises(InputError, match=rf"camera's raw file.*|{name}") as caught:
        decode(source(content), IN_FULL)
    assert caught.value.code == FailureCode.UNSUPPORTED_FORMAT
    assert name in str(caught.value)


# -- sizes that are claimed ------------------------------------------------------------------------------------------


def gif(*frames: tuple[int, int, int, int]) -> bytes:
    """A GIF of frames (left, top, width, height) without pixels, whose screen is 1 x 1."""
    parts = [b"GIF89a\1\0\1\0\x80\0\0" + bytes(6)]
    parts += [b"," + struct.pack("<4H", *frame) + b"\0\2\2\x4c\1\0" for frame in frames]
    return b"".join(parts) + b";"


def icon(picture: bytes) -> bytes:
    return b"\0\0\1\0\1\0" + struct.pack("<4BHHII", 16, 16, 0, 0, 1, 32, len(picture), 22) + picture


def png_of(width: int, height: int) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")


def webp_of(width: int, height: int) -> bytes:
    body = b"VP8L" + struct.pack("<I", 8) + b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + bytes(3)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


JXL_HUGE = b"\xff\x0a" + (0 | 3 << 1 | (49_999) << 3 | 1 << 33).to_bytes(12, "little")  # 50000 x 50000


@pytest.mark.parametrize(
    ("content", "frame"),
    [
        (gif((0, 0, 65535, 65535)), None),
        (gif((0, 0, 1, 1), (0, 0, 65535, 65535)), 1),
        (gif((0, 0, 1, 1), (65000, 65000, 1, 1)), 1),
        (icon(png_of(30000, 30000)), None),
        (icon(struct.pack("<IiiHHI", 40, 30000, 60000, 1, 32, 0) + bytes(24)), None),
        (png_of(30000, 30000), None),
        (webp_of(16384, 16384), None),
        (JXL_HUGE, None),
    ],
    ids=["gif", "second frame", "far frame", "icon of png", "icon of bmp", "png", "webp", "jpeg xl"],
)
def test_a_claimed_size_is_refused_before_memory_is_taken(
    monkeypatch: pytest.MonkeyPatch, content: bytes, frame: int | None
) -> None:
    taken: list[tuple[int, int]] = []
    for name in ("new", "fill"):
        monkeypatch.setattr(Image.core, name, noted(getattr(Image.core, name), taken))
    with pytest.raises(InputError) as caught:
        decode(source(content), IN_FULL, frame=frame)
    assert caught.value.code == FailureCode.TOO_LARGE
    assert all(width * height < 1000 for width, height in taken)


def noted(make: Callable[..., Any], taken: list[tuple[int, int]]) -> Callable[..., Any]:
    def make_and_note(mode: str, size: tuple[int, int], *rest: Any) -> Any:
        taken.append(size)
        return make(mode, size, *rest)

    return make_and_note


def test_a_later_page_of_a_tiff_is_refused_by_its_size(photo: Image.Image) -> None:
    content = bytearray(encoded(photo, "TIFF", save_all=True, append_images=[photo] * 2))
    width = struct.pack("<HHII", 256, 4, 1, 300)
    place = [at for at in range(len(content)) if content[at : at + 12] == width] or [
        at for at in range(len(content)) if content[at : at + 12] == struct.pack("<HHIHH", 256, 3, 1, 300, 0)
    ]
    assert len(place) == 3
    content[place[1] : place[1] + 12] = struct.pack("<HHII", 256, 4, 1, 2_000_000)
    assert frame_count(source(bytes(content)), IN_FULL) == 3
    assert decode(source(bytes(content)), IN_FULL, frame=2).size == photo.size
    with pytest.raises(InputError, match="2000000 x 200 pixels"):
        decode(source(bytes(content)), IN_FULL, frame=1)


def test_a_smaller_copy_of_a_page_is_no_page(photo: Image.Image) -> None:
    import tifffile

    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as file:
        for index, kind in enumerate((1, 0, 1, 0)):  # a preview, a page, a preview, a page
            page = np.full((8, 8, 3), 50 * index, "u1")
            file.write(page, photometric="rgb", subfiletype=kind, metadata=None)
    content = stream.getvalue()
    assert frame_count(source(content), IN_FULL) == 2
    assert [decode(source(content), IN_FULL, frame=each).getpixel((0, 0)) for each in (0, 1)] == [(50,) * 3, (150,) * 3]
