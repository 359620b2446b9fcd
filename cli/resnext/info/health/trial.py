"""One photo through the engine and through the reference, and as many as this machine can take in two seconds.

The photo is made here: the same pixels on every machine, and no file to lose. It is a PNG of 500 x 375 pixels, about
the size of an ImageNet photo.
"""

import io
import time
from collections.abc import Iterator
from typing import Any

from resnext.models import catalog
from resnext.records import Source
from resnext.shelf.shelf import ModelRequest, Shelf

_WIDTH, _HEIGHT = 500, 375
_TOLERANCE = 1e-3  # of logits in fp32, whose spread is about 1: --exact promises 1e-4
_SPEED_SECONDS = 2.0


def against_reference(shelf: Shelf) -> dict[str, Any]:
    """Label the photo with the bundled model in fp32, compiled and in torch, and compare all logits.

    Raises:
        ResnextError: one of the two can't run.
    """
    import numpy as np

    from resnext.images.loading import Decoding, loader

    name = catalog.BUNDLED_MODEL
    compiled = shelf.open(ModelRequest(model=name, precision="fp32", offline=True))
    reference = shelf.open(ModelRequest(model=name, engine="torch", precision="fp32", offline=True))
    # A copy: torch warns of an array that it may not write to.
    pixels = np.stack([loader(Decoding(compiled.preprocessing))(_photo())])
    ours = compiled.load("latency").submit(pixels).result()["logits"][0]
    theirs = reference.load("latency").submit(pixels).result()["logits"][0]
    difference = float(np.abs(ours - theirs).max())
    return {
        "model": name,
        "largest_difference": difference,
        "tolerance": _TOLERANCE,
        "label": compiled.labels()[int(ours.argmax())].name,
        "agree": bool(difference <= _TOLERANCE and ours.argmax() == theirs.argmax()),
    }


def speed(shelf: Shelf, model: str, workers: int) -> dict[str, Any]:
    """Photos a second through the whole pipeline with one model: decoding, preprocessing, the engine at its best.

    `precision` is what "auto" picks here; `load_seconds` is the engine's start.

    Raises:
        ResnextError: the model can't run.
    """
    from resnext.images.loading import Decoding, loader
    from resnext.pipeline import loop
    from resnext.pipeline.look_ahead import LookAhead

    opened = shelf.open(ModelRequest(model=model, offline=True))
    begin = time.monotonic()
    engine = opened.load("throughput")
    load_seconds = time.monotonic() - begin
    load = loader(Decoding(opened.preprocessing), opened.transform)
    begin = time.monotonic()
    with LookAhead(_photos(begin + _SPEED_SECONDS), load, workers=workers) as ahead:
        count = sum(1 for _ in loop.answer_each(ahead.batches(engine.batch_size), engine, lambda source, row: row))
    seconds = time.monotonic() - begin
    return {
        "model": opened.name,
        "precision": engine.precision,
        "photos": count,
        "seconds": round(seconds, 2),
        "photos_per_second": round(count / seconds, 1),
        "load_seconds": round(load_seconds, 2),
    }


def png() -> bytes:
    """The photo: colour gradients with a bright disc, so that no row and no channel is like another."""
    import numpy as np
    from PIL import Image

    y, x = np.mgrid[0:_HEIGHT, 0:_WIDTH]
    disc = ((x - 200) ** 2 + (y - 180) ** 2 < 110**2) * 90
    channels = (x * 255 // _WIDTH // 2 + disc, y * 255 // _HEIGHT // 2 + disc, (x + y) % 128 + disc // 2)
    pixels = np.stack(channels, axis=-1).astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def _photo() -> Source:
    content = png()
    return Source("synthetic.png", read=lambda: content)


def _photos(end: float) -> Iterator[Source]:
    photo = _photo()
    while time.monotonic() < end:
        yield photo
