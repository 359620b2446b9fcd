"""The report of `train` for people: plain lines in columns, nothing in them that a terminal obeys."""

import shlex
from typing import Any

from resnext.console.terminal import printable

_NAME = 28  # columns of a class's name
_ESTIMATES = {
    "random": "cross-validated",
    "grouped": "... near-duplicates together",
    "validation": "validation photos",
    "test": "test photos",
}
_WORST = 10


def lines_of(report: dict[str, Any]) -> list[str]:
    """The report as lines: shares in percent, with what they lie between at 95% certainty in brackets."""
    data, settings, figures = report["data"], report["settings"], report["figures"]
    lines = [
        f"{printable(report['model'])}, {len(data['classes'])} classes from {data['photos']:,} photos,"
        f" base {printable(report['base']['name'])}",
        "",
        f"  {'right':{_NAME}}  photos  {'':26}  balanced     ECE",
    ]
    for key, title in _ESTIMATES.items():
        each = figures[key]
        if each is not None:
            balanced = each["balanced_accuracy"]["share"]
            right = f"{each['photos']:6,}  {_between(each['accuracy'])}    {balanced:6.1%}  {each['ece']:6.3f}"
            lines.append(f"  {title:{_NAME}}  {right}")
    honest = figures["test"] or figures["grouped"] or figures["validation"]
    if honest is None:
        lines.append("  no class has two photos apart: nothing could be validated")
    else:
        lines += ["", *_confusions(honest), *_classes(honest)]
    lines += [
        "",
        f"  regularization {settings['regularization']:g}, temperature {settings['temperature']:g} (folded in);"
        f" left out {data['left_out']:,}, failed {data['failed']:,}; photos with a twin {data['photos_in_groups']:,}",
    ]
    lines += _pseudo_labels(report["semi"]) if "semi" in report else []
    suspects = (figures.get("head", figures)["grouped"] or {}).get("suspects", [])
    if suspects:
        lines += ["", "  labels to look at again, the surest first:"]
        lines += [
            f"    {printable(each['file'])}: {printable(each['label'])}, rather {printable(each['answer'])}"
            f" ({each['score']:.0%})"
            for each in suspects[:_WORST]
        ]
    return [*lines, "", f"next: resnext classify -m {_as_model(report['model'])} PHOTOS"]


def _pseudo_labels(semi: dict[str, Any]) -> list[str]:
    rows = sorted(semi["classes"], key=lambda row: (row["median"], row["name"]))
    return [
        "",
        f"  {semi['unlabelled']:,} photos without labels; {printable(semi['why'])}",
        f"  {'pseudo-labels, unsure first':{_NAME}}  photos  teacher's middle score, and least",
        *(
            f"  {_fitted(row['name'])}  {row['photos']:6,}  {row['median']:6.1%} {row['lowest']:6.1%}"
            for row in rows[:_WORST]
        ),
        *([f"  and {len(rows) - _WORST} more"] if len(rows) > _WORST else []),
    ]


def _confusions(figures: dict[str, Any]) -> list[str]:
    if not figures["confusions"]:
        return []
    rows = [f"  {_fitted(row['truth'])}  {_fitted(row['answer'])}  {row['photos']:6,}" for row in figures["confusions"]]
    return [f"  {'wrong most often: shown':{_NAME}}  {'called':{_NAME}}  photos", *rows, ""]


def _classes(figures: dict[str, Any]) -> list[str]:
    rows = sorted(figures["classes"], key=lambda row: (row["recall"]["share"], row["name"]))
    shown = [row for row in rows if row["photos"]][:_WORST]
    more = len(figures["classes"]) - len(shown)
    return [
        f"  {'classes, worst first':{_NAME}}  photos  {'found':26}  right of those called so",
        *(f"  {_fitted(row['name'])}  {_class_cells(row)}" for row in shown),
        *([f"  and {more} more"] if more else []),
    ]


def _class_cells(row: dict[str, Any]) -> str:
    return f"{row['photos']:6,}  {_between(row['recall'])}  {_between(row['precision'])}"


def _fitted(name: str) -> str:
    text = printable(name)
    return f"{text if len(text) <= _NAME else text[: _NAME - 1] + '…':{_NAME}}"


def _between(interval: dict[str, float]) -> str:
    return f"{interval['share']:6.1%} ({interval['low']:6.1%} to {interval['high']:6.1%})"


def _as_model(path: str) -> str:
    """A folder as -m takes it: with a separator in it."""
    return shlex.quote(printable(path if "/" in path or "\\" in path else f"./{path}"))
