"""The hostile set: broken and odd files from other projects' test suites, against what Pillow alone does with each."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from resnext.errors import FailureCode
from resnext.images.formats import PLUGINS
from support.program import HOSTILE

Answers = list[tuple[dict[str, Any], dict[str, Any]]]

_DECODE_ALL = """
import hashlib, json, os, sys
from resnext.images.decode import DecodeConfig, decode
from resnext.errors import InputError
from resnext.records import Source

for name in sys.stdin.read().split():
    answer = {"file": name}
    try:
        image = decode(Source(os.path.join(sys.argv[1], name)), DecodeConfig(0))
        answer |= {"mode": image.mode, "rgb_sha1": hashlib.sha1(image.tobytes()).hexdigest()}
    except InputError as error:
        answer["code"] = str(error.code)
    except BaseException as error:
        answer["escaped"] = repr(error)
    print(json.dumps(answer), flush=True)
"""


@pytest.fixture(scope="module")
def hostile() -> Answers:
    """(truth, our answer) of every file; from a process of its own, so that one that hangs or crashes is told."""
    if not (HOSTILE / "truth.jsonl").is_file():
        pytest.skip(f"the hostile set is not at {HOSTILE}")
    truth = [json.loads(line) for line in (HOSTILE / "truth.jsonl").read_text().splitlines()]
    done = subprocess.run(
        [sys.executable, "-c", _DECODE_ALL, str(HOSTILE)],
        input="\n".join(row["file"] for row in truth),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"after {answers[-1:]}: {done.stderr}"
    return list(zip(truth, answers, strict=True))


def test_every_hostile_file_gives_a_picture_or_a_code(hostile: Answers) -> None:
    assert len(hostile) > 400
    assert [answer for _, answer in hostile if "escaped" in answer] == []
    assert {answer["code"] for _, answer in hostile if "code" in answer} <= set(FailureCode)
    assert {answer["mode"] for _, answer in hostile if "mode" in answer} == {"RGB"}


# Sound pictures that Pillow alone refuses for what is no part of them, or reads wrongly.
HUGE_TEXT = "files/44a0c3a701.png"
SIGNED_SAMPLES = "files/4ff6bdf01c.tiff"


def test_no_broken_hostile_file_gives_a_picture(hostile: Answers) -> None:
    broken = {truth["file"] for truth, answer in hostile if truth["outcome"] == "error" and "code" not in answer}
    assert broken == {HUGE_TEXT}


def test_every_good_hostile_file_is_decoded(hostile: Answers) -> None:
    good = [
        (truth, answer)
        for truth, answer in hostile
        if truth["outcome"] == "ok" and truth["format"] in (*PLUGINS, "MPO")
    ]
    assert len(good) > 150
    assert [(truth["file"], answer) for truth, answer in good if "code" in answer] == []


def test_plain_hostile_pixels_are_pillows_own(hostile: Answers) -> None:
    """Where nothing is to be turned, composed, scaled or converted, the picture is what Pillow alone makes of it."""
    plain = [
        (truth, answer)
        for truth, answer in hostile
        if truth["outcome"] == "ok"
        and "code" not in answer
        and truth["mode"] in ("RGB", "L", "P", "1", "CMYK", "YCbCr")
        if not truth.get("transparency") and not truth.get("has_icc") and truth.get("orientation", 1) == 1
    ]
    assert len(plain) > 80
    assert [truth["file"] for truth, answer in plain if answer["rgb_sha1"] != truth["rgb_sha1"]] == [SIGNED_SAMPLES]


def test_hostile_bombs_are_too_large(hostile: Answers) -> None:
    bombs = [truth["file"] for truth, _ in hostile if truth.get("exc", "").endswith("DecompressionBombError")]
    codes = {truth["file"]: answer.get("code") for truth, answer in hostile if truth["file"] in bombs}
    # Two are a TGA to Pillow, which takes nearly any bytes for one; they are no image to us.
    noise = {"files/6a4727fcd2.heic", "files/0ff3e34656"}
    assert {file for file, code in codes.items() if code != FailureCode.TOO_LARGE} <= noise < set(bombs)
