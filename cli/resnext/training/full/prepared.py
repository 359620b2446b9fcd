"""Photos decoded once, before the first epoch: small copies to augment, and the very crops that validate.

Every epoch reads one file of this machine, so that archives and addresses are read once, a photo that changes or goes
away changes nothing, and workers need no more than that file's name.
"""

import hashlib
import io
import json
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from resnext.disk import read_regular, replace_file
from resnext.errors import InputError, ModelError, OutputError
from resnext.images import preprocess
from resnext.images.loading import Decoding, loader
from resnext.records import PreprocessingConfig
from resnext.training.labelled import LabelledPhoto

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A copy's shorter side, as a multiple of the network's input: a crop of a third of it still has as many pixels.
_SPARE = 1.25
# Of a strip of a photo nothing more than this part is kept: a random crop takes no more.
_MOST_ELONGATED = 2
_QUALITY = 95  # of a copy as JPEG, with full color: some 50 KB where its pixels take 300
_INDEX_BYTES = 1 << 30

Told = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Photos in one file, one after the other. `places` (N, 2) are where each begins and how long it is, in bytes.

    `labels` (N,) are int64. `digest` (32 bytes) distinguishes these photos with their labels.
    """

    file: Path
    places: "NDArray[np.int64]"
    labels: "NDArray[np.int64]"
    digest: bytes

    def __len__(self) -> int:
        return len(self.labels)

    def content(self, at: int) -> bytes:
        """The bytes of one photo."""
        begin, size = self.places[at]
        with self.file.open("rb") as file:
            file.seek(int(begin))
            return file.read(int(size))


def copies(
    photos: Sequence[LabelledPhoto], side: int, max_megapixels: float, folder: Path, name: str, workers: int, told: Told
) -> Prepared:
    """Decode photos to augment for an input of `side` pixels; each is kept as a small JPEG.

    Raises:
        OutputError: they can't be written.
    """
    shorter_side = math.ceil(side * _SPARE)

    def small(image: Image.Image) -> "NDArray[np.uint8]":
        return np.asarray(_smaller(image, shorter_side))

    decoding = Decoding(_ANY, max_megapixels=max_megapixels, shorter_side=shorter_side)
    load = loader(decoding, small)

    def encoded(photo: LabelledPhoto) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(load(photo.source)).save(buffer, "JPEG", quality=_QUALITY, subsampling=0)
        return buffer.getvalue()

    return _kept(photos, f"{name} {shorter_side}", encoded, folder / name, workers, told)


def crops(
    photos: Sequence[LabelledPhoto],
    config: PreprocessingConfig,
    max_megapixels: float,
    folder: Path,
    name: str,
    workers: int,
    told: Told,
) -> Prepared:
    """Decode photos as `classify` does; each is kept as the numbers that the network takes.

    Raises:
        OutputError: they can't be written.
    """
    transform = None
    if not preprocess.is_supported(config):
        from resnext.compiling.timm_models import timm_transform

        transform = timm_transform(config)
    load = loader(Decoding(config, max_megapixels=max_megapixels), transform)
    return _kept(photos, f"{name} {config}", lambda photo: load(photo.source).tobytes(), folder / name, workers, told)


def crops_of(prepared: Prepared, places: Sequence[int], config: PreprocessingConfig) -> "NDArray[np.float32]":
    """Read some crops, normalized: float32 (B, 3, H, W)."""
    _, height, width = config.input_size
    contents = [prepared.content(at) for at in places]
    if not preprocess.is_supported(config):
        return np.stack([np.frombuffer(each, np.float32).reshape(3, height, width) for each in contents])
    pixels = np.stack([np.frombuffer(each, np.uint8).reshape(height, width, 3) for each in contents])
    mean, std = (np.array(numbers, np.float32) for numbers in (config.mean, config.std))
    normalized = (pixels.astype(np.float32) / np.float32(255) - mean) / std
    return np.ascontiguousarray(normalized.transpose(0, 3, 1, 2))


# A transform of its own takes nothing of it.
_ANY = preprocess.from_pretrained_cfg({})


def _smaller(image: Image.Image, shorter_side: int) -> Image.Image:
    """The middle of a photo that is no strip, its shorter side not longer than asked for."""
    longest = _MOST_ELONGATED * min(image.size)
    if max(image.size) > longest:
        width, height = min(image.width, longest), min(image.height, longest)
        left, top = (image.width - width) // 2, (image.height - height) // 2
        image = image.crop((left, top, left + width, top + height))
    if min(image.size) <= shorter_side:
        return image
    return image.resize(preprocess.resized_size(image.size, shorter_side), Image.Resampling.BICUBIC)


def found(folder: Path, name: str) -> Prepared:
    """What another process has written.

    Raises:
        ModelError: it is not there.
    """
    file = folder / name
    index = _index(file)
    if index is None:
        raise ModelError(f"{file}: not there; all processes need the folder that the first one writes to")
    return _prepared(file, index)


def _kept(
    photos: Sequence[LabelledPhoto],
    what: str,
    encoded: Callable[[LabelledPhoto], bytes],
    file: Path,
    workers: int,
    told: Told,
) -> Prepared:
    """Write what `encoded` gives of each photo to `file`, unless it is there already. `what` says how it is made."""
    asked = hashlib.sha256(json.dumps([what, [[each.digest, each.label] for each in photos]]).encode()).hexdigest()
    index = _index(file)
    if index is not None and index["asked"] == asked:
        return _prepared(file, index)
    places: list[tuple[int, int]] = []
    kept: list[LabelledPhoto] = []
    try:
        with file.open("wb") as out:
            for photo, content in zip(photos, _ahead(photos, encoded, workers), strict=True):
                if content is not None:  # it could be decoded a while ago, and now it can't
                    places.append((out.tell(), len(content)))
                    kept.append(photo)
                    out.write(content)
                told(len(kept), len(photos))
        index = {
            "asked": asked,
            "digest": hashlib.sha256(json.dumps([[each.digest, each.label] for each in kept]).encode()).hexdigest(),
            "places": places,
            "labels": [each.label for each in kept],
        }
        replace_file(_index_of(file), [json.dumps(index).encode()])
    except OSError as error:
        raise OutputError(f"{file}: can't write the decoded photos: {error.strerror}") from error
    return _prepared(file, index)


def _prepared(file: Path, index: dict[str, Any]) -> Prepared:
    places = np.array(index["places"], np.int64).reshape(-1, 2)
    return Prepared(file, places, np.array(index["labels"], np.int64), bytes.fromhex(index["digest"]))


def _index_of(file: Path) -> Path:
    return file.with_suffix(".json")


def _index(file: Path) -> dict[str, Any] | None:
    """What an earlier run or another process wrote of its photos, all of it; None where there is no such thing."""
    try:
        index = json.loads(read_regular(_index_of(file), _INDEX_BYTES))
        whole = sum(size for _, size in index["places"]) == file.stat().st_size
        named = all(isinstance(index[name], str) for name in ("asked", "digest"))
        return index if whole and named and len(index["places"]) == len(index["labels"]) else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _ahead(
    photos: Iterable[LabelledPhoto], encoded: Callable[[LabelledPhoto], bytes], workers: int
) -> Iterator[bytes | None]:
    """What `encoded` gives, in order, of a few photos at once; None for one that fails."""

    def content(photo: LabelledPhoto) -> bytes | None:
        try:
            return encoded(photo)
        except InputError:
            return None

    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        waiting: deque[Future[bytes | None]] = deque()
        for photo in photos:
            waiting.append(pool.submit(content, photo))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
