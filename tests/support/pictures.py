"""Pictures as bytes, and what is seen of them."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from resnext.errors import FailureCode, InputError
from resnext.images.decode import DecodeConfig, decode
from resnext.records import Source

IN_FULL = DecodeConfig(0)


def source(content: bytes) -> Source:
    return Source("x", read=lambda: content)


def pixels(content: bytes) -> NDArray[np.int64]:
    return np.asarray(decode(source(content), IN_FULL)).astype(np.int64)


def code_of(content: bytes) -> FailureCode:
    with pytest.raises(InputError) as caught:
        decode(source(content), IN_FULL)
    return caught.value.code


def encoded(image: Image.Image, name: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, name, **options)
    return stream.getvalue()


def chunk(name: bytes, body: bytes, *, wrong: int = 0) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body) ^ wrong)
