"""Short runs: one photo, --help, and the first answer of a machine without network."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from materials import RESNEXT50, RESNEXT101, Model, compiled, graph, options, weights
from measure import Pairs, Spread, Timing, in_turn, run
from report import Row
from setting import Setting, check_rows, emptied, read_rows, resnext_command

BUNDLED = "tf_efficientnet_lite0"
HEAVY = ("torch", "torchvision", "timm", "openvino", "PIL", "numpy")


def one_photo(setting: Setting) -> Iterator[Row]:
    """One photo, the model compiled before: against a timm script, and against the floor that no tool gets under."""
    photo = sorted(setting.photos.iterdir())[0]
    for model, target in ((RESNEXT50, 8), (RESNEXT101, 9)):
        cache, file = compiled(setting, model), weights(setting, model)

        def ours(model: Model = model, cache: Path = cache) -> Timing:
            timing = setting.classify(cache, photo, *options(setting, model), "-f", "jsonl")
            check_rows(setting.work / "logs" / "resnext.log", 1)
            return timing

        def timm(model: Model = model, file: Path = file) -> Timing:
            return setting.script("timm_one.py", photo, "--model", model.timm_name, "--weights", file)

        def floor(cache: Path = cache) -> Timing:
            return setting.script("floor.py", graph(cache), photo)

        pairs = in_turn(timm, ours, setting.short_runs)
        yield ratio_row(f"one photo, {model.name}", ("timm script", "resnext"), pairs, at_least=target)
        pairs = in_turn(ours, floor, setting.short_runs)
        yield ratio_row(f"one photo, {model.name}", ("resnext", "bare floor"), pairs, at_most=1.6)


def help_text(setting: Setting) -> Iterator[Row]:
    """`resnext --help`, and whether it imported what it has no use for."""
    env, log = setting.env(setting.work / "unused"), setting.work / "logs" / "help.log"
    pairs = in_turn(
        lambda: run([sys.executable, "-c", "pass"], env, log),
        lambda: run([*resnext_command(), "--help"], env, log),
        5 if setting.quick else 15,
    )
    milliseconds = [timing.wall * 1000 for timing in pairs.b]
    yield Row(
        "resnext --help",
        f"python -c pass {pairs.wall_a.median * 1000:.0f} ms",
        f"resnext {pairs.wall_b.median * 1000:.0f} ms",
        Spread.of(milliseconds),
        "ms",
        at_most=150,
        raw={"b_ms": milliseconds},
    )
    arguments = resnext_command()
    arguments = arguments[1:] if arguments[0] == sys.executable else arguments
    run([sys.executable, "-X", "importtime", *arguments, "--help"], env, log)
    imported = {
        line.rpartition("|")[2].strip().partition(".")[0]
        for line in log.read_text().splitlines()
        if line.startswith("import time:")
    }
    if "resnext" not in imported:
        raise RuntimeError(f"{log} does not show the import of resnext")
    heavy = sorted(imported.intersection(HEAVY))
    listed = ", ".join(heavy) or "none of " + ", ".join(HEAVY)
    yield Row("resnext --help, heavy imports", "-", listed, Spread.of([len(heavy)]), "modules", at_most=0)


def offline(setting: Setting) -> Iterator[Row]:
    """Nothing cached and no network, `--model auto`: the time until the hub is given up and the bundled model answers.

    Each round is cold: an empty cache, an empty hub folder. What a cold run of the bundled model takes when it is asked
    for by name is taken off.
    """
    photo = sorted(setting.photos.iterdir())[0]

    def cold(model: str, endpoint: str) -> Timing:
        folder = emptied(setting.work / "cold")
        timing = setting.classify(
            folder / "cache", photo, "-m", model, "-f", "jsonl",
            log="cold", HF_HOME=str(folder / "hub"), HF_ENDPOINT=endpoint, HF_HUB_OFFLINE="0",
        )  # fmt: skip
        log = setting.work / "logs" / "cold.log"
        check_rows(log, 1)
        answered = str(read_rows(log)[0]["model"])
        if BUNDLED not in answered:
            raise RuntimeError(f"{answered} answered where {BUNDLED} was expected")
        return timing

    with closed_port() as refused, silent_port() as silent:
        for what, endpoint in (("connections refused", refused), ("a hub that never answers", silent)):
            pairs = in_turn(partial(cold, BUNDLED, endpoint), partial(cold, "auto", endpoint), setting.short_runs)
            overhead = [b.wall - a.wall for a, b in zip(pairs.a, pairs.b, strict=True)]
            yield Row(
                f"no network, nothing cached: {what}",
                f"{BUNDLED} by name {pairs.wall_a.median:.2f} s",
                f"auto {pairs.wall_b.median:.2f} s",
                Spread.of(overhead),
                "s",
                at_most=2,
                raw={"a_s": [timing.wall for timing in pairs.a], "b_s": [timing.wall for timing in pairs.b]},
            )


def ratio_row(
    what: str, sides: tuple[str, str], pairs: Pairs, *, at_least: float | None = None, at_most: float | None = None
) -> Row:
    """The ratio of two commands' wall times as a row."""
    return Row(
        what,
        f"{sides[0]} {pairs.wall_a.median:.2f} s, {pairs.peak_a:.0f} MB",
        f"{sides[1]} {pairs.wall_b.median:.2f} s, {pairs.peak_b:.0f} MB",
        pairs.ratio,
        "x",
        at_least=at_least,
        at_most=at_most,
        raw={
            "a_s": [timing.wall for timing in pairs.a],
            "b_s": [timing.wall for timing in pairs.b],
            "a_peak_bytes": [timing.peak for timing in pairs.a],
            "b_peak_bytes": [timing.peak for timing in pairs.b],
        },
    )


@contextmanager
def closed_port() -> Iterator[str]:
    """The address of a loopback port that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    yield f"http://127.0.0.1:{port}"


@contextmanager
def silent_port() -> Iterator[str]:
    """The address of a loopback port that takes connections and never says a word: the kernel accepts, nobody reads."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
