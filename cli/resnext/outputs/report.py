"""The report of `evaluate` for people: plain lines in columns, nothing in them that a terminal obeys."""

from collections.abc import Callable, Sequence
from typing import Any

from resnext.console.terminal import printable

_NAME = 28  # columns of a class's name
_WIDE = 110  # columns from which on the classes' intervals have room
_MOST_CLASSES = 40  # lines; of more the worst
_NARROWEST_CELL = 5  # columns of a class's name above a confusion table
# The names of a confusion matrix, how many of the first are its rows, and its cells: (row, column, photos).
Matrix = tuple[Sequence[str], int, Sequence[tuple[int, int, int]]]
_FEWEST_FIRST = "classes, worst first"


def lines_of(report: dict[str, Any], matrix: Matrix, width: int) -> list[str]:
    """The report as lines of at most `width` columns where names allow it.

    Shares are in percent, with what they lie between at 95% certainty in brackets. The confusion matrix is
    shown where it is small enough.
    """
    parts = [
        _summary(report),
        _tags(report),
        _classes(report, width),
        _matrix(matrix, width) or _confusions(report),
        _confidences(report),
        _mistakes(report, width),
        _failures(report, width),
        [f"  {printable(note)}" for note in report["notes"]],
    ]
    lines: list[str] = []
    for part in filter(None, parts):
        lines += ["", *part] if lines else part
    return lines


def _summary(report: dict[str, Any]) -> list[str]:
    left_out = [f"{report['failed']} failed"] if report["failed"] else []
    left_out += [f"{report['without_truth']} without a truth"] if report["without_truth"] else []
    mean = {"share": report["balanced_accuracy"], **report["balanced_accuracy_interval"]}
    known = report["ece"] is not None
    head = f"{printable(report['model'])}, {', '.join([_photos(report['photos']), *left_out])}"
    if not report["photos"]:
        return [head]
    return [
        head,
        f"  best class right         {_between(report['top1'])}",
        f"  among the best five      {_between(report['top5']) if report['top5'] else '     -'}",
        f"  mean over the classes    {_between(mean)}",
        f"  calibration error (ECE)  {_share(report['ece'])}" if known else "  calibration error (ECE)       -",
    ]


def _tags(report: dict[str, Any]) -> list[str]:
    if "tags" not in report or not report["photos"]:
        return []
    lines = ["  sure   tagged                     right of those             wrong of all"]
    for row in report["tags"]:
        mark = "*" if row["sure"] == report["sure"] else " "
        cells = f"{_between(row['tagged'])}  {_between(row['right'])}  {row['wrong_of_all']:6.1%}"
        lines.append(f"{mark} {row['sure']:<5.4g}  {cells}")
    return [*lines, "* what classify --tags asks for"]


def _classes(report: dict[str, Any], width: int) -> list[str]:
    if not report["classes"]:
        return []
    tags = "tags" in report
    wide = width >= _WIDE and not tags
    key = "right" if tags else "accuracy"
    rows = sorted(report["classes"], key=lambda row: (row[key] is None, row[key] or 0, row["name"]))
    shown = [(_called(row), _cells(row, tags=tags, between=_between if wide else _share_alone)) for row in rows]
    shown = shown[:_MOST_CLASSES]
    gap = 24 if wide else 6
    head = f"  photos  {' right':{gap}}  answers  {'right of those':<14}" + ("  tagged  right" if tags else "")
    longest = max(map(len, [head, *(cells for _, cells in shown)]))
    room = max(len(_FEWEST_FIRST), min(max(len(name) for name, _ in shown), width - 2 - longest))
    lines = [f"  {_FEWEST_FIRST:{room}}{head}".rstrip()]
    lines += [f"  {_fitted(name, room)}{cells}".rstrip() for name, cells in shown]
    return [*lines, f"  and {len(rows) - len(shown)} more: --json has all"] if len(rows) > len(shown) else lines


def _cells(row: dict[str, Any], *, tags: bool, between: Callable[[dict[str, float]], str]) -> str:
    """What stands behind a class's name."""
    nothing = "     -"
    gap = len(between(row["recall"]))
    right = between(row["recall"]) if row["accuracy"] is not None else nothing
    precision = between(row["precision"]) if row["answers"] else nothing
    cells = f"  {row['photos']:6}  {right:{gap}}  {row['answers']:7}  {precision:<14}"
    return cells + (f"  {_share(row['tagged'])} {_share(row['right'])}" if tags else "")


