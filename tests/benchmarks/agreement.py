"""Do the labels stay the same? Top-1 of the bundled model, with its real weights, against timm in float32."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from measure import Spread
from report import Row
from setting import SAMPLES, Setting, read_rows

from resnext.engines.openvino.processor import this_processor

# From this lead over the second best (a difference of probabilities) on, a label is no toss-up.
CLEAR = 0.05
TARGETS = {"fp32": 100.0, "bf16": 99.0}


def agreement(setting: Setting) -> Iterator[Row]:
    """One row for each precision that the processor has."""
    out = setting.work / "top1.json"
    setting.script("timm_top1.py", out, setting.photos, SAMPLES)
    reference: dict[str, tuple[int, float]] = json.loads(out.read_text())
    for precision, target in TARGETS.items():
        if precision == "bf16" and not this_processor().has_bf16:
            print("agreement: bf16 left out, this processor has no instructions for it", file=sys.stderr)
            continue
        rows = setting.work / "agreement.jsonl"
        cache = setting.work / "compiled" / "bundled"
        arguments = (setting.photos, SAMPLES, "-m", "tf_efficientnet_lite0", "--precision", precision)
        setting.classify_to(rows, cache, *arguments)
        ours = top1(rows)
        if set(ours) != set(reference):
            raise RuntimeError(f"labelled by one side only: {sorted(set(ours) ^ set(reference))}")
        same = {name for name, (index, _) in reference.items() if ours[name] == index}
        clear = {name for name, (_, lead) in reference.items() if lead >= CLEAR}
        yield agreement_row(f"top-1 agreement, bundled model, {precision}", precision, set(reference), same, target)
        what = f"the same, best label {CLEAR:.0%} or more ahead"
        yield agreement_row(what, precision, clear, same & clear, None)


def agreement_row(what: str, precision: str, photos: set[str], same: set[str], target: float | None) -> Row:
    """The share of `photos` with the same label on both sides; without a target it only explains the row before."""
    return Row(
        what,
        f"timm fp32, {len(photos)} photos",
        f"resnext {precision}, {len(same)} the same",
        Spread.of([100 * len(same) / len(photos)]),
        "%",
        at_least=target,
    )


def top1(rows: Path) -> dict[str, int]:
    """File name -> index of the best label, from resnext's rows."""
    found: dict[str, int] = {}
    for row in read_rows(rows):
        predictions = row["predictions"]
        if not isinstance(predictions, list) or not predictions:
            raise RuntimeError(f"no label: {row}")
        found[Path(str(row["file"])).name] = int(predictions[0]["index"])
    return found
