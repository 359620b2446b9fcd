"""int8: against timm, against auto (bf16 where the processor has it), and how far labels agree."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from statistics import median

from folders import best_of_timm, engine_alone, resnext_over, timm_over
from materials import OTHERS, RESNEXT50, RESNEXT101, Model, compiled, graph, numbered, options
from measure import Pairs, Spread, Timing, in_turn, run
from report import Row
from setting import Setting, check_rows, resnext_command
from startup import ratio_row

BUNDLED = OTHERS[-1]
INT8 = ("--precision", "int8")


def int8(setting: Setting) -> Iterator[Row]:
    """The figures of int8; accuracy is that of the bundled model's real weights on the photos that were given."""
    report = quantized(setting, BUNDLED, agreement="0.99")
    yield from agreement_rows(report)
    quantized(setting, RESNEXT50)
    count = len(list(setting.photos.iterdir()))
    what = f"{count} photos, {setting.small_size}, int8"
    ours = resnext_over(setting, setting.photos, RESNEXT50, *INT8)
    pairs = in_turn(timm_over(setting, setting.photos), ours, setting.runs)
    yield ratio_row(what, ("timm's defaults", "resnext int8"), pairs, at_least=10)
    best = best_of_timm(setting)
    pairs = in_turn(timm_over(setting, setting.photos, *best), ours, setting.runs)
    yield ratio_row(what, (f"timm {' '.join(best)}", "resnext int8"), pairs, at_least=3.3)
    yield from sustained_rows(setting, RESNEXT50, at_least=2, alone=True)
    yield from sustained_rows(setting, BUNDLED, at_least=1.4)
    yield decoding_row(setting)
    for model in (RESNEXT50, RESNEXT101):
        yield from one_photo_rows(setting, model)


def quantized(setting: Setting, model: Model, agreement: str = "0") -> dict[str, object]:
    """Make the model's int8 graph in its cache folder; gives the report. Random weights have no labels to agree on."""
    calibrate, validate = (20, 20) if setting.quick else (300, 300)
    log = setting.work / "logs" / "quantize.log"
    given = ("--calibrate", calibrate, "--validate", validate, "--agreement", agreement, "--json", "-q")
    command = [*resnext_command(), "quantize", str(setting.photos), *map(str, (*options(setting, model), *given))]
    run(command, setting.env(compiled(setting, model)), log, timeout=7200)
    report: dict[str, object] = json.loads(log.read_text())
    return report


def agreement_rows(report: dict[str, object]) -> Iterator[Row]:
    """Labels in int8 against fp32, of photos that did not calibrate."""
    for name, what, photos, target in (
        ("top1", "", "photos", 99.0),
        ("clear_top1", ", best label 5 points or more ahead", "clear_photos", 99.8),
    ):
        yield Row(
            f"top-1 agreement, bundled model, int8{what}",
            f"fp32, {report[photos]} photos",
            f"int8, {len(report['left_out'])} layers left out",  # type: ignore[arg-type]
            Spread.of([100 * float(str(report[name]))]),
            "%",
            at_least=target,
        )


def sustained_rows(setting: Setting, model: Model, *, at_least: float, alone: bool = False) -> Iterator[Row]:
    """Photos a second once everything runs, int8 against what auto takes; and against the engine on the same graph."""
    count = len(list(setting.photos.iterdir()))
    many = numbered(setting.work, "sustained", setting.photos, 4 * count)

    def rate(*more: str) -> float:
        few, all_of_them = (resnext_over(setting, folder, model, *more)() for folder in (setting.photos, many))
        return 3 * count / (all_of_them.wall - few.wall)

    pairs = [(rate(), rate(*INT8)) for _ in range(setting.runs)]
    auto, ours = (median(rates) for rates in zip(*pairs, strict=True))
    yield Row(
        f"sustained, {model.name}, {setting.small_size}",
        f"auto {auto:.1f} photos/s",
        f"int8 {ours:.1f} photos/s",
        Spread.of([fast / base for base, fast in pairs]),
        "x",
        at_least=at_least,
        raw={"auto_per_s": [base for base, _ in pairs], "int8_per_s": [fast for _, fast in pairs]},
    )
    if alone:
        path = graph(compiled(setting, model), int8=True)
        engine = max(engine_alone(setting, path, batch) for batch in (1, 4))
        yield Row(
            f"sustained int8 over the engine alone, {model.name}",
            f"resnext {ours:.1f} photos/s",
            f"benchmark_app {engine:.1f} photos/s",
            Spread.of([fast / engine for _, fast in pairs]),
            "x",
            at_least=0.85,
        )


def decoding_row(setting: Setting) -> Row:
    """12 megapixels: decoding is the limit, and this much of it is reached."""
    count = len(list(setting.large.iterdir()))
    pairs = in_turn(
        lambda: setting.script("decode_folder.py", setting.large),
        resnext_over(setting, setting.large, RESNEXT50, *INT8),
        setting.runs,
    )
    sides = ("decoding and resizing alone", "resnext int8")
    return ratio_row(f"{count} photos, {setting.large_size}, int8", sides, pairs, at_least=0.85)


def one_photo_rows(setting: Setting, model: Model) -> Iterator[Row]:
    """One photo, a whole process: time and memory of int8 over those of auto."""
    if model is RESNEXT101:
        quantized(setting, model)
    cache, photo = compiled(setting, model), sorted(setting.photos.iterdir())[0]

    def start(*more: str) -> Callable[[], Timing]:
        def measured() -> Timing:
            timing = setting.classify(cache, photo, *options(setting, model), *more, "-f", "jsonl")
            check_rows(setting.work / "logs" / "resnext.log", 1)
            return timing

        return measured

    pairs: Pairs = in_turn(start(*INT8), start(), setting.short_runs)
    yield ratio_row(f"one photo, {model.name}, int8 over auto", ("int8", "auto"), pairs, at_most=1.0)
    if model is RESNEXT101:
        yield Row(
            f"one photo, {model.name}, memory of int8 over auto",
            f"int8 {pairs.peak_a:.0f} MB",
            f"auto {pairs.peak_b:.0f} MB",
            Spread.of([a.peak / b.peak for a, b in zip(pairs.a, pairs.b, strict=True)]),
            "x",
            at_most=0.5,
        )
