"""Pictures in formats that are not read: how their files begin, and what people call them.

A picture that is sound must not be called broken, or no image. TGA and PCX have no signature: every field of the header
has to make sense.
"""

_RAW = "a camera's raw file"
_ADVICE = "save it as JPEG or TIFF first"

# Where the bytes stand, the bytes, the name.
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%!PS", "EPS/PostScript"),
    (0, b"\xc5\xd0\xd3\xc6", "EPS/PostScript"),
    (0, b"%PDF", "PDF"),
    (0, b"8BPS", "Photoshop (PSD)"),
    (0, b"DDS ", "a DirectDraw texture (DDS)"),
    (0, b"<svg", "SVG"),
    (0, b"SIMPLE  =", "FITS"),
    (0, b"\x89HDF", "HDF5"),
    (0, b"\x0e\x03\x13\x01", "HDF4"),
    (0, b"GRIB", "GRIB"),
    (128, b"DICM", "DICOM"),
    (0, b"icns", "an Apple icon (ICNS)"),
    (0, b"qoif", "QOI"),
    (0, b"\x01\xda\0", "SGI"),
    (0, b"\x01\xda\1", "SGI"),
    (0, b"DanM", "Microsoft Paint (MSP)"),
    (0, b"LinS", "Microsoft Paint (MSP)"),
    (0, b"\xb1\x68\xde\x3a", "DCX"),
    (20, b"GIMP", "a GIMP brush (GBR)"),
    (0, b"\x59\xa6\x6a\x95", "a Sun raster"),
    (0, b"gimp xcf", "GIMP (XCF)"),
    (0, b"v/1\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"#?RGBE", "Radiance HDR"),
    (0, b"SDPX", "DPX"),
    (0, b"XPDS", "DPX"),
    (0, b"\x80\x2a\x5f\xd7", "Cineon"),
    (0, b"/* XPM */", "XPM"),
    (0, b"#define ", "XBM"),
    (0, b"P7", "PAM"),
    (0, b"FLIF", "FLIF"),
    (0, b"BPG\xfb", "BPG"),
    (0, b"\xff\xd8\xff\xf7", "JPEG-LS"),
    (0, b"II\xbc\x01", "JPEG XR"),
    (0, b"\x8aMNG\r\n", "MNG"),
    (0, b"\x8bJNG\r\n", "JNG"),
    (0, b"AT&TFORM", "DjVu"),
    (0, b"\xd7\xcd\xc6\x9a", "a Windows metafile (WMF)"),
    (40, b" EMF", "a Windows metafile (EMF)"),
    (0, b"BLP1", "a game texture (BLP)"),
    (0, b"BLP2", "a game texture (BLP)"),
    (0, b"FTEX", "a game texture (FTEX)"),
    (0, b"FTU\0", "a game texture (FTU)"),
    (0, b"\xabKTX ", "a texture (KTX)"),
    (0, b"PVR\x03", "a texture (PVR)"),
    (0, b"\x13\xab\xa1\x5c", "a texture (ASTC)"),
    (0, b"Image type:", "IFUNC (IM)"),
    (0, b"\x80\xe8\0\0", "PIXAR"),
    (8, b"ILBM", "Amiga IFF"),
    (8, b"PBM ", "Amiga IFF"),
    (4, b"\x11\xaf", "an animation (FLI)"),
    (4, b"\x12\xaf", "an animation (FLC)"),
    (8, b"CR\2\0", f"{_RAW} (Canon CR2)"),
    (4, b"ftypcrx ", f"{_RAW} (Canon CR3)"),
    (0, b"II\x1a\0\0\0HEAPCCDR", f"{_RAW} (Canon CRW)"),
    (0, b"FUJIFILMCCD-RAW", f"{_RAW} (Fujifilm RAF)"),
    (0, b"IIRO", f"{_RAW} (Olympus ORF)"),
    (0, b"IIRS", f"{_RAW} (Olympus ORF)"),
    (0, b"MMOR", f"{_RAW} (Olympus ORF)"),
    (0, b"IIU\0", f"{_RAW} (Panasonic RW2)"),
    (0, b"\0MRM", f"{_RAW} (Minolta MRW)"),
    (0, b"FOVb", f"{_RAW} (Sigma X3F)"),
)
_XML = (b"<?xml", b"<!DOCTYPE", b"<!--")


def unsupported_format(head: bytes) -> str | None:
    """Say of a file's first bytes that their format is known and not read; None where it is none of those."""
    for place, signature, name in _SIGNATURES:
        if head.startswith(signature, place):
            return refusal(name)
    if head.startswith(_XML) and b"<svg" in head:
        return refusal("SVG")
    if _is_pcx(head):
        return refusal("PCX")
    if _is_tga(head):
        return refusal("TGA")
    return refusal("a Windows cursor (CUR)") if head.startswith(b"\0\0\2\0") else None  # so do TGAs begin


def refusal(name: str = _RAW) -> str:
    """Say that files of this name are not read."""
    return f"{name} is not supported: {_ADVICE}"


def _is_pcx(head: bytes) -> bool:
    """A version, run lengths, bits of one plane, a window that has an area, and how many planes."""
    if len(head) < 128 or head[0] != 10 or head[1] not in (0, 2, 3, 4, 5) or head[2] != 1:
        return False
    left, top, right, bottom = (int.from_bytes(head[place : place + 2], "little") for place in (4, 6, 8, 10))
    return head[3] in (1, 2, 4, 8) and left <= right and top <= bottom and 1 <= head[65] <= 4


def _is_tga(head: bytes) -> bool:
    """A color map exactly where the kind of picture has one, a size, and bits a pixel that the kind allows."""
    if len(head) < 18:
        return False
    has_map, kind, map_length, map_bits, bits = head[1], head[2], head[5:7], head[7], head[16]
    allowed = {1: (8, 16), 2: (15, 16, 24, 32), 3: (1, 8, 16)}.get(kind & 7 if kind in (1, 2, 3, 9, 10, 11) else 0, ())
    mapped = kind in (1, 9)
    if has_map not in (0, 1) or (mapped and not has_map) or bits not in allowed or head[17] & 0xC0:
        return False
    map_is_there = map_length != b"\0\0" and map_bits in (15, 16, 24, 32)
    map_is_none = head[3:8] == bytes(5) or head[3:7] == bytes(4)
    return (map_is_there if has_map else map_is_none) and head[12:14] != b"\0\0" != head[14:16]
