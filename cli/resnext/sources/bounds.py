"""What holds for every content that is read whole into memory: addresses, stdin, members of archives."""

from resnext.errors import FailureCode, InputError, too_large

# An archive that grows like this is a bomb: photos hardly shrink, and films and text not a hundredfold.
BOMB_BYTES, BOMB_RATIO = 1 << 30, 200
UNPACKING_BYTES = 256 << 20  # what a decompressor itself may ask for: headers of xz can claim 4 GB
_ARCHIVES = {
    b"PK\x03\x04": "zip",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}


def over_max_file_size(max_bytes: int) -> InputError:
    """Make the error of a content beyond the bound that --max-file-size sets."""
    return too_large(f"more than {max_bytes / 1e6:g} MB (--max-file-size)")


def refuse_archive(content: bytes | bytearray, instead: str) -> None:
    """Say what is possible, `instead`, where an archive came that can only be read as a file.

    Raises:
        InputError: this is an archive.
    """
    kind = archive_kind(content)
    if kind:
        raise InputError(FailureCode.ARCHIVE, f"a {kind} archive, which is read from a file only: {instead}")


def archive_kind(content: bytes | bytearray) -> str:
    """What archive this is by its first bytes; empty for what is none."""
    if content[257:262] == b"ustar":
        return "tar"
    return next((kind for mark, kind in _ARCHIVES.items() if content.startswith(mark)), "")
