"""How much memory the decoding of an opened image may take at its peak, from its header alone."""

from PIL import Image

# Pillow keeps these modes in one or two bytes a pixel, all others in four.
_STORED = {"1": 1, "L": 1, "P": 1}
_STORED_16_BITS = 2
_STORED_OTHERS = 4
# Bytes a pixel on top of the pixels themselves: whole pictures that a codec keeps while it works.
_CODEC = {"JPEG2000": 16, "AVIF": 12, "HEIF": 12, "JXL": 16, "WEBP": 8, "TIFF": 4}
_PROGRESSIVE_JPEG = 6  # the coefficients of three full channels, two bytes each, whatever size is decoded
_RGB = 4
_ON_WHITE = 16  # an RGBA layer, white paper, both in one, and that as RGB
_DEEP = 13  # the values as an array, the levels, a picture of them, and that as RGB


def decoding_bytes(image: Image.Image, full_size: tuple[int, int]) -> int:
    """Estimate the bytes that decoding, turning upright and converting to RGB take together; never far too few.

    `full_size` is (width, height) of the file; image.size is smaller where a JPEG is decoded reduced.
    """
    pixels, full_pixels = image.width * image.height, full_size[0] * full_size[1]
    if image.mode.startswith("I;16"):
        stored = _STORED_16_BITS
    else:
        stored = _STORED.get(image.mode, _STORED_OTHERS)
    each = 2 * stored + _conversion(image) + _CODEC.get(image.format or "", 0)  # 2: as it lies, and upright
    progressive = image.format in ("JPEG", "MPO") and bool(image.info.get("progressive"))
    return pixels * each + full_pixels * (_PROGRESSIVE_JPEG if progressive else 0)


def _conversion(image: Image.Image) -> int:
    if image.mode.startswith(("I", "F")):
        return _DEEP
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        return _ON_WHITE
    if image.mode == "RGB" and "icc_profile" not in image.info:
        return 0
    return _RGB
