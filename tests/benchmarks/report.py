"""The rows of the benchmark and how they are shown: a Markdown table, or JSON with every single measurement."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from measure import Spread

HEAD = ("what", "A", "B", "measured (min-max)", "target", "met")
# Digits after the point for each unit; "x" is a ratio.
DIGITS = {"x": 2, "ms": 0, "MB": 0, "%": 2, "s": 2, "modules": 0}


@dataclass(frozen=True)
class Row:
    """One figure. `a` and `b` say what was compared; `measured` is judged against `target` where there is one."""

    what: str
    a: str
    b: str
    measured: Spread
    unit: str
    at_least: float | None = None
    at_most: float | None = None
    raw: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        """Whether the median reaches the target; None without a target."""
        if self.at_least is not None:
            return self.measured.median >= self.at_least
        if self.at_most is not None:
            return self.measured.median <= self.at_most
        return None

    def cells(self) -> tuple[str, ...]:
        if self.at_least is not None:
            target = f">= {self.at_least:g} {self.unit}"
        elif self.at_most is not None:
            target = f"<= {self.at_most:g} {self.unit}"
        else:
            target = "-"
        digits, spread = DIGITS[self.unit], self.measured
        middle, low, high = (f"{number:.{digits}f}" for number in (spread.median, spread.low, spread.high))
        measured = f"{middle} {self.unit}" + ("" if low == high else f" ({low}-{high})")
        return self.what, self.a, self.b, measured, target, {True: "yes", False: "NO", None: "-"}[self.met]


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, its columns aligned."""
    lines = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    padded = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
    padded.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in padded)


def write_page(path: Path, kind: str, facts: Mapping[str, str], rows: Sequence[Row]) -> None:
    """Put the table into a page of the docs, in place of the one that a processor of the same kind has there."""
    begin, end = f"<!-- table: {kind} -->", f"<!-- end of table: {kind} -->"
    before, found, rest = path.read_text().partition(begin)
    if not found or end not in rest:
        raise ValueError(f"{path} has no place for a table of kind {kind}: a line '{begin}' and a line '{end}'")
    told = ", ".join(f"{name} {value}" for name, value in facts.items() if not name.startswith("load"))
    path.write_text(f"{before}{begin}\n{told}\n\n{table(rows)}\n{end}{rest.partition(end)[2]}")


def write_json(path: Path, machine: Mapping[str, str], settings: Mapping[str, object], rows: Sequence[Row]) -> None:
    """Write machine, settings and rows, each with its single measurements and whether it was met."""
    report = {
        "machine": machine,
        "settings": settings,
        "rows": [{**asdict(row), "met": row.met} for row in rows],
    }
    path.write_text(json.dumps(report, indent=2) + "\n")
