"""`train --method head`: what it costs, against timm's features with scikit-learn; how fast its model is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from materials import ENDINGS, OTHERS, numbered, photo_set
from measure import Spread, Timing, in_turn, run
from report import Row
from setting import SAMPLES, Setting, check_rows, emptied, resnext_command

BUNDLED = OTHERS[-1]
SIZE = "512x384"


def training(setting: Setting) -> Iterator[Row]:
    """The head of the bundled model: cost, ratio and accuracy, then the rate of the model that came out."""
    photos, test = _photos(setting)
    count = sum(1 for _ in photos.rglob("*.*"))
    # A cache of its own: the first run, which is discarded, compiles the base.
    cache, model, reference = (
        setting.work / "compiled" / "training",
        setting.work / "trained",
        setting.work / "timm-head.json",
    )
    log = setting.work / "logs" / "train.log"
    tested: list[str | Path] = ["--test", test] if test is not None else []

    def ours() -> Timing:
        shutil.rmtree(cache / "features", ignore_errors=True)  # the model is warm, the photos are new
        given = [photos, "-m", BUNDLED.name, "-o", model, "--overwrite", *tested, "--json", "-q"]
        return run([*resnext_command(), "train", *map(str, given)], setting.env(cache), log)

    def theirs() -> Timing:
        return setting.script("timm_head.py", photos, reference, *tested)

    pairs = in_turn(theirs, ours, setting.runs)
    what = f"train, {count} photos, {BUNDLED.name}"
    sides = (
        f"timm's features, scikit-learn: {median(each.cpu for each in pairs.a):.1f} s of CPU, {pairs.peak_a:.0f} MB",
        f"resnext train: {median(each.cpu for each in pairs.b):.1f} s of CPU, {pairs.peak_b:.0f} MB",
    )
    # The bounds are of 2,000 photos of this size.
    cpu_bound, memory_bound = (None, None) if setting.labelled is not None or setting.quick else (30, 600)
    yield Row(f"{what}, CPU time", "", sides[1], Spread.of([each.cpu for each in pairs.b]), "s", at_most=cpu_bound)
    yield Row(
        f"{what}, memory", "", sides[1], Spread.of([each.peak / 1e6 for each in pairs.b]), "MB", at_most=memory_bound
    )
    yield Row(
        f"{what}, CPU time of A over B",
        *sides,
        Spread.of([a.cpu / b.cpu for a, b in zip(pairs.a, pairs.b, strict=True)]),
        "x",
        at_least=5,
        raw={"a_cpu_s": [each.cpu for each in pairs.a], "b_cpu_s": [each.cpu for each in pairs.b]},
    )
    if test is not None:
        report = json.loads((model / "training.json").read_text())["figures"]["test"]
        timms, own = json.loads(reference.read_text())["accuracy"], report["accuracy"]["share"]
        yield Row(
            f"{what}, points of accuracy that A is ahead",
            f"{timms:.1%}",
            f"{own:.1%} of {report['photos']}",
            Spread.of([100 * (timms - own)]),
            "%",
            at_most=0.5,
        )
    yield _rate(setting, cache, model)


def _rate(setting: Setting, cache: Path, model: Path) -> Row:
    """Photos a second of classify, trained over base, once everything runs: the difference of two whole processes."""
    count, out = len(list(setting.photos.iterdir())), setting.work / "resnext.jsonl"
    many = numbered(setting.work, "sustained", setting.photos, 4 * count)

    def seconds(folder: Path, of: str | Path, photos: int) -> float:
        timing = setting.classify_to(out, cache, folder, "-m", of)
        check_rows(out, photos)
        return timing.wall

    def rate(of: str | Path) -> float:
        return 3 * count / (seconds(many, of, 4 * count) - seconds(setting.photos, of, count))

    seconds(setting.photos, model, count)  # which compiles it
    pairs = [(rate(BUNDLED.name), rate(model)) for _ in range(setting.runs)]
    base, own = (median(rates) for rates in zip(*pairs, strict=True))
    return Row(
        f"classify, trained over base, {setting.small_size}",
        f"base {base:.1f} photos/s",
        f"trained {own:.1f} photos/s",
        Spread.of([fast / slow for slow, fast in pairs]),
        "x",
        at_least=0.95,
    )


def _photos(setting: Setting) -> tuple[Path, Path | None]:
    """Folders of folders to train and to test on: the given ones, or crops of the samples, a class a sample."""
    if setting.labelled is not None:
        test = setting.labelled / "test"
        return setting.labelled / "train", test if test.is_dir() else None
    flat = photo_set(setting.work, 120 if setting.quick else 2000, SIZE)
    classes = sum(path.suffix.lower() in ENDINGS for path in SAMPLES.iterdir())
    folder = emptied(setting.work / "photos" / "labelled")
    for number, photo in enumerate(sorted(flat.iterdir())):
        place = folder / f"{number % classes:02d}"
        place.mkdir(exist_ok=True)
        try:
            (place / photo.name).hardlink_to(photo)
        except OSError:  # another file system
            shutil.copyfile(photo, place / photo.name)
    return folder, None