def _matrix(matrix: Matrix, width: int) -> list[str]:
    """The confusion matrix as a table, a row what was shown; nothing where it is too wide."""
    names, shown, cells = matrix
    if not cells:
        return []
    texts = [printable(name) for name in names]
    counts = {(row, column): photos for row, column, photos in cells}
    head = "shown, called:"
    first = min(_NAME, max(len(head), *map(len, texts[:shown])))
    room = (width - 2 - first) // len(texts) - 1  # columns of a cell, without the space before it
    narrowest = max(_NARROWEST_CELL, *(len(str(photos)) for photos in counts.values()))
    if room < narrowest:
        return []
    room = min(room, max(narrowest, *map(len, texts)))
    lines = [f"  {head:{first}} " + " ".join(f"{_cut(text, room):>{room}}" for text in texts)]
    for row, text in enumerate(texts[:shown]):
        line = " ".join(f"{counts.get((row, column), '.'):>{room}}" for column in range(len(texts)))
        lines.append(f"  {_fitted(text, first)} {line}")
    return lines


def _confusions(report: dict[str, Any]) -> list[str]:
    if not report["confusions"]:
        return []
    lines = [
        f"  {_fitted(row['truth'], _NAME)}  {_fitted(row['answer'], _NAME)}  {row['photos']:6}"
        for row in report["confusions"]
    ]
    return [f"  {'wrong most often: shown':{_NAME}}  {'called':{_NAME}}  photos", *lines]


def _confidences(report: dict[str, Any]) -> list[str]:
    """Coverage against precision, and the reliability curve."""
    if not report["photos"] or not report["coverage"]:
        return []
    lines = ["  answers of at least  photos          right of those"]
    for row in report["coverage"]:
        least = f"{row['sure']:g}" if row["sure"] else "all"
        lines.append(f"  {least:<19}  {row['photos']:6} {row['coverage']:6.1%}  {_between(row['right'])}".rstrip())
    lines += ["", "  probability   photos  believed   right"]
    for row in report["reliability"]:
        if row["photos"]:
            ends = f"{row['low']:.2f} to {row['high']:.2f}"
            lines.append(f"  {ends}  {row['photos']:6}    {row['confidence']:6.1%}  {_between(row['right'])}")
    return lines


def _mistakes(report: dict[str, Any], width: int) -> list[str]:
    if not report["mistakes"]:
        return []
    rows = report["mistakes"]
    room = min(
        _NAME if width >= _WIDE else 18, max(len(printable(row[key])) for row in rows for key in ("truth", "answer"))
    )
    room = max(room, len("called"))
    lines = [f"  wrong and sure  {'shown':{room}}  {'called':{room}}  file"]
    for row in rows:
        names = f"{_fitted(row['truth'], room)}  {_fitted(row['answer'], room)}"
        lines.append(f"  {row['score']:14.1%}  {names}  {printable(row['file'])}")  # whole: to be copied
    return lines


def _failures(report: dict[str, Any], width: int) -> list[str]:
    rows = report["failures"][:_MOST_CLASSES]
    if not rows:
        return []
    more = report["failed"] - len(rows)
    lines = [f"  {printable(row['file'])}: {row['error_code']}: {printable(row['error'])}" for row in rows]
    return ["  failed", *lines, *([f"  and {more} more"] if more else [])]


def _called(row: dict[str, Any]) -> str:
    """A class as people know it: a synset or an index says nothing without the model's name for it."""
    name, label = row["name"], row["label"]
    return f"{name} {label}" if label and (name.isdecimal() or _is_synset(name)) else str(name)


def _is_synset(name: str) -> bool:
    return len(name) == 9 and name[0] == "n" and name[1:].isdecimal()


def _photos(count: int) -> str:
    return "1 photo" if count == 1 else f"{count:,} photos"


def _fitted(name: str, room: int) -> str:
    return f"{_cut(printable(name), room):{room}}"


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"


def _share(value: float | None) -> str:
    return "     -" if value is None else f"{value:6.1%}"


def _share_alone(interval: dict[str, float]) -> str:
    return f"{interval['share']:6.1%}"


def _between(interval: dict[str, float]) -> str:
    return f"{interval['share']:6.1%} ({interval['low']:6.1%} to {interval['high']:6.1%})"
