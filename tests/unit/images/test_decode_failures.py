"""What is said of files that hold no picture: a code of the closed set, and never an exception of another kind."""

import errno
import io
import os
import struct
import subprocess
import sys
import threading
import zlib
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from resnext.errors import FailureCode, InputError
from resnext.images.decode import DecodeConfig, decode
from resnext.records import Source
from support.program import SAMPLES

BROKEN = {FailureCode.TRUNCATED, FailureCode.CORRUPT}
NOT_ROOT = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything; permissions need another user"
)


def code_of(path: Path | str, max_megapixels: float = 200) -> FailureCode:
    with pytest.raises(InputError) as caught:
        decode(Source(str(path)), DecodeConfig(0, max_megapixels))
    message = str(caught.value)
    assert message
    assert "\n" not in message
    return caught.value.code


def encoded(name: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    with Image.open(SAMPLES / "rocket.jpg") as photo:
        photo.convert("RGB").resize((150, 100)).save(stream, name, **options)
    return stream.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def claimed_png(width: int, height: int) -> bytes:
    """A PNG whose header claims a size of black and white pixels that are not there."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")


# -- files -----------------------------------------------------------------------------------------------------------


def test_places_that_no_file_has_are_a_broken_image_and_no_fault_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.tif").write_bytes(b"II+\0" + struct.pack("<HHQ", 8, 0, 2**63 - 1) + bytes(100))
    assert code_of(tmp_path / "a.tif") == FailureCode.CORRUPT

    def refuse(path: str) -> NoReturn:
        raise OSError(errno.EINVAL, "a name that this disk can't have")

    monkeypatch.setattr("resnext.images.content.open_regular", refuse)
    assert code_of(tmp_path / "a.tif") == FailureCode.READ_ERROR


@pytest.mark.parametrize("name", ["missing.jpg", "", "a\0b.jpg", "x" * 300 + ".jpg", "coffee.png/inside.jpg"])
def test_what_is_not_there_is_not_found(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(SAMPLES)
    assert code_of(name) == FailureCode.NOT_FOUND


@pytest.mark.parametrize("target", ["nowhere.jpg", "link.jpg"], ids=["dangling", "to itself"])
def test_a_link_to_nothing_is_not_found(tmp_path: Path, target: str) -> None:
    (tmp_path / "link.jpg").symlink_to(target)
    assert code_of(tmp_path / "link.jpg") == FailureCode.NOT_FOUND


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    assert code_of(tmp_path) == FailureCode.NOT_A_FILE


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
@pytest.mark.parametrize("device", [None, "/dev/zero", "/dev/null"])
def test_a_fifo_or_device_is_refused_without_waiting(tmp_path: Path, device: str | None) -> None:
    if device is None:
        os.mkfifo(tmp_path / "fifo.jpg")
    codes: list[FailureCode] = []
    path = device or tmp_path / "fifo.jpg"
    reader = threading.Thread(target=lambda: codes.append(code_of(path)), daemon=True)
    reader.start()
    reader.join(20)
    assert codes == [FailureCode.NOT_A_FILE]


@NOT_ROOT
def test_a_file_or_folder_closed_to_us_is_a_matter_of_permission(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir()
    for path in (tmp_path / "closed.jpg", tmp_path / "closed" / "photo.jpg"):
        path.write_bytes(encoded("JPEG"))
    (tmp_path / "closed.jpg").chmod(0)
    (tmp_path / "closed").chmod(0)
    try:
        assert code_of(tmp_path / "closed.jpg") == FailureCode.PERMISSION
        assert code_of(tmp_path / "closed" / "photo.jpg") == FailureCode.PERMISSION
    finally:
        (tmp_path / "closed").chmod(0o700)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", FailureCode.EMPTY),
        (b"\0", FailureCode.NOT_AN_IMAGE),
        (b"holiday notes\n", FailureCode.NOT_AN_IMAGE),
        (b"SQLite format 3\0" + bytes(100), FailureCode.NOT_AN_IMAGE),
        (b"\0\0\0\x18ftypisom\0\0\x02\0isommp42" + bytes(100), FailureCode.NOT_AN_IMAGE),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", FailureCode.UNSUPPORTED_FORMAT),
        (b"%PDF-1.7\n", FailureCode.UNSUPPORTED_FORMAT),
    ],
    ids=["empty", "one byte", "text", "database", "film", "eps", "pdf"],
)
def test_what_is_no_photo_is_told_by_its_bytes(tmp_path: Path, content: bytes, code: FailureCode) -> None:
    (tmp_path / "photo.jpg").write_bytes(content)
    assert code_of(tmp_path / "photo.jpg") == code


def test_what_is_no_file_is_read_by_its_source() -> None:
    def broken_off() -> bytes:
        raise TimeoutError("timed out")

    def refused() -> bytes:
        raise InputError(FailureCode.NOT_FOUND, "HTTP 404")

    photo = encoded("PNG")
    assert decode(Source("https://x/a.png", lambda: photo), DecodeConfig(0)).size == (150, 100)
    for read, code in ((bytes, FailureCode.EMPTY), (refused, FailureCode.NOT_FOUND)):
        with pytest.raises(InputError) as caught:
            decode(Source("https://x/a.png", read), DecodeConfig(0))
        assert caught.value.code == code
    with pytest.raises(InputError):
        decode(Source("https://x/a.png", broken_off), DecodeConfig(0))


# -- broken pictures -------------------------------------------------------------------------------------------------

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "jpeg": ("JPEG", {}),
    "progressive jpeg": ("JPEG", {"progressive": True}),
    "png": ("PNG", {}),
    "gif": ("GIF", {}),
    "bmp": ("BMP", {}),
    "ppm": ("PPM", {}),
    "tiff": ("TIFF", {}),
    "lzw tiff": ("TIFF", {"compression": "tiff_lzw"}),
    "webp": ("WEBP", {}),
    "avif": ("AVIF", {}),
    "jpeg 2000": ("JPEG2000", {}),
}


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_cut_short_is_called_broken(tmp_path: Path, kind: str, share: float) -> None:
    content = encoded(KINDS[kind][0], **KINDS[kind][1])
    (tmp_path / "cut").write_bytes(content[: int(len(content) * share)])
    assert code_of(tmp_path / "cut") in BROKEN


@pytest.mark.parametrize("kind", ["jpeg", "progressive jpeg", "png", "bmp", "gif"])
def test_a_photo_whose_end_is_missing_is_called_truncated(tmp_path: Path, kind: str) -> None:
    content = encoded(KINDS[kind][0], **KINDS[kind][1])
    (tmp_path / "cut").write_bytes(content[: len(content) * 2 // 3])
    assert code_of(tmp_path / "cut") == FailureCode.TRUNCATED


def test_a_whole_file_with_wrong_bytes_is_not_called_truncated(tmp_path: Path) -> None:
    whole = encoded("PNG")
    start = whole.index(b"IDAT")
    length = int.from_bytes(whole[start - 4 : start], "big")
    body = bytearray(whole[start + 4 : start + 4 + length])
    body[len(body) // 2] ^= 0xFF
    (tmp_path / "photo.png").write_bytes(whole[: start - 4] + chunk(b"IDAT", bytes(body)) + whole[start + 8 + length :])
    assert code_of(tmp_path / "photo.png") == FailureCode.CORRUPT


@pytest.mark.filterwarnings("ignore")  # that Pillow's warnings reach nobody is tested in a process of its own
@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(kind=st.sampled_from(sorted(KINDS)), data=st.data())
def test_damage_gives_a_picture_or_a_code(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
) -> None:
    content = bytearray(_ENCODED.setdefault(kind, encoded(KINDS[kind][0], **KINDS[kind][1])))
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), min_size=1, max_size=6)
    ):
        content[place % len(content)] = value
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(content)
    try:
        image = decode(Source(str(path)), DecodeConfig(0, max_megapixels=1))
    except InputError as error:
        assert error.code in BROKEN | {FailureCode.NOT_AN_IMAGE, FailureCode.UNSUPPORTED_FORMAT, FailureCode.TOO_LARGE}
    else:
        assert image.mode == "RGB"
        assert len(image.tobytes()) == 3 * image.width * image.height > 0


_ENCODED: dict[str, bytes] = {}


# -- size ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "limit"), [((20000, 20000), 200), ((2**31 - 1, 2**31 - 1), 200), ((101, 100), 0.01)])
def test_more_pixels_than_allowed_are_too_large(tmp_path: Path, size: tuple[int, int], limit: float) -> None:
    (tmp_path / "bomb.png").write_bytes(claimed_png(*size))
    assert code_of(tmp_path / "bomb.png", limit) == FailureCode.TOO_LARGE


def test_the_limit_is_the_only_one(tmp_path: Path) -> None:
    """190 of 200 megapixels may be looked at; that they are not there is another matter."""
    (tmp_path / "large.png").write_bytes(claimed_png(19000, 10000))
    assert code_of(tmp_path / "large.png") in BROKEN


def test_exactly_the_limit_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(encoded("PNG"))
    assert decode(Source(str(tmp_path / "photo.png")), DecodeConfig(0, max_megapixels=0.015)).size == (150, 100)


# -- what must not happen on the way ---------------------------------------------------------------------------------


_TWO_AT_ONCE = """
import sys
from threading import Event, Thread, current_thread
from PIL import Image
from resnext.images.decode import DecodeConfig, decode
from resnext.records import Source

opened, begun, quiet_ended = Image.open, {"quiet": Event(), "odd": Event()}, Event()

def open_in_turn(*arguments, **options):  # quiet begins first and ends while odd is at work
    begun[current_thread().name].set()
    (begun["odd"] if current_thread().name == "quiet" else quiet_ended).wait(2)
    return opened(*arguments, **options)

Image.open = open_in_turn
threads = {}
for name, path in zip(["quiet", "odd"], sys.argv[1:]):
    threads[name] = Thread(target=decode, args=(Source(path), DecodeConfig(0)), name=name)
    threads[name].start()
    begun[name].wait(2)
threads["quiet"].join()
quiet_ended.set()
threads["odd"].join()
"""


def test_odd_metadata_prints_no_warning_while_others_are_decoded(tmp_path: Path) -> None:
    (tmp_path / "quiet.png").write_bytes(encoded("PNG"))
    (tmp_path / "odd.jpg").write_bytes(encoded("JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12"))
    done = subprocess.run(
        [sys.executable, "-c", _TWO_AT_ONCE, str(tmp_path / "quiet.png"), str(tmp_path / "odd.jpg")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_what_pillow_logs_of_a_broken_photo_is_not_printed(tmp_path: Path) -> None:
    """A TIFF of more samples a pixel than there are: Pillow logs an error before it raises one."""
    content = encoded("TIFF")
    samples = content.index(struct.pack("<HHL", 277, 3, 1)) + 8
    (tmp_path / "odd.tif").write_bytes(content[:samples] + struct.pack("<L", 255) + content[samples + 4 :])
    program = (
        "import sys\nfrom resnext.images.decode import DecodeConfig, decode\nfrom resnext.errors import InputError\n"
        "from resnext.records import Source\n"
        "try:\n    decode(Source(sys.argv[1]), DecodeConfig(0))\nexcept InputError as error:\n    print(error.code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "odd.tif")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("corrupt\n", "")
