"""The report of `evaluate` for people: plain lines in columns, nothing in them that a terminal obeys."""

from typing import Any

from resnext.console.terminal import printable

_NAME = 28  # columns of a class's name
_FEWEST_FIRST = "classes, worst first"


def lines_of(report: dict[str, Any]) -> list[str]:
    """The report as lines: shares in percent, with what they lie between at 95% certainty in brackets."""
    lines = [
        f"{printable(report['model'])}, {report['photos']} photos",
        f"  best class right         {_between(report['top1'])}",
        f"  among the best five      {_between(report['top5'])}",
        f"  mean over the classes    {report['balanced_accuracy']:6.1%}",
        f"  calibration error (ECE)  {report['ece']:6.1%}",
    ]
    if "tags" in report:
        lines += ["", "  sure   tagged                     right of those             wrong of all"]
        for row in report["tags"]:
            mark = "*" if row["sure"] == report["sure"] else " "
            cells = f"{_between(row['tagged'])}  {_between(row['right'])}  {row['wrong_of_all']:6.1%}"
            lines.append(f"{mark} {row['sure']:<5.4g}  {cells}")
        lines.append("* what classify --tags asks for")
    return [*lines, "", *_classes(report), *_confusions(report)]


def _classes(report: dict[str, Any]) -> list[str]:
    tags = "tags" in report
    head = f"  {_FEWEST_FIRST:{_NAME}}  photos   right" + ("  tagged  right of those" if tags else "")
    key = "right" if tags else "accuracy"
    rows = sorted(report["classes"], key=lambda row: (row[key] is None, row[key] or 0, row["name"]))
    lines = []
    for row in rows:
        line = f"  {_fitted(row['name'])}  {row['photos']:6}  {_share(row['accuracy'])}"
        lines.append(line + (f"  {_share(row['tagged'])}  {_share(row['right'])}" if tags else ""))
    return [head, *lines]


def _confusions(report: dict[str, Any]) -> list[str]:
    if not report["confusions"]:
        return []
    lines = [f"  {_fitted(row['truth'])}  {_fitted(row['answer'])}  {row['photos']:6}" for row in report["confusions"]]
    return ["", f"  {'wrong most often: shown':{_NAME}}  {'called':{_NAME}}  photos", *lines]


def _fitted(name: str) -> str:
    text = printable(name)
    return f"{text if len(text) <= _NAME else text[: _NAME - 1] + '…':{_NAME}}"


def _share(value: float | None) -> str:
    return "     -" if value is None else f"{value:6.1%}"


def _between(interval: dict[str, float]) -> str:
    return f"{interval['share']:6.1%} ({interval['low']:6.1%} to {interval['high']:6.1%})"
