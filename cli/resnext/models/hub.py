"""The Hugging Face hub: its cache on this disk, its client with a bounded wait, and when the client is not asked.

    $HF_HUB_CACHE/models--<owner>--<name>/     or $HF_HOME/hub, or huggingface/hub in the user's cache directory
      refs/main                                the commit that "main" was when it was fetched last
      snapshots/<commit>/<file>                links to blobs/<digest>; that of a large file is its SHA-256

The cache belongs to all of the hub's tools and is read here without the client, which takes 250 ms to import. timm's
own path to the hub takes 53 s to find that there is no network.
"""

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from resnext.errors import HubUnreachable, ModelError, first_line
from resnext.threads import within

if TYPE_CHECKING:
    from resnext.models.weights import WeightsFile

HUB_ANSWER_SECONDS = 1.5  # two seconds are promised, the start of the client included
# timm's order: the safetensors file first, then the older pickle, which is read with weights_only.
HUB_FILENAMES = ("model.safetensors", "pytorch_model.bin")
# `--model auto` asks again only after this long; a model that was named always asks.
_PAUSE_SECONDS = 3600.0
_OFFLINE_VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_SECONDS_VARIABLES = ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT")
_SHA256 = re.compile(r"[0-9a-f]{64}")

# -- the cache on disk -----------------------------------------------------------------------------------------------


class CachedWeights(NamedTuple):
    """A weights file in the hub cache. `digest` is its SHA-256 where the cache knows it without reading the file."""

    repo: str
    path: Path
    size_bytes: int
    modified: float
    digest: str | None

    def checked(self) -> "WeightsFile":
        """Read the file against the digest that the hub told: its client compares sizes alone.

        Raises:
            ModelError: it is no checkpoint, or another file than the hub's.
        """
        from resnext.models.weights import from_file

        return from_file(self.path, f"hub {self.repo}", promised=self.digest)


def hub_cache_folder() -> Path:
    """Where the hub's client keeps its files, by the variables that it reads itself."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if os.environ.get(variable):
            return _expanded(os.environ[variable])
    home = os.environ.get("HF_HOME")
    if home:
        return _expanded(home) / "hub"
    return _expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface" / "hub"


def find_file(repo: str, filename: str) -> Path | None:
    """Find a file of a repository's main branch on this disk."""
    folder = hub_cache_folder() / f"models--{repo.replace('/', '--')}"
    with suppress(OSError, ValueError):
        path = folder / "snapshots" / (folder / "refs" / "main").read_text().strip() / filename
        if path.is_file():
            return path
    return None


def find_cached(repo: str) -> CachedWeights | None:
    """Find the weights of a repository such as "timm/resnext50_32x4d.fb_ssl_yfcc100m_ft_in1k" on this disk."""
    for filename in HUB_FILENAMES:
        path = find_file(repo, filename)
        if path is not None:
            status, blob = path.stat(), path.resolve().name
            return CachedWeights(repo, path, status.st_size, status.st_mtime, blob if _SHA256.fullmatch(blob) else None)
    return None


def timm_weights() -> Iterator[CachedWeights]:
    """Give all weights of timm's own repositories in the cache, in the order of their names."""
    try:
        names = sorted(path.name for path in hub_cache_folder().glob("models--timm--*"))
    except OSError:
        return
    for name in names:
        found = find_cached("timm/" + name.removeprefix("models--timm--"))
        if found is not None:
            yield found


def _expanded(path: str) -> Path:
    # As the client does it: "~" stays as it is where nobody knows the user's home.
    return Path(os.path.expanduser(os.path.expandvars(path)))  # noqa: PTH111


# -- the network -----------------------------------------------------------------------------------------------------


def check_variables() -> None:
    """Refuse variables that the hub's client, and with it timm, can't be imported with.

    Raises:
        ModelError: a number of seconds is none.
    """
    for name in _SECONDS_VARIABLES:
        value = os.environ.get(name)
        if value is not None and not re.fullmatch(r"\s*[+-]?\d+\s*", value):
            raise ModelError(f"{name} is {value!r} in the environment, which is no number of seconds; unset it")


def hub_download(repo: str, filenames: tuple[str, ...], before: Callable[[], None], *, bar: bool) -> None:
    """Fetch the first of `filenames` that a repository has into the hub cache, if the hub answers in time.

    `before` is called when the hub has answered and the download begins; `bar` shows how far it is on stderr.

    Raises:
        HubUnreachable: no answer within HUB_ANSWER_SECONDS, or the connection failed.
        ModelError: the hub answered, and has no such file for us.
    """
    check_variables()
    if str(hub_cache_folder()).startswith("~"):
        raise ModelError("there is no home directory to keep downloads in; set HF_HOME to a folder")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError
    from huggingface_hub.utils.tqdm import disable_progress_bars, enable_progress_bars

    ask_hub(repo)
    before()
    (enable_progress_bars if bar else disable_progress_bars)()
    for filename in filenames:
        try:
            hf_hub_download(repo, filename)
            return
        except LocalEntryNotFoundError as error:
            # A subclass of EntryNotFoundError that means the opposite: the hub was not asked or did not answer.
            raise HubUnreachable(f"the download of {repo} broke off; run the command again to resume it") from error
        except EntryNotFoundError:
            continue
        except HfHubHTTPError as error:
            raise ModelError(f"the hub refused {repo}: {first_line(error)}") from error
        except OSError as error:
            raise ModelError(f"can't store the download of {repo}: {first_line(error)}") from error
    raise ModelError(f"the hub has no {filenames[0]} in {repo}; give a checkpoint with --weights FILE")


def ask_hub(repo: str) -> None:
    """Return if the hub answers at all.

    In a thread, because no client bounds the look-up of a host's name.

    Raises:
        HubUnreachable: it does not within HUB_ANSWER_SECONDS in total.
    """
    check_variables()
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError

    def ask() -> None:
        with suppress(HfHubHTTPError):  # an answer, if not the file: the download says which
            get_hf_file_metadata(hf_hub_url(repo, HUB_FILENAMES[0]), timeout=HUB_ANSWER_SECONDS)

    try:
        within(HUB_ANSWER_SECONDS, ask, name="ask-hub")
    except TimeoutError as error:
        raise HubUnreachable(f"the hub did not answer within {HUB_ANSWER_SECONDS:g} s") from error
    except Exception as error:  # whatever the client under huggingface_hub raises
        raise HubUnreachable(f"the hub can't be reached ({first_line(error)})") from error


def hub_is_offline() -> bool:
    """Whether the environment forbids the network (HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE, as for the hub's client)."""
    return any(os.environ.get(name, "").upper() in {"1", "ON", "YES", "TRUE"} for name in _OFFLINE_VARIABLES)


class HubPause:
    """Remembers in the cache folder `root` when the hub failed last."""

    def __init__(self, root: Path) -> None:
        self._note = root / "hub-unreachable"

    def lasts(self) -> bool:
        """Whether the hub failed within the last hour."""
        try:
            age = time.time() - self._note.stat().st_mtime
        except OSError:
            return False
        return 0 <= age < _PAUSE_SECONDS

    def begin(self) -> str | None:
        """Note a failure; give the reason where the note can't be written: only the next start's wait is at stake."""
        try:
            self._note.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._note.touch()
        except OSError as error:
            return f"{self._note}: {error.strerror}"
        return None

    def end(self) -> None:
        """Forget the failure: the hub has answered. A note that can't be removed ends by itself."""
        with suppress(OSError):
            self._note.unlink(missing_ok=True)
