"""The first bytes of a file -> the image format it is in, from an allow-list, and the plugin that reads it.

Only these are ever opened: an EPS under a .jpg name must never reach Ghostscript. Left out are formats that start other
programs (EPS, WMF), scientific containers and game textures, whose broken members do more harm than their photos good.
"""

import importlib
from typing import Any, BinaryIO

from PIL.ImageFile import ImageFile

from resnext.errors import FailureCode, InputError
from resnext.images.unsupported import unsupported_format

HEAD_BYTES = 512

# Pillow's name of each format -> the Pillow module that reads it, and its class there.
PLUGINS = {
    "JPEG": ("JpegImagePlugin", "JpegImageFile"),  # never as an MPO, whose other pictures are previews
    "PNG": ("PngImagePlugin", "PngImageFile"),
    "WEBP": ("WebPImagePlugin", "WebPImageFile"),
    "AVIF": ("AvifImagePlugin", "AvifImageFile"),
    "GIF": ("GifImagePlugin", "GifImageFile"),
    "TIFF": ("TiffImagePlugin", "TiffImageFile"),
    "BMP": ("BmpImagePlugin", "BmpImageFile"),
    "JPEG2000": ("Jpeg2KImagePlugin", "Jpeg2KImageFile"),
    "PPM": ("PpmImagePlugin", "PpmImageFile"),
    "ICO": ("IcoImagePlugin", "IcoImageFile"),
}
# Formats that Pillow reads with another package's help: what people call it, the package, our extra that brings it.
EXTRAS = {
    "HEIF": ("HEIC/HEIF", "pillow_heif", "heic"),
    "JXL": ("JPEG XL", "pillow_jxl", "jxl"),
}
_EXTRA_CLASSES = {"HEIF": ("pillow_heif", "HeifImageFile"), "JXL": ("pillow_jxl.JpegXLImagePlugin", "JXLImageFile")}

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    (b"BM", "BMP"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    (b"\x00\x00\x01\x00", "ICO"),
    (b"\xff\x0a", "JXL"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "JXL"),
)
_CERTAIN = frozenset({"PNG", "GIF"})  # no other format begins as these do
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"})


def format_of(head: bytes) -> str:
    """Give Pillow's name of the format that the first HEAD_BYTES of a file show.

    Raises:
        InputError: empty; a picture in a format that is left out; or no picture.
    """
    if not head:
        raise InputError(FailureCode.EMPTY, "the file is empty")
    name = next((name for magic, name in _MAGIC if head.startswith(magic)), None)
    if name is not None and name in _CERTAIN:
        return name
    refusal = unsupported_format(head)  # some raw files begin as a TIFF does
    if refusal:
        raise InputError(FailureCode.UNSUPPORTED_FORMAT, refusal)
    if name is not None:
        return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if len(head) > 2 and head[:1] == b"P" and head[1] in b"123456fF" and head[2] in b" \t\r\n#":
        return "PPM"
    if head[4:8] == b"ftyp":
        return _iso_media(head)
    raise InputError(FailureCode.NOT_AN_IMAGE, "not an image")


def open_image(name: str, stream: BinaryIO) -> ImageFile:
    """Open a stream as the format that `format_of` gave, by that format's plugin alone; its pixels are not loaded.

    Raises:
        InputError: it needs a package that is not installed; says which extra brings it.
        Exception: whatever Pillow raises of a broken file.
    """
    if name in PLUGINS:
        module, kind = PLUGINS[name]
        plugin: Any = importlib.import_module(f"PIL.{module}")  # Pillow itself would import all forty of its own
    else:
        plugin, kind = _extra(name)
    image: ImageFile = vars(plugin)[kind](stream)
    return image


def _extra(name: str) -> tuple[Any, str]:
    title, package, extra = EXTRAS[name]
    module, kind = _EXTRA_CLASSES[name]
    try:
        importlib.import_module(package)
        return importlib.import_module(module), kind
    except ImportError as error:
        message = f"{title} needs an extra: pip install 'resnext[{extra}]'"
        raise InputError(FailureCode.UNSUPPORTED_FORMAT, message) from error


def _iso_media(head: bytes) -> str:
    """AVIF, HEIF and films share one container; the brands in its first box tell them apart."""
    length = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[8:12], *(head[start : start + 4] for start in range(16, length - 3, 4))}
    if brands & _AVIF_BRANDS:
        return "AVIF"
    if brands & _HEIF_BRANDS:
        return "HEIF"
    raise InputError(FailureCode.NOT_AN_IMAGE, "a film or sound file, not a photo")
