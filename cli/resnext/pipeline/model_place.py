"""The place where a trained model's folder goes: refused before anything is computed, held against other runs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resnext.errors import OutputError, UsageError
from resnext.training import model_folder


def check_target(target: Path, *, overwrite: bool, resume: bool = False) -> None:
    """Refuse a place where a model can't be put, before anything is computed.

    Raises:
        UsageError: something stands there.
        OutputError: its folder is not there, or can't be written.
    """
    if not target.name or not target.parent.is_dir():
        raise OutputError(f"{target}: can't write the model: its folder does not exist")
    if not os.access(target.parent, os.W_OK):
        raise OutputError(f"{target}: can't write the model: no permission to write in {target.parent}")
    if not os.path.lexists(target):
        return
    is_model = model_folder.is_model_folder(target)
    if overwrite and not is_model:
        raise UsageError(f"{target}: no model that resnext trained; it is not overwritten")
    if not overwrite:
        what = "already trained, nothing to go on with" if resume and is_model else "already there"
        raise UsageError(f"{target}: {what}; --overwrite puts the new model in its place")


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Hold the place of a model against other runs.

    Raises:
        OutputError: another run has it.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(target.with_name(f".{target.name}.lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise OutputError(f"{target}: another run is training it") from error
    except OSError as error:
        raise OutputError(f"{target}: can't write the model: {error.strerror}") from error
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
