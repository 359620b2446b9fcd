"""Many photos: against timm's loop over a folder, against the engine alone, and the memory it takes."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from materials import OTHERS, RESNEXT50, Model, compiled, graph, numbered, options, weights
from measure import Spread, Timing, in_turn, run
from report import Row
from setting import Setting, check_rows, resnext_command
from startup import ratio_row

from resnext.engines.openvino.processor import this_processor

BATCH_SIZES = (8, 32, 64)
# What the console script benchmark_app runs.
BENCHMARK_APP = "from openvino.tools.benchmark.main import main; main()"
THROUGHPUT = re.compile(r"Throughput:\s+([\d.]+) FPS")
# The peak for ten times the photos may differ by this much and still be called the same.
SAME_PEAK = 1.05


def small_photos(setting: Setting) -> Iterator[Row]:
    """The folder of 500x375: timm's loop at its defaults and at its best."""
    count = len(list(setting.photos.iterdir()))
    ours = resnext_over(setting, setting.photos)
    pairs = in_turn(timm_over(setting, setting.photos), ours, setting.runs)
    yield ratio_row(f"{count} photos, {setting.small_size}", ("timm's defaults", "resnext"), pairs, at_least=10)
    best = best_of_timm(setting)
    pairs = in_turn(timm_over(setting, setting.photos, *best), ours, setting.runs)
    yield ratio_row(f"{count} photos, {setting.small_size}", (f"timm {' '.join(best)}", "resnext"), pairs, at_least=4)


def large_photos(setting: Setting) -> Iterator[Row]:
    """The folder of 12 megapixels, where decoding takes the time."""
    count = len(list(setting.large.iterdir()))
    pairs = in_turn(timm_over(setting, setting.large), resnext_over(setting, setting.large), setting.runs)
    yield ratio_row(f"{count} photos, {setting.large_size}", ("timm's defaults", "resnext"), pairs, at_least=7)


def sustained(setting: Setting) -> Iterator[Row]:
    """Photos a second once everything runs, over what OpenVINO's benchmark_app gets from the same graph.

    The difference of two whole processes leaves the start out: (n2 - n1) / (t2 - t1).
    """
    count = len(list(setting.photos.iterdir()))
    many = numbered(setting.work, "sustained", setting.photos, 4 * count)
    few_run, many_run = resnext_over(setting, setting.photos), resnext_over(setting, many)
    path = graph(compiled(setting, RESNEXT50))
    few_run()
    ours: list[float] = []
    engine: dict[int, list[float]] = {1: [], 4: []}
    for _ in range(setting.runs):
        few, all_of_them = few_run().wall, many_run().wall
        ours.append(3 * count / (all_of_them - few))
        for batch, found in engine.items():
            found.append(engine_alone(setting, path, batch))
    best = max(engine, key=lambda batch: median(engine[batch]))
    yield Row(
        f"sustained, {count} to {4 * count} photos, {setting.small_size}",
        f"resnext {median(ours):.1f} photos/s",
        f"benchmark_app, batch {best}: {median(engine[best]):.1f} photos/s",
        Spread.of([own / alone for own, alone in zip(ours, engine[best], strict=True)]),
        "x",
        at_least=0.85,
        raw={"resnext_per_s": ours} | {f"engine_batch_{batch}_per_s": found for batch, found in engine.items()},
    )


def models(setting: Setting) -> Iterator[Row]:
    """The models of the shelf beside the default one: photos a second once everything runs, in turn with its own."""
    few_photos, many_photos = (8, 24) if setting.quick else (100, 400)
    few = numbered(setting.work, "models-few", setting.photos, few_photos)
    many = numbered(setting.work, "models-many", setting.photos, many_photos)

    def rate(model: Model) -> float:
        seconds = resnext_over(setting, many, model)().wall - resnext_over(setting, few, model)().wall
        return (many_photos - few_photos) / seconds

    for model in OTHERS:
        rate(model)
        pairs = [(rate(RESNEXT50), rate(model)) for _ in range(setting.runs)]
        default, other = (median(rates) for rates in zip(*pairs, strict=True))
        yield Row(
            f"{model.name}, {few_photos} to {many_photos} photos, {setting.small_size}",
            f"{RESNEXT50.name} {default:.1f} photos/s",
            f"{model.name} {other:.1f} photos/s",
            Spread.of([own / base for base, own in pairs]),
            "x",
            raw={"a_per_s": [base for base, _ in pairs], "b_per_s": [own for _, own in pairs]},
        )


