"""What `evaluate --calibrate` measured of a model, stored beside the compiled models: `calibrations/<weights>.json`.

It holds for the weights, whatever they were compiled to.
"""

import json
from pathlib import Path

from resnext.disk import read_regular, replace_file
from resnext.errors import OutputError
from resnext.records import Calibration

_FOLDER = "calibrations"


def recall_calibration(root: Path, weights_digest: str) -> Calibration | None:
    """Read the calibration of these weights; None if there is none, or none that is valid."""
    try:
        noted = json.loads(read_regular(_path(root, weights_digest)))
        if noted["weights"] != weights_digest:
            return None
        found = Calibration(float(noted["temperature"]), float(noted["sure"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if 0 < found.temperature < float("inf") and 0 < found.sure <= 1 else None


def keep_calibration(root: Path, weights_digest: str, calibration: Calibration, about: dict[str, object]) -> Path:
    """Store a calibration, whole or not at all, in place of an earlier one; `about` is for people. Give its path.

    Raises:
        OutputError: it can't be written.
    """
    path = _path(root, weights_digest)
    note = json.dumps({"weights": weights_digest, **calibration._asdict(), **about}, indent=2) + "\n"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, [note.encode()])
    except OSError as error:
        raise OutputError(f"{path}: can't keep the calibration: {error.strerror}") from error
    return path


def _path(root: Path, weights_digest: str) -> Path:
    return root / _FOLDER / f"{weights_digest[:32]}.json"
