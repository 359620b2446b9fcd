"""Measure resnext against timm and against OpenVINO alone, in one run, on the same photos and weights.

Usage: python tests/benchmarks/run.py [--only NAME...] [--runs N] [--json FILE] [--quick]

Everything is a whole process, A and B in turn, after one discarded run of each. The photos are made from
sample_images, the ResNeXts carry seeded random weights: nothing is downloaded. Ratios travel from machine to machine,
times do not; close everything else, the figures are of all processors.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import machine
from agreement import agreement
from folders import features, large_photos, memory, models, small_photos, sustained
from inputs import addresses, long_list, pipe
from int8 import int8
from materials import numbered, photo_set
from report import Row, table, write_json, write_page
from setting import Setting, emptied, resnext_command
from startup import help_text, offline, one_photo
from training import training

SMALL, LARGE = "500x375", "4000x3000"
BENCHMARKS: dict[str, Callable[[Setting], Iterator[Row]]] = {
    "one-photo": one_photo,
    "help": help_text,
    "small-photos": small_photos,
    "large-photos": large_photos,
    "features": features,
    "sustained": sustained,
    "memory": memory,
    "models": models,
    "int8": int8,
    "training": training,
    "agreement": agreement,
    "offline": offline,
    "addresses": addresses,
    "long-list": long_list,
    "pipe": pipe,
}


def main() -> int:
    args = arguments()
    work: Path = args.work.resolve()
    facts = machine.describe()
    print("\n".join(f"{name}: {value}" for name, value in facts.items()))
    print(f"command: {shlex.join(resnext_command())}", flush=True)
    emptied(work / "compiled")
    small_count, large_count = (40, 8) if args.quick else (400, 80)
    setting = Setting(
        work=work,
        photos=numbered(work, "given", args.photos) if args.photos else photo_set(work, small_count, SMALL),
        large=numbered(work, "given-large", args.large) if args.large else photo_set(work, large_count, LARGE),
        small_size="given" if args.photos else SMALL,
        large_size="given" if args.large else LARGE,
        runs=1 if args.quick else args.runs,
        quick=args.quick,
        labelled=args.labelled.resolve() if args.labelled else None,
    )
    rows: list[Row] = []
    failed: list[str] = []
    for name in args.only or BENCHMARKS:
        start = time.perf_counter()
        try:
            for row in BENCHMARKS[name](setting):
                rows.append(row)
                print(f"[{name}] " + " | ".join(row.cells()), file=sys.stderr, flush=True)
        except RuntimeError as error:  # the other benchmarks still have something to say
            failed.append(name)
            print(f"[{name}] FAILED: {error}", file=sys.stderr, flush=True)
        print(f"[{name}] took {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    facts["load at the end"] = machine.load()
    print(f"load at the end: {facts['load at the end']}\n")
    print(table(rows))
    if args.quick:
        print("\n--quick: too few photos and runs for a verdict; this shows that everything works.")
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    if args.page and not args.quick:
        write_page(args.page, machine.kind(), facts, rows)
    if args.json:
        shown = {"runs": setting.runs, "quick": setting.quick, "failed": failed}
        write_json(args.json, facts, shown, rows)
    return 1 if failed else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(BENCHMARKS), metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--runs", type=int, default=3, help="measured runs of each command (default: 3; short ones 5)")
    parser.add_argument("--quick", action="store_true", help="one run, few photos: see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement to FILE")
    parser.add_argument("--page", type=Path, metavar="FILE", help="put the table into this page: docs/speed.md")
    parser.add_argument("--photos", type=Path, metavar="DIR", help="your photos in place of the 400 of 500x375")
    parser.add_argument("--large", type=Path, metavar="DIR", help="your photos in place of the 80 of 12 megapixels")
    parser.add_argument(
        "--labelled", type=Path, metavar="DIR", help="your photos for training: folders of folders in train/ and test/"
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=Path(tempfile.gettempdir()) / "resnext-benchmark",
        metavar="DIR",
        help="keeps photos and weights for the next time, about 2 GB (default: %(default)s)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
