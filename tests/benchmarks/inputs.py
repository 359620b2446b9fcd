"""Ways to name photos: addresses that answer late, a list of a million lines, a pipe from find."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from materials import RESNEXT50, compiled, numbered, options
from measure import Spread, Timing, in_turn, run
from report import Row
from setting import HERE, Setting, check_rows, resnext_command
from startup import ratio_row

ADDRESSES, DELAY_SECONDS = 200, 0.1


def addresses(setting: Setting) -> Iterator[Row]:
    """Photos of a server that takes its time, as a whole process, against fetching them one after the other."""
    photo = sorted(setting.photos.iterdir())[0]
    count = 20 if setting.quick else ADDRESSES
    listed, cache = setting.work / "addresses.txt", compiled(setting, RESNEXT50)
    with slow_server(photo) as endpoint:
        listed.write_text("".join(f"{endpoint}/{number}.jpg\n" for number in range(count)))

        def ours() -> Timing:
            named = (*options(setting, RESNEXT50), "--files-from", listed, "-f", "jsonl")
            timing = setting.classify(cache, *named, log="addresses")
            check_rows(setting.work / "logs" / "addresses.log", count)
            return timing

        pairs = in_turn(lambda: setting.script("fetch_in_turn.py", listed), ours, setting.runs)
    what = f"{count} addresses, each answered after {DELAY_SECONDS * 1000:.0f} ms"
    yield ratio_row(what, ("fetching in turn", "resnext"), pairs, at_least=10)


def long_list(setting: Setting) -> Iterator[Row]:
    """The first row of a list of a million lines, and the memory of all of it, against a list of a hundred."""
    photo = sorted(setting.photos.iterdir())[0]
    short, long = setting.work / "short.txt", setting.work / "long.txt"
    lines = 10_000 if setting.quick else 1_000_000
    for path, count in ((short, 100), (long, lines)):
        path.write_text(f"{photo}\n" + "".join(f"/nowhere/photo-{number}.jpg\n" for number in range(count - 1)))
    cache = compiled(setting, RESNEXT50)
    command = [*resnext_command(), "classify", *map(str, options(setting, RESNEXT50)), "-q", "-f", "jsonl"]

    def first_row(listed: Path) -> float:
        begin = time.perf_counter()
        with subprocess.Popen(
            [*command, "--files-from", str(listed)],
            env=setting.env(cache), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            if b'"ok"' not in process.stdout.readline():
                raise RuntimeError("the first row is not that of the photo")
            seconds = time.perf_counter() - begin
            process.kill()
        return seconds

    first_row(short)
    pairs = [(first_row(short), first_row(long)) for _ in range(setting.short_runs)]
    shorts, longs = (Spread.of(seconds) for seconds in zip(*pairs, strict=True))
    yield Row(
        f"first row of a list of {lines:,} lines, over 100",
        f"100 lines {shorts.median:.2f} s",
        f"{lines:,} lines {longs.median:.2f} s",
        Spread.of([b - a for a, b in pairs]),
        "s",
        at_most=1,
        raw={"a_s": [a for a, _ in pairs], "b_s": [b for _, b in pairs]},
    )

    def peak(listed: Path) -> float:
        # All but the photo are missing, and a run with failures ends with 1: the shell makes that a success.
        line = shlex.join([*command, "--files-from", str(listed)])
        return run(["sh", "-c", f"{line} || true"], setting.env(cache), setting.work / "logs" / "list.log").peak / 1e6

    few, many = peak(short), peak(long)
    yield Row(
        f"peak memory of a list of {lines:,} lines, over 100",
        f"100 lines {few:.0f} MB",
        f"{lines:,} lines {many:.0f} MB",
        Spread.of([many - few]),
        "MB",
        at_most=100,
    )


def pipe(setting: Setting) -> Iterator[Row]:
    """`find -print0 | resnext -0 --files-from -` against naming the folder."""
    count = 4 * len(list(setting.photos.iterdir()))
    folder = numbered(setting.work, "pipe", setting.photos, count)
    cache, out = compiled(setting, RESNEXT50), setting.work / "pipe.jsonl"
    log = setting.work / "logs" / "pipe.log"
    named = [*resnext_command(), "classify", *map(str, options(setting, RESNEXT50)), "-q", "-o", str(out)]
    named.append("--overwrite")
    piped = f"find {shlex.quote(str(folder))} -name '*.jpg' -print0 | {shlex.join(named)} -0 --files-from -"

    def checked(command: list[str]) -> Timing:
        timing = run(command, setting.env(cache), log)
        check_rows(out, count)
        return timing

    pairs = in_turn(
        lambda: checked([*named, str(folder)]), lambda: checked(["bash", "-o", "pipefail", "-c", piped]), setting.runs
    )
    yield ratio_row(f"{count} photos from find -print0", ("the folder named", "a pipe"), pairs, at_least=0.95)


@contextmanager
def slow_server(photo: Path) -> Iterator[str]:
    """The address of a server of its own process."""
    command = [sys.executable, str(HERE / "slow_server.py"), str(photo), str(DELAY_SECONDS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()
