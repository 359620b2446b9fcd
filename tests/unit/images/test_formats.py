"""The first bytes of a file say what it is."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import EpsImagePlugin, Image

from resnext.errors import FailureCode, InputError
from resnext.images.decode import DecodeConfig, decode
from resnext.images.formats import EXTRAS, HEAD_BYTES, PLUGINS, format_of
from resnext.records import Source


def code_of(head: bytes) -> FailureCode:
    with pytest.raises(InputError) as caught:
        format_of(head)
    return caught.value.code


def saved(name: str, mode: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (16, 16)).save(stream, name, **options)
    return stream.getvalue()


@pytest.mark.parametrize("name", PLUGINS)
@pytest.mark.parametrize("mode", ["RGB", "L", "1"])
def test_what_pillow_writes_is_recognised(name: str, mode: str) -> None:
    try:
        head = saved(name, mode)[:HEAD_BYTES]
    except OSError:
        pytest.skip(f"Pillow writes no {name} of mode {mode}")
    assert format_of(head) == name


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (saved("PPM", "F"), "PPM"),
        (saved("MPO", "RGB", save_all=True, append_images=[Image.new("RGB", (16, 16))]), "JPEG"),
        (saved("TIFF", "RGB", big_tiff=True), "TIFF"),
        (saved("JPEG2000", "RGB", no_jp2=True), "JPEG2000"),
        (b"GIF87a\1\0\1\0", "GIF"),
        (b"P1\n# made by hand\n1 1\n0\n", "PPM"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "AVIF"),
        (b"\0\0\0\x1cftypavis\0\0\0\0msf1avismiaf", "AVIF"),
    ],
    ids=["pfm", "mpo", "bigtiff", "codestream", "gif87a", "plain pbm", "avif by brand", "avif sequence"],
)
def test_the_variants_of_a_format_are_recognised(head: bytes, name: str) -> None:
    assert format_of(head[:HEAD_BYTES]) == name


@pytest.mark.parametrize(
    ("head", "name", "extra"),
    [
        *(
            (b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0" + brand + b"heic", "HEIF", "heic")
            for brand in (b"heic", b"heix", b"mif1")
        ),
        (b"\xff\x0a" + bytes(60), "JXL", "jxl"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40), "JXL", "jxl"),
    ],
    ids=["heic", "heix", "mif1", "jxl codestream", "jxl container"],
)
def test_photos_that_need_an_extra_name_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: bytes, name: str, extra: str
) -> None:
    assert format_of(head) == name
    monkeypatch.setitem(sys.modules, EXTRAS[name][1], None)  # not installed
    (tmp_path / "photo.jpg").write_bytes(head)
    with pytest.raises(InputError, match=re.escape(f"resnext[{extra}]")) as caught:
        decode(Source(str(tmp_path / "photo.jpg")), DecodeConfig(0))
    assert caught.value.code == FailureCode.UNSUPPORTED_FORMAT


@pytest.mark.parametrize("brand", [b"isom", b"qt  ", b"M4A ", b"mp42"])
def test_films_and_sound_are_no_photos(brand: bytes) -> None:
    assert code_of(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0isommp42") == FailureCode.NOT_AN_IMAGE


def test_a_webp_is_told_from_other_riff_files() -> None:
    assert code_of(b"RIFF\x24\0\0\0WAVEfmt ") == FailureCode.NOT_AN_IMAGE


@hypothesis_settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(
    start=st.sampled_from(
        [b"", b"\xff\xd8\xff", b"RIFF", b"P5", b"BM", b"II", b"MM\0", b"\0\0\0\x0c", b"\0\0\0\x1cftyp"]
    ),
    rest=st.binary(max_size=HEAD_BYTES),
)
def test_any_bytes_are_a_known_format_or_a_failure(start: bytes, rest: bytes) -> None:
    head = start + rest
    try:
        assert format_of(head) in PLUGINS | EXTRAS
    except InputError as error:
        expected = {FailureCode.NOT_AN_IMAGE, FailureCode.UNSUPPORTED_FORMAT} if head else {FailureCode.EMPTY}
        assert error.code in expected


@pytest.mark.skipif(os.name != "posix", reason="the stand-in for Ghostscript is a shell script")
def test_an_eps_under_a_jpg_name_starts_no_ghostscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = tmp_path / "started"
    ghostscript = tmp_path / "bin" / "gs"
    ghostscript.parent.mkdir()
    ghostscript.write_text(f"#!/bin/sh\ntouch {started}\nexit 1\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ghostscript.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)  # looked up once a process otherwise
    disguised = tmp_path / "photo.jpg"
    disguised.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n")
    with pytest.raises(InputError) as caught:
        decode(Source(str(disguised)), DecodeConfig(0))
    assert caught.value.code == FailureCode.UNSUPPORTED_FORMAT
    assert not started.exists()
    with pytest.raises((OSError, subprocess.CalledProcessError)), Image.open(disguised) as image:
        image.load()
    assert started.exists()  # Pillow left to itself does
