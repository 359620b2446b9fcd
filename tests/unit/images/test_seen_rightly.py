"""Kinds of files that people sent to other programs and that were seen wrongly: previews, metadata, turns, cuts."""

import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from resnext.errors import FailureCode, InputError
from resnext.images.decode import DecodeConfig, decode, frame_count
from support.pictures import IN_FULL, chunk, code_of, encoded, pixels, source
from support.program import REPO

CASES = REPO.parent / "shared" / "cases"


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
