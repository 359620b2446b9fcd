"""The first bytes of a file -> the image format it is in, from an allow-list, and the plugin that reads it.

Only these are ever opened: an EPS under a .jpg name must never reach Ghostscript. Left out are formats that start other
programs (EPS, WMF), scientific containers and game textures, whose broken members do more harm than their photos good.
"""

import importlib
import threading

from resnext.errors import FailureCode, InputError

HEAD_BYTES = 64

# Pillow's name of each format -> the Pillow module that reads it.
PLUGINS = {
    "JPEG": "JpegImagePlugin",
    "PNG": "PngImagePlugin",
    "WEBP": "WebPImagePlugin",
    "AVIF": "AvifImagePlugin",
    "GIF": "GifImagePlugin",
    "TIFF": "TiffImagePlugin",
    "BMP": "BmpImagePlugin",
    "JPEG2000": "Jpeg2KImagePlugin",
    "PPM": "PpmImagePlugin",
    "ICO": "IcoImagePlugin",
}
# Formats that Pillow reads with another package's help: what people call it, the package, our extra that brings it.
EXTRAS = {
    "HEIF": ("HEIC/HEIF", "pillow_heif", "heic"),
    "JXL": ("JPEG XL", "pillow_jxl", "jxl"),
}
_extras_lock = threading.Lock()

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
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"})
_KNOWN_BUT_UNSUPPORTED: tuple[tuple[bytes, str], ...] = (
    (b"%!PS", "EPS/PostScript"),
    (b"\xc5\xd0\xd3\xc6", "EPS/PostScript"),
    (b"%PDF", "PDF"),
    (b"8BPS", "Photoshop"),
    (b"DDS ", "a DirectDraw texture"),
    (b"<svg", "SVG"),
    (b"SIMPLE", "FITS"),
    (b"\x89HDF", "HDF5"),
)


def format_of(head: bytes) -> str:
    """Give Pillow's name of the format that the first HEAD_BYTES of a file show.

    Raises:
        InputError: empty; a picture in a format that is left out; or no picture.
    """
    if not head:
        raise InputError(FailureCode.EMPTY, "the file is empty")
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if len(head) > 2 and head[:1] == b"P" and head[1] in b"123456fF" and head[2] in b" \t\r\n#":
        return "PPM"
    if head[4:8] == b"ftyp":
        return _iso_media(head)
    for magic, name in _KNOWN_BUT_UNSUPPORTED:
        if head.startswith(magic):
            raise InputError(FailureCode.UNSUPPORTED_FORMAT, f"{name} is not supported")
    raise InputError(FailureCode.NOT_AN_IMAGE, "not an image")


def load_plugin(name: str) -> None:
    """Make Pillow able to read a format that `format_of` gave.

    Raises:
        InputError: it needs a package that is not installed; says which extra brings it.
    """
    if name in PLUGINS:
        importlib.import_module(f"PIL.{PLUGINS[name]}")
        return
    title, package, extra = EXTRAS[name]
    with _extras_lock:
        try:
            module = importlib.import_module(package)
        except ImportError as error:
            raise InputError(
                FailureCode.UNSUPPORTED_FORMAT, f"{title} needs an extra: pip install 'resnext[{extra}]'"
            ) from error
        if name == "HEIF":
            module.register_heif_opener(thumbnails=False)  # the other one registers itself when it is imported


def _iso_media(head: bytes) -> str:
    """AVIF, HEIF and films share one container; the brands in its first box tell them apart."""
    length = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[8:12], *(head[start : start + 4] for start in range(16, length - 3, 4))}
    if brands & _AVIF_BRANDS:
        return "AVIF"
    if brands & _HEIF_BRANDS:
        return "HEIF"
    raise InputError(FailureCode.NOT_AN_IMAGE, "a film or sound file, not a photo")
