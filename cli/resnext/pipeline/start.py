"""Imports in a thread of their own, while the main thread checks the model."""

import importlib
import os
import threading
from contextlib import suppress

_BLAS_THREADS = "OPENBLAS_NUM_THREADS"


def import_ahead(*, openvino: bool) -> None:
    """Start to import numpy, Pillow, the rooms of the pipeline and, with `openvino`, the engine.

    The main thread meanwhile checks the digests of the compiled model, which needs a processor and no interpreter.
    """
    threading.Thread(target=_import, args=(openvino,), name="imports", daemon=True).start()


def _import(openvino: bool) -> None:
    # What goes wrong here goes wrong again where it is reported.
    with suppress(Exception):
        _import_numpy()
        if openvino:
            importlib.import_module("resnext.engines.openvino.importing").import_openvino()
            importlib.import_module("resnext.engines.openvino.engine")
        rooms = (
            "pipeline.loop",
            "pipeline.look_ahead",
            "images.loading",
            "answers.predictions",
            "outputs",
            "pipeline.progress",
        )
        for room in rooms:
            importlib.import_module(f"resnext.{room}")


def _import_numpy() -> None:
    """Import numpy without the threads of its BLAS, which spin on every processor and here have nothing to do.

    They cost a tenth of a short run. Whoever imports a BLAS of their own later (torch) gets all its threads.
    """
    chosen = os.environ.get(_BLAS_THREADS)
    os.environ[_BLAS_THREADS] = chosen or "1"
    try:
        importlib.import_module("numpy")
    finally:
        if chosen is None:
            del os.environ[_BLAS_THREADS]
