"""Good and bad photos in one run: each good one has its own answer, as when it is alone, and each bad one an error."""

import itertools
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageEnhance, ImageOps

from support.program import SAMPLES, RunResnext

GOOD, BAD = 400, 100
# Another batch size takes other kernels, which round otherwise: seen up to 0.002 in bfloat16.
TOLERANCE = 0.02
TOP_K = 5


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[str]]:
    """GOOD photos, no two alike, and BAD files of several kinds; their paths."""
    rng = random.Random(1)
    folder = tmp_path_factory.mktemp("photos")
    originals = [
        ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        for path in sorted(SAMPLES.iterdir())
        if path.suffix != ".md"
    ]
    good = []
    for number in range(GOOD):
        photo = originals[number % len(originals)]
        side = rng.uniform(0.4, 0.9) * min(photo.size)
        left, top = rng.uniform(0, photo.width - side), rng.uniform(0, photo.height - side)
        piece = photo.resize((160, 160), box=(left, top, left + side, top + side))
        piece = ImageEnhance.Brightness(piece).enhance(rng.uniform(0.5, 1.5))
        path = folder / f"good-{number}.{rng.choice(['jpg', 'png', 'webp', 'bmp'])}"
        piece.save(path)
        good.append(str(path))
    bad = []
    for number in range(BAD):
        content = Path(rng.choice(good)).read_bytes()
        content = rng.choice([b"", content[: len(content) // 2], bytes(len(content)), b"holiday notes\n", content[9:]])
        path = folder / f"bad-{number}.jpg"
        if number % 10:  # the others are not there at all
            path.write_bytes(content)
        bad.append(str(path))
    return good, bad


def answers(resnext: RunResnext, files: list[str], *options: str) -> list[dict[str, Any]]:
    command = ("classify", "-m", "lite0", "-k", str(TOP_K), "-f", "jsonl", "--files-from", "-", "-q", *options)
    done = resnext(*command, stdin=None, input="\n".join(files) + "\n", timeout=300)
    assert done.stderr == "" or done.stderr.startswith("resnext: "), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def scores(row: dict[str, Any]) -> dict[int, float]:
    return {each["index"]: each["score"] for each in row["predictions"]}


def is_the_same(row: dict[str, Any], alone: dict[str, Any]) -> bool:
    """Every class that is in one of both is in the other, or so near to its end that rounding decides."""
    ours, theirs = scores(row), scores(alone)
    least = max(min(ours.values()), min(theirs.values()))
    both = ours.keys() & theirs.keys()
    others = [score for index, score in (*ours.items(), *theirs.items()) if index not in both]
    near = all(abs(ours[index] - theirs[index]) <= TOLERANCE for index in both)
    return near and all(score <= least + TOLERANCE for score in others)


@pytest.mark.slow
def test_no_prediction_is_borrowed(
    resnext: RunResnext,
    photos: tuple[list[str], list[str]],
    amount: Callable[[int, int], int],
) -> None:
    good, bad = photos
    alone = {row["file"]: row for row in answers(resnext, good, "--batch-size", "1", "-j", "1")}
    assert list(alone) == good
    # The comparison can tell two photos apart: hardly any passes for its neighbour.
    borrowed = [is_the_same(alone[one], alone[other]) for one, other in itertools.pairwise(good)]
    assert sum(borrowed) < GOOD // 20
    seeds, wrong, labelled, failed = amount(20, 2), [], 0, 0
    for seed in range(seeds):
        rng = random.Random(seed)
        files = rng.sample([*good, *bad], GOOD + BAD)
        options = ("--batch-size", str(rng.choice([1, 2, 3, 8, 16, 33, 64])), "-j", str(rng.randint(1, 8)))
        rows = answers(resnext, files, *options)
        assert [row["file"] for row in rows] == files, (seed, options)
        for row in rows:
            if row["file"] in alone:
                right = row["status"] == "ok" and is_the_same(row, alone[row["file"]])
                labelled += right
            else:
                right = row["status"] == "error" and not row["predictions"]
                failed += right
            if not right:
                wrong.append((seed, options, os.path.basename(row["file"]), row))  # noqa: PTH119
    print(f"{seeds} seeds: {labelled} good as when alone, {failed} bad with an error, {len(wrong)} wrong")
    assert wrong == []
    assert (labelled, failed) == (seeds * GOOD, seeds * BAD)
