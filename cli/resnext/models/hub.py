"""The local cache of the Hugging Face hub as it lies on disk: its client takes 250 ms to import, a look takes none.

    $HF_HUB_CACHE/models--<owner>--<name>/     or $HF_HOME/hub, or huggingface/hub in the user's cache directory
      refs/main                                the commit that "main" was when it was fetched last
      snapshots/<commit>/<file>                links to blobs/<digest>; that of a large file is its SHA-256

Read only: the cache belongs to all of the hub's tools.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from resnext.models.weights import HUB_FILENAMES

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class CachedWeights:
    """A weights file in the hub cache. `digest` is its SHA-256 where the cache knows it without reading the file."""

    repo: str
    path: Path
    size_bytes: int
    modified: float
    digest: str | None


def hub_cache_folder() -> Path:
    """Where the hub's client keeps its files, by the variables that it reads itself."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if os.environ.get(variable):
            return _expanded(os.environ[variable])
    home = os.environ.get("HF_HOME")
    if home:
        return _expanded(home) / "hub"
    return _expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface" / "hub"


def find_cached(repo: str) -> CachedWeights | None:
    """The weights of a repository such as "timm/resnext50_32x4d.fb_ssl_yfcc100m_ft_in1k", if they are on this disk."""
    folder = hub_cache_folder() / f"models--{repo.replace('/', '--')}"
    try:
        commit = (folder / "refs" / "main").read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
    for filename in HUB_FILENAMES:
        path = folder / "snapshots" / commit / filename
        try:
            status = path.stat()
        except (OSError, ValueError):
            continue
        blob = path.resolve().name
        return CachedWeights(repo, path, status.st_size, status.st_mtime, blob if _SHA256.fullmatch(blob) else None)
    return None


def timm_weights() -> Iterator[CachedWeights]:
    """All weights of timm's own repositories in the cache, in the order of their names."""
    try:
        names = sorted(path.name for path in hub_cache_folder().glob("models--timm--*"))
    except OSError:
        return
    for name in names:
        found = find_cached("timm/" + name.removeprefix("models--timm--"))
        if found is not None:
            yield found


def _expanded(path: str) -> Path:
    return Path(os.path.expandvars(path)).expanduser()
