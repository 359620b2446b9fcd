"""Archives as tests make them, and what is found in one."""

import io
import tarfile
from pathlib import Path

from resnext.errors import InputError
from resnext.records import Failure, Source
from resnext.sources import find
from resnext.sources.config import SourceConfig

CONTENT = bytes(range(256)) * 40


def outcome(name: str | Path, max_bytes: int = 1_000_000) -> list[tuple[str, bytes | str]]:
    """What each input of an archive is called, below the archive's own name, and its content or error code."""
    rows: list[tuple[str, bytes | str]] = []
    for item in find([str(name)], SourceConfig(max_bytes=max_bytes)):
        if isinstance(item, Failure):
            rows.append((_below(item.source), str(item.code)))
            continue
        try:
            assert item.read is not None
            rows.append((_below(item), item.read()))
        except InputError as error:
            rows.append((_below(item), str(error.code)))
    return rows


def _below(source: Source) -> str:
    return source.file.partition("!/")[2]


def make_tar(path: Path, mode: str, members: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info
