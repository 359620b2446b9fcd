"""What a start does in threads of their own: imports while the main one checks the model, then loading the engine."""

import importlib
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")

_BLAS_THREADS = "OPENBLAS_NUM_THREADS"


def import_ahead(*, openvino: bool) -> None:
    """Begin to import numpy, Pillow, the rooms of the pipeline and, where it will compute, openvino.

    Holding the compiled model against its digests meanwhile takes a processor and no interpreter.
    """
    threading.Thread(target=_import, args=(openvino,), name="imports", daemon=True).start()


def begun(task: Callable[[], T]) -> Callable[[], T]:
    """Begin a task in a thread of its own; what is returned waits for it, gives its result or raises its error."""
    outcome: list[T] = []
    faults: list[BaseException] = []

    def work() -> None:
        try:
            outcome.append(task())
        except BaseException as fault:
            faults.append(fault)

    def result() -> T:
        thread.join()
        if faults:
            raise faults[0]
        return outcome[0]

    # Not a daemon: the end of the process must not meet it inside compiled code.
    thread = threading.Thread(target=work, name="engine")
    thread.start()
    return result


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
