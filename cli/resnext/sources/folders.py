"""Folders: walked in natural order (img2 before img10), lazily, one folder's listing at a time.

Only what looks like a picture is taken: photos lie beside films, notes and databases.
"""

import os
from collections.abc import Iterator

from resnext.errors import FailureCode
from resnext.records import Failure, Source
from resnext.sources.config import FolderConfig
from resnext.sources.skipped import SkippedFiles
from resnext.sources.trees import Tree, device, is_dir, listing, unlisted

IMAGE_SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .webp .avif .avifs .gif .tif .tiff .bmp .jp2 .j2k .jpf .jpx .jpc .j2c .mpo"
    " .ppm .pgm .pbm .pnm .ico .heic .heif .hif .jxl".split()
)


def walk(folder: str, config: FolderConfig, skipped: SkippedFiles) -> Iterator[Source | Failure]:
    """Give the pictures below `folder`; one without any, or that can't be listed, as a Failure in its place."""
    found = False
    for item in _walk(folder, config, skipped):
        found = True
        yield item
    if not found:
        yield Failure(Source(folder), FailureCode.NO_IMAGES, "no images in this folder")


def _walk(top: str, config: FolderConfig, skipped: SkippedFiles) -> Iterator[Source | Failure]:
    tree = Tree(config)
    tree.begin(top)
    # The folders that are being walked, outermost first, each with the number of its file system and what is left of
    # it; a tree may be deeper than calls go.
    walking: list[tuple[int, Iterator[os.DirEntry[str]]]] = []
    entered: str | None = top
    while entered is not None or walking:
        if entered is not None:
            try:
                walking.append((device(entered), listing(entered)))
            except OSError as error:
                yield unlisted(entered, error)
            entered = None
            continue
        entry = next(walking[-1][1], None)
        if entry is None:
            walking.pop()
        elif is_dir(entry):
            if not tree.leaves_out(entry.name) and tree.enters(entry, walking[-1][0]):
                entered = entry.path
        elif entry.name.startswith(".") and not config.include_hidden:
            continue
        elif is_picture(entry.name):
            yield Source(entry.path)
        else:
            skipped.add(entry.name)


def is_wanted(path: str, config: FolderConfig) -> bool:
    """Whether a walk would take the file with this path below the folder, as far as names tell."""
    *folders, name = path.split("/")
    if not is_picture(name) or not config.excluded_dirs.isdisjoint(folders):
        return False
    return config.include_hidden or not any(part.startswith(".") and part.strip(".") for part in (*folders, name))


def is_picture(name: str) -> bool:
    """Whether a name ends as pictures' names do."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122
