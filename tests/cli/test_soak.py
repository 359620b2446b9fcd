"""A hundred thousand photos, a million listed paths, and going on with them: memory does not grow with their number."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from support.program import SAMPLES, clean_environment

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="resident memory as /proc tells it")

GROWTH_BYTES = 20e6  # the promise
# A resumed run holds 20 bytes for each done input (tests/unit/test_done.py), and twice that while the array grows.
RESUMED_BYTES_A_ROW = 60
LINKS_A_FILE = 30_000  # ext4 allows 65,000


def resident_bytes(process: "subprocess.Popen[bytes]") -> int | None:
    """Memory of a process now; None when it has ended."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return None
    lines = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(lines[0].split()[1]) * 1024 if lines else None


def classify(folder: Path, cache: Path, *options: str, code: int, early: int) -> tuple[int, int]:
    """One run; gives the most memory in bytes up to its first `early` rows (0: it began later) and at its end."""
    output = folder / "rows.jsonl"
    command = [sys.executable, "-m", "resnext", "classify", "-m", "lite0", "-k", "1", "-o", str(output), *options]
    with subprocess.Popen(
        command, env=clean_environment(folder / "home", cache), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        samples: list[tuple[int, int]] = []  # rows' bytes so far, resident bytes
        while process.poll() is None:
            resident = resident_bytes(process)
            if resident is not None:
                samples.append((output.stat().st_size if output.exists() else 0, resident))
            time.sleep(0.02 if len(samples) < 3000 else 0.2)
        assert process.returncode == code
    with output.open("rb") as rows:
        early_size = sum(len(line) for _, line in zip(range(early), rows, strict=False))
    size = output.stat().st_size
    at_early = max((resident for written, resident in samples if written <= early_size), default=0)
    return at_early, max(resident for written, resident in samples if written >= 0.9 * size)


def row_count(path: Path) -> int:
    with path.open("rb") as rows:
        return sum(1 for _ in rows)


@pytest.mark.slow
def test_memory_at_the_end_is_that_of_the_beginning(
    tmp_path: Path, warm_cache: Path, amount: Callable[[int, int], int]
) -> None:
    """100,000 photos: within 20 MB of the memory at 10,000; going on with them is bounded too."""
    total, early = amount(100_000, 2000), amount(10_000, 400)
    links = tmp_path / "links"
    links.mkdir()
    originals = [SAMPLES / "coffee.png", SAMPLES / "china.jpg"]
    small = tmp_path / "small"
    small.mkdir()
    _make_small(originals, small)
    for number, kind in zip(range(total), _copies(small), strict=False):
        (links / f"{number}{kind.suffix}").hardlink_to(kind)
    at_early, at_end = classify(tmp_path, warm_cache, str(links), code=0, early=early)
    print(f"{total} photos: {at_early / 1e6:.1f} MB at {early}, {at_end / 1e6:.1f} MB at the end")
    assert row_count(tmp_path / "rows.jsonl") == total
    assert at_end - at_early < GROWTH_BYTES
    (links / "one more.png").hardlink_to(next(small.glob("*.png")))
    _, resumed = classify(tmp_path, warm_cache, "--resume", str(links), code=0, early=early)
    print(f"{total} photos: {resumed / 1e6:.1f} MB when resumed")
    assert row_count(tmp_path / "rows.jsonl") == total + 1
    assert resumed - at_early < GROWTH_BYTES + RESUMED_BYTES_A_ROW * total


@pytest.mark.slow
def test_a_million_listed_paths(tmp_path: Path, warm_cache: Path, amount: Callable[[int, int], int]) -> None:
    """Each that is not there gets its row, and none its share of memory; nor when they are done again."""
    total, early = amount(1_000_000, 20_000), amount(10_000, 4000)
    listed = tmp_path / "list.txt"
    with listed.open("w") as lines:
        lines.write(f"{SAMPLES / 'coffee.png'}\n")  # the decoders and the engine are part of the beginning
        lines.writelines(f"/nowhere/at/all/{number}.jpg\n" for number in range(total))
    for options in ((), ("--resume",)):
        at_early, at_end = classify(tmp_path, warm_cache, "--files-from", str(listed), *options, code=1, early=early)
        how = "resumed" if options else "new"
        print(f"{total} listed, {how}: {at_early / 1e6:.1f} MB at {early}, {at_end / 1e6:.1f} MB at the end")
        assert row_count(tmp_path / "rows.jsonl") == total + 1
        assert at_end - at_early < GROWTH_BYTES


def test_photos_that_fail_leave_nothing_behind(tmp_path: Path, warm_cache: Path) -> None:
    """1,200 broken photos, each of which is half decoded when it fails: 0.9 MB of pixels that nobody needs any more."""
    content = (SAMPLES / "china.jpg").read_bytes()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "0.jpg").write_bytes(content[: len(content) // 2])
    for number in range(1, 1200):
        (broken / f"{number}.jpg").hardlink_to(broken / "0.jpg")
    at_early, at_end = classify(tmp_path, warm_cache, str(broken), code=1, early=400)
    assert row_count(tmp_path / "rows.jsonl") == 1200
    assert at_end - at_early < GROWTH_BYTES


def _make_small(originals: list[Path], folder: Path) -> None:
    """Small photos: what is soaked is the program, not the decoders."""
    from PIL import Image

    for original in originals:
        with Image.open(original) as photo:
            photo.resize((64, 48)).save(folder / original.name)


def _copies(folder: Path) -> Iterator[Path]:
    """Files to link to: each takes only so many links."""
    originals = sorted(folder.iterdir())
    for round_ in count():
        for number in range(LINKS_A_FILE):
            original = originals[number % len(originals)]
            copy = folder.parent / f"copy-{round_}-{original.name}"
            if not copy.exists():
                shutil.copy(original, copy)
            yield copy