def memory(setting: Setting) -> Iterator[Row]:
    """Peak memory of a folder, and of ten times as many photos."""
    count = len(list(setting.photos.iterdir()))
    few_run = resnext_over(setting, setting.photos)
    many_run = resnext_over(setting, numbered(setting.work, "memory", setting.photos, 10 * count))
    few_run()
    few = [few_run().peak / 1e6 for _ in range(setting.runs)]
    many = [many_run().peak / 1e6]
    for number, peaks in ((count, few), (10 * count, many)):
        what = f"peak memory, {number} photos, {setting.small_size}"
        yield Row(what, "-", "resnext", Spread.of(peaks), "MB", at_most=600, raw={"peak_mb": peaks})
    growth = [many[0] / peak for peak in few]
    yield Row(
        f"peak memory, {10 * count} photos over {count}",
        f"{many[0]:.0f} MB",
        f"{median(few):.0f} MB",
        Spread.of(growth),
        "x",
        at_most=SAME_PEAK,
    )


def resnext_over(setting: Setting, folder: Path, model: Model = RESNEXT50, *more: str) -> Callable[[], Timing]:
    """A run of resnext over a folder that counts only when every photo was labelled."""
    cache = compiled(setting, model)
    count = len(list(folder.iterdir()))
    out = setting.work / "resnext.jsonl"

    def measured() -> Timing:
        timing = setting.classify_to(out, cache, folder, *options(setting, model), *more)
        check_rows(out, count)
        return timing

    return measured


def features(setting: Setting) -> Iterator[Row]:
    """Pooled features of the folder of 500x375, against the labels of the same photos."""
    count = len(list(setting.photos.iterdir()))
    cache = compiled(setting, RESNEXT50)
    out = setting.work / "features.npy"

    def measured() -> Timing:
        given = (*options(setting, RESNEXT50), "-o", out, "--overwrite")
        command = [*resnext_command(), "features", *map(str, given), str(setting.photos)]
        timing = run(command, setting.env(cache), setting.work / "features.log")
        lines = out.with_name(f"{out.name}.jsonl").read_bytes().count(b'"status": "ok"')
        if lines != count:
            raise RuntimeError(f"{out}: {count} photos, {lines} of them saved")
        return timing

    pairs = in_turn(resnext_over(setting, setting.photos), measured, setting.runs)
    sides = ("resnext classify", "resnext features")
    yield ratio_row(f"{count} photos, {setting.small_size}, features", sides, pairs, at_least=0.95)


def timm_over(setting: Setting, folder: Path, *timm_options: str) -> Callable[[], Timing]:
    """A run of timm's loop over a folder that counts only when every photo was labelled."""
    file = weights(setting, RESNEXT50)
    count = len(list(folder.iterdir()))
    out = setting.work / "timm.csv"

    def measured() -> Timing:
        timing = setting.script(
            "timm_folder.py", folder, "--model", RESNEXT50.timm_name, "--weights", file, "--out", out, *timm_options
        )
        if (rows := len(out.read_text().splitlines()) - 1) != count:
            raise RuntimeError(f"timm wrote {rows} rows for {count} photos")
        return timing

    return measured


def best_of_timm(setting: Setting) -> tuple[str, ...]:
    """The options with which timm's loop is fastest here, from a short probe of each."""
    folder = numbered(setting.work, "probe", setting.photos, 32 if setting.quick else 128)
    # Without instructions for bfloat16 its autocast is slower than float32.
    precisions = ("--best",) if this_processor().has_bf16 else ("--best", "--channels-last")
    walls: dict[tuple[str, ...], float] = {}
    for precision in precisions:
        for size in BATCH_SIZES:
            given = (precision, "--batch-size", str(size))
            walls[given] = timm_over(setting, folder, *given)().wall
    shown = ", ".join(f"{' '.join(given)} {wall:.1f} s" for given, wall in walls.items())
    print(f"timm at its best, probe: {shown}", file=sys.stderr)
    return min(walls, key=lambda given: walls[given])


def engine_alone(setting: Setting, path: Path, batch: int) -> float:
    """Inferences a second of OpenVINO's own benchmark on this graph at a static batch size."""
    log = setting.work / "logs" / "benchmark_app.log"
    command = [
        sys.executable, "-c", BENCHMARK_APP, "-m", str(path), "-d", "CPU", "-hint", "throughput",
        "-shape", f"[{batch},3,224,224]", "-ip", "f32", "-t", "3" if setting.quick else "10",
    ]  # fmt: skip
    run(command, setting.env(setting.work / "unused"), log)
    found = THROUGHPUT.search(log.read_text())
    if found is None:
        raise RuntimeError(f"no throughput in {log}")
    return float(found[1])
