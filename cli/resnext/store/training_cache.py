"""What training keeps beside the compiled models: lists it, says why a part is unused, removes it.

$RESNEXT_CACHE/
  features/<model and settings>/<run>.features   features of photos by their contents
  weights/<digest>.safetensors                   a base's weights by timm's names, where its own file has others
"""

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from resnext.errors import OutputError
from resnext.store.leftovers import leftovers

FEATURES_ENDING = ".features"
WEIGHTS_ENDING = ".safetensors"
_KEPT_DAYS = 30  # features that nobody used for so long are removed
_DIGITS = 32  # of a weights file's digest
# The folder may be shared with other things by mistake: only what bears these names is ever touched.
_OUR_FEATURES, _OUR_WEIGHTS = re.compile(r"[0-9a-f]{20}"), re.compile(r"[0-9a-f]{32}\.safetensors")


@dataclass(frozen=True, slots=True)
class KeptFile:
    """One file; `used` in seconds since 1970. `unused` says why nothing can use it, or None."""

    path: Path
    name: str
    size_bytes: int
    used: float
    unused: str | None


def features_folder(root: Path, key: str = "") -> Path:
    """Where features are kept below the cache's folder; with `key` those of one model with one way to compute."""
    return root / "features" / key


def weights_file(root: Path, digest: str) -> Path:
    """Where the weights with this digest are kept by timm's names."""
    return root / "weights" / f"{digest[:_DIGITS]}{WEIGHTS_ENDING}"


def kept_files(root: Path, digests: Iterable[str]) -> list[KeptFile]:
    """All files, by name; `digests` are of the weights of all compiled models."""
    oldest, bases = time.time() - _KEPT_DAYS * 86_400, {digest[:_DIGITS] for digest in digests}
    found = []
    for path in _ours(root):
        with suppress(OSError):  # another process removed it first
            status = path.stat()
            unused = None
            if path.suffix == FEATURES_ENDING and status.st_mtime < oldest:
                unused = f"features that no training used for {_KEPT_DAYS} days"
            elif path.suffix == WEIGHTS_ENDING and path.stem not in bases:
                unused = "weights of a base that is no longer there"
            name = path.relative_to(root).as_posix()
            found.append(KeptFile(path, name, status.st_size, status.st_mtime, unused))
    return found


def sweep_features(root: Path) -> None:
    """Remove the features that are unused; ignore those that can't be removed."""
    for each in kept_files(root, ()):
        if each.path.suffix == FEATURES_ENDING and each.unused is not None:
            with suppress(OSError):
                each.path.unlink()


def remove(root: Path, files: Iterable[KeptFile]) -> None:
    """Remove these files, what broken-off runs left beside them, and folders that are empty then.

    Raises:
        OutputError: one can't be removed.
    """
    weights = weights_file(root, "").parent
    for path in (*(each.path for each in files), *leftovers(weights)):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{path}: can't be removed: {error.strerror}") from error
    for folder in (*features_folder(root).glob("*"), features_folder(root), weights):
        if folder.is_dir():
            with suppress(OSError):  # not empty
                folder.rmdir()


def _ours(root: Path) -> Iterator[Path]:
    for path in sorted(features_folder(root).glob(f"*/*{FEATURES_ENDING}")):
        if _OUR_FEATURES.fullmatch(path.parent.name):
            yield path
    for path in sorted(weights_file(root, "").parent.glob(f"*{WEIGHTS_ENDING}")):
        if _OUR_WEIGHTS.fullmatch(path.name):
            yield path
