"""Kills while sidecars are written: each is the old or the new one, whole, and a later run finishes the work."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from resnext.outputs.sidecars.edit import with_tags
from resnext.outputs.sidecars.keywords import Wish
from support.program import RunResnext, clean_environment
from support.sidecars import DARKTABLE, DIGIKAM_WRITES, EXIFTOOL

PATHS = (["animal", "dog", "corgi"], ["food", "pizza"])
CONTENTS = [content.encode() for content in (DARKTABLE, DIGIKAM_WRITES, EXIFTOOL)]


def write_list(path: Path, folder: Path, count: int, tag: list[str]) -> None:
    rows = [
        {"file": str(folder / f"{number}.jpg"), "file_b64": "", "status": "ok", "tags": [{"path": tag}]}
        for number in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_no_kill_damages_a_sidecar(resnext: RunResnext, tmp_path: Path, amount: Callable[[int, int], int]) -> None:
    """Runs write one tag and then the other into the same sidecars; each is killed at a random moment of its work."""
    folder, count = tmp_path / "photos", 60
    folder.mkdir()
    allowed: list[set[bytes]] = []
    for number in range(count):
        (folder / f"{number}.jpg").touch()
        content = CONTENTS[number % len(CONTENTS)]
        (folder / f"{number}.jpg.xmp").write_bytes(content)
        tagged = [with_tags(content, Wish((tuple(path),)), {}).data for path in PATHS]
        allowed.append({content, *(data for data in tagged if data is not None)})
    lists = [tmp_path / f"{which}.jsonl" for which in range(2)]
    for path, tag in zip(lists, PATHS, strict=True):
        write_list(path, folder, count, tag)
    environment, rng = clean_environment(tmp_path / "home", tmp_path / "cache"), random.Random(7)
    killed = 0
    for round_ in range(amount(200, 8)):
        process = subprocess.Popen(
            [sys.executable, "-m", "resnext", "tag", "--from", lists[round_ % 2]],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert process.stdout is not None
        for _ in range(rng.randrange(count)):  # so many sidecars are written
            process.stdout.readline()
        time.sleep(rng.random() * 0.004)  # and some part of the next one
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        process.stdout.close()
        for number in range(count):
            assert (folder / f"{number}.jpg.xmp").read_bytes() in allowed[number]
    assert killed
    assert resnext("tag", "--from", lists[0]).returncode == 0
    assert resnext("tag", "--undo", folder).returncode == 0
    for number in range(count):
        assert (folder / f"{number}.jpg.xmp").read_bytes() == CONTENTS[number % len(CONTENTS)]
    assert not list(folder.glob(".*"))
