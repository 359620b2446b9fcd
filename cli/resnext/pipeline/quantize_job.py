"""`quantize`: a sample of the photos calibrates and validates an int8 graph of a model."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from itertools import cycle, takewhile
from typing import TYPE_CHECKING, Any, NamedTuple

from resnext.errors import ModelError, UsageError
from resnext.pipeline.loop import Row, answer_each
from resnext.records import Batch, Failure, Source

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from resnext.console.terminal import Notices
    from resnext.engines import Engine, Precision
    from resnext.records import Pixels
    from resnext.shelf.quantized import Load, Verdict
    from resnext.shelf.shelf import ModelRequest
    from resnext.sources.config import SourceConfig

# Fewer say nothing: of 20 one is 5%.
_LEAST_PHOTOS = 20
# Photos a second are measured in turns, so that what else the machine does meanwhile meets all precisions.
_TURNS = 3
_TURN_SECONDS = 1.0
# Where the best class leads clearly, a fifth of the disagreement that is allowed in all.
_CLEAR_SHARE = 0.2


class QuantizeRequest(NamedTuple):
    """All that `quantize` was asked for. `agreement` is the wanted share of equal best classes, 0 to 1."""

    paths: tuple[str, ...]
    model: "ModelRequest"
    sources: "SourceConfig"
    max_megapixels: float
    workers: int
    calibrate: int
    validate: int
    agreement: float
    again: bool


def quantize(request: QuantizeRequest, notices: "Notices") -> dict[str, Any]:
    """Make the int8 graph, or find one that was made of the same photos; give its report.

    Raises:
        UsageError: there are too few photos.
        ModelError: the model can't be had, or int8 does not agree as wanted; nothing is kept.
        OutputError: the store can't be written.
    """
    from resnext.images.loading import Decoding, loader
    from resnext.pipeline.sampling import sample
    from resnext.shelf.shelf import Shelf
    from resnext.sources import find

    begin = time.monotonic()
    shelf = Shelf(notices)
    opened = shelf.open(request.model)
    notices.info("reading photos")
    decoding = Decoding(opened.preprocessing, max_megapixels=request.max_megapixels)
    inputs = find(request.paths, request.sources)
    count = request.calibrate + request.validate
    found = sample(inputs, loader(decoding, opened.transform), count, workers=request.workers)
    if found.failed:
        notices.warning(f"{found.failed} of {found.found} inputs can't be used")
    calibration, validation = _divided(found.pixels, request)
    notices.info(f"calibrating {opened.name} on {len(calibration)} photos, validating on {len(validation)} others")
    judge = Validation(validation, request.agreement)
    demands = {"agreement": request.agreement, "validation": judge.digest}
    model = shelf.quantize(request.model, calibration, demands, judge, again=request.again)
    assert model.quantization is not None
    return {
        "model": opened.name,
        "folder": str(model.folder),
        **model.quantization,
        "seconds": round(time.monotonic() - begin, 1),
    }


def _divided(pixels: "Pixels", request: QuantizeRequest) -> "tuple[Pixels, Pixels]":
    """Photos that calibrate and others that validate, in the wanted proportion, each kind spread over all."""
    share = request.calibrate / (request.calibrate + request.validate)
    calibrates = [int((place + 1) * share) > int(place * share) for place in range(len(pixels))]
    calibration = pixels[calibrates]
    validation = pixels[[not each for each in calibrates]]
    if min(len(calibration), len(validation)) < _LEAST_PHOTOS:
        raise UsageError(
            f"{len(pixels)} different photos are too few: at least {_LEAST_PHOTOS} calibrate and {_LEAST_PHOTOS} others"
            " validate; some hundred of each are good"
        )
    return calibration, validation


class Validation:
    """Judges int8 graphs by photos that did not calibrate them."""

    def __init__(self, photos: "Pixels", wanted: float) -> None:
        self._photos, self._wanted = photos, wanted
        self._reference: dict[str, NDArray[np.float32]] | None = None
        self.digest = hashlib.sha256(photos.tobytes()).hexdigest()

    def verdict(self, load: "Load") -> "Verdict":
        """Compare the answers of int8 with those of fp32."""
        from resnext.answers.agreement import agreement
        from resnext.shelf.quantized import Verdict

        if self._reference is None:
            self._reference = _answers(load("fp32"), self._photos)
        found = agreement(self._reference, _answers(load("int8"), self._photos))
        allowed = 1 - self._wanted
        excess = max(
            _excess(1 - found.top1, allowed, found.photos),
            _excess(1 - found.clear_top1, allowed * _CLEAR_SHARE, found.clear_photos),
        )
        if not self._wanted:
            excess = 0.0
        text = f"{found.top1:.1%} of the labels agree with fp32, {found.clear_top1:.1%} where the best is clear"
        reached = max(0.0, min(found.top1, 1 - (1 - found.clear_top1) / _CLEAR_SHARE))
        return Verdict(excess, reached, text, asdict(found))

    def speed(self, load: "Load") -> "dict[str, float | None]":
        """Photos a second of the engine alone in each precision; None for bf16 where the processor has none."""
        engines: dict[Precision, Engine] = {}
        precisions: tuple[Precision, ...] = ("fp32", "bf16", "int8")
        for precision in precisions:
            with suppress(ModelError):  # bf16 alone: the two others have answered already
                engines[precision] = load(precision)
        turns = [{each: _photos_a_second(engines[each], self._photos) for each in engines} for _ in range(_TURNS)]
        return {
            each: round(sorted(turn[each] for turn in turns)[_TURNS // 2], 1) if each in engines else None
            for each in precisions
        }


def _excess(found: float, allowed: float, photos: int) -> float:
    """How many times the share that is allowed was found; of a few photos 0 when none differs."""
    differing = round(found * photos)
    return differing / max(allowed * photos, 1e-9)


def _answers(engine: "Engine", photos: "Pixels") -> "dict[str, NDArray[np.float32]]":
    """The outputs for all photos, each (N, ...)."""
    import numpy as np

    rows = [
        row for row in answer_each(_batches(photos, engine.batch_size), engine, _row) if not isinstance(row, Failure)
    ]
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def _photos_a_second(engine: "Engine", photos: "Pixels") -> float:
    """Run for about a second, the photos over and over."""
    begin = time.monotonic()
    batches = takewhile(lambda _: time.monotonic() < begin + _TURN_SECONDS, cycle(_batches(photos, engine.batch_size)))
    count = sum(1 for _ in answer_each(batches, engine, _row))
    return count / (time.monotonic() - begin)


def _batches(photos: "Pixels", size: int) -> Iterator[Batch]:
    for first in range(0, len(photos), size):
        pixels = photos[first : first + size]
        yield Batch((Source("photo"),) * len(pixels), pixels)


def _row(_: Source, row: Row) -> Row:
    return row
