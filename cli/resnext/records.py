"""The frozen records that travel from room to room.

Named tuples: a start makes these in an eighth of the time that dataclasses take, and annotations that are not texts in
half of that.
"""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from resnext.errors import FailureCode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    # What an engine takes: the resized centres of photos, uint8 (…, H, W, 3); or of a model whose transform is not
    # that, what timm's own made of them, float32 (…, 3, H, W) and normalized.
    Pixels = NDArray[np.uint8 | np.float32]

# What people choose of an answer.
# Whether photos are decoded in processes of their own. "auto" is "never": it costs more than the 3% that it might.
Isolation = Literal["auto", "always", "never"]
OutputType = Literal["prob", "logit"]
LabelType = Literal["name", "description", "detailed"]
Kind = Literal["pooled", "unpooled", "multiscale", "logits"]
DType = Literal["float32", "float16"]


class Source(NamedTuple):
    """One input: what it is called in the output, and how to get its bytes.

    `file` is the path as found, decoded with the file system's encoding and surrogateescape, so that
    `os.fsencode(file)` gives the very bytes of the name back. Where it does not name a file on this machine, `read`
    gives the content, once, or raises InputError; `path` is the local file that the content is read from (an archive);
    `remote` says that reading waits for another machine, so that many may be read at once. Equality and hash are of
    the name alone.
    """

    file: str
    read: Callable[[], bytes] | None = None
    remote: bool = False
    path: str | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Source) and self.file == other.file

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.file)

    def stamp(self) -> tuple[int, int] | None:
        """Size in bytes and time of the last change in ns of the local file with the content, by one stat.

        None where there is no such file: addresses, stdin, a file that is gone.
        """
        path = self.file if self.read is None else self.path
        try:
            status = os.stat(path) if path is not None else None  # noqa: PTH116 - names are kept to the byte
        except (OSError, ValueError):  # ValueError: an embedded NUL
            return None
        return (status.st_size, status.st_mtime_ns) if status is not None else None


class Shard(NamedTuple):
    """One of `of` parts of all inputs, which as many runs share; `number` counts from 1."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def has(self, number: int) -> bool:
        """Whether the input with this number, or with a digest that stands for one, is in the shard."""
        return number % self.of == self.number - 1


class Failure(NamedTuple):
    """One input without an answer, and why."""

    source: Source
    code: FailureCode
    message: str


class Batch(NamedTuple):
    """Neighbouring inputs, in input order: those that were decoded and those that failed on the way.

    `pixels` has a row for every Source of `entries`, in their order; there may be none.
    """

    entries: tuple[Source | Failure, ...]
    pixels: "Pixels"


class Label(NamedTuple):
    """One class. `index` and `synset` are its keys; two ImageNet classes share the name "crane", two "maillot"."""

    index: int  # type: ignore[assignment]  # the field's word hides a method of tuples that nobody needs
    name: str
    description: str
    synset: str | None = None
    definition: str | None = None


class Prediction(NamedTuple):
    """One class with its score: a probability in [0, 1] of the softmax over all classes, or the logit before it."""

    label: Label
    score: float


class PredictionConfig(NamedTuple):
    """`top_k`: how many classes, at most all. `threshold`: classes below this probability are left out.

    `output_type`: what a score is, the probability or the logit that it comes from.
    """

    top_k: int = 5
    threshold: float = 0.0
    output_type: OutputType = "prob"


class Tag(NamedTuple):
    """One name of a vocabulary that a photo's classes are sure enough of.

    `score`: how likely it is right, in [0, 1]. `path`: the broader names above it, broadest first, then its own.
    `synset`: of a class that has one, else "". `classes`: the indices that it stands for, ascending.
    """

    label: str
    score: float
    path: tuple[str, ...]
    synset: str
    classes: tuple[int, ...]


class Calibration(NamedTuple):
    """What was measured of one model: the temperature of its logits, and how sure a tag of it has to be."""

    temperature: float
    sure: float


class SidecarChange(NamedTuple):
    """What became of one sidecar. Tags are a|b|c; `kept`: keywords of the user's; `sidecar` "": there is none."""

    sidecar: str
    added: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class Classified(NamedTuple):
    """The answer for one input: the best classes, best first, and its tags where tags were asked for."""

    source: Source
    predictions: tuple[Prediction, ...]
    tags: tuple[Tag, ...] = ()
    sidecar: SidecarChange | None = None  # of `tag` alone


class Features(NamedTuple):
    """What the network sees of one input: its arrays by name, without the batch's dimension, of the dtype asked for."""

    source: Source
    arrays: "dict[str, NDArray[np.floating[Any]]]"


# What a run has to say of an input that worked.
Answer = Classified | Features


class PreprocessingConfig(NamedTuple):
    """How timm's evaluation transform treats a photo for one model; the fields of timm's `pretrained_cfg`.

    `input_size` is (C, H, W); `mean` and `std` are in units of the [0, 1] pixel range, one number a channel.
    """

    input_size: tuple[int, int, int]
    interpolation: str
    crop_pct: float
    crop_mode: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
