"""Kept features: known by content, whole records alone count, runs do not disturb each other."""

import hashlib
import os
import time
from pathlib import Path

import numpy as np
import pytest

from resnext.errors import OutputError
from resnext.training.kept_features import KeptFeatures

WIDTH = 8
DIGESTS = [hashlib.sha256(str(each).encode()).hexdigest() for each in range(5)]
VECTORS = np.random.default_rng(0).normal(size=(5, WIDTH)).astype(np.float32)


def _keep(root: Path, *places: int, identity: str = "model") -> KeptFeatures:
    with KeptFeatures(root, identity, WIDTH) as kept:
        for place in places:
            kept.add(DIGESTS[place], VECTORS[place])
    return kept


def test_what_was_kept_is_there_for_the_same_model_alone(tmp_path: Path) -> None:
    _keep(tmp_path, 0, 1)
    _keep(tmp_path, 2)
    again = KeptFeatures(tmp_path, "model", WIDTH)
    assert len(again) == 3 and DIGESTS[2] in again and DIGESTS[3] not in again
    assert np.array_equal(again.matrix([DIGESTS[2], DIGESTS[0], DIGESTS[2]]), VECTORS[[2, 0, 2]])
    assert not len(KeptFeatures(tmp_path, "another", WIDTH))


def test_of_a_killed_run_every_whole_record_counts(tmp_path: Path) -> None:
    _keep(tmp_path, 0, 1)
    (file,) = tmp_path.glob("features/*/*.features")
    whole = file.read_bytes()
    for cut in range(0, len(whole), 7):
        file.write_bytes(whole[:cut])
        kept = KeptFeatures(tmp_path, "model", WIDTH)
        assert len(kept) == cut * 2 // len(whole)
        assert np.array_equal(kept.matrix(DIGESTS[: len(kept)]), VECTORS[: len(kept)])


def test_what_nobody_used_for_a_month_goes(tmp_path: Path) -> None:
    _keep(tmp_path, 0)
    (file,) = tmp_path.glob("features/*/*.features")
    old = time.time() - 31 * 86_400
    os.utime(file, (old, old))
    assert not len(KeptFeatures(tmp_path, "model", WIDTH)) and not file.exists()


def test_a_place_that_can_not_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "features").write_text("no folder")
    with pytest.raises(OutputError, match="can't keep features"):
        _keep(tmp_path, 0)
