"""What was measured, as pictures in PNG or SVG (extra `plots`): confusions, reliability, coverage."""

import importlib.util
import io
import logging
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from resnext.console.terminal import printable
from resnext.errors import OutputError

_MOST_CLASSES = 40  # in one picture; of more those that were confused most
_NUMBERED = 25  # up to so many classes each cell has its number
_LONGEST = 28  # characters of a name
_MARKED = (0.5, 0.8, 0.9, 0.95, 0.99)  # probabilities that are marked in a curve
_INCHES, _DPI = 6.0, 150
# The first has most alphabets; of the others, which have Chinese, Japanese and Korean, those that are installed.
_FONTS = ["DejaVu Sans", "Noto Sans CJK JP", "Hiragino Sans", "Microsoft YaHei", "Malgun Gothic"]
_BLUE, _GREY = "#2b6cb0", "#888888"

Rows = Sequence[dict[str, Any]]


def require_plots(option: str) -> None:
    """Refuse before the run a picture that could not be drawn after it.

    Raises:
        OutputError: matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise OutputError(
            f"{option}: pictures need matplotlib: pip install 'resnext[plots]'; .csv and .json need nothing"
        )


def confusion_picture(names: Sequence[str], shown: int, cells: Sequence[tuple[int, int, int]], kind: str) -> bytes:
    """Draw a confusion matrix: a row what photos show, a column what was answered, the colour the row's share.

    The rows are the first `shown` of the names, `cells` are (row, column, photos), `kind` is "png" or "svg". Of more
    than forty names those are drawn that were confused most.
    """
    totals = Counter[int]()
    for row, _, photos in cells:
        totals[row] += photos
    columns = _most_confused(len(names), cells)
    rows = [place for place in columns if place < shown]
    counts = {(row, column): photos for row, column, photos in cells}
    wide, high = 0.3 * len(columns), 0.3 * len(rows)
    with _figure(max(_INCHES, 3.4 + wide), max(_INCHES * 0.6, 2.6 + high)) as (figure, save):
        axes = figure.add_subplot()
        shares = [[counts.get((row, column), 0) / totals[row] for column in columns] for row in rows]
        image = axes.imshow(shares or [[0]], cmap="Blues", vmin=0, vmax=1)
        texts = {place: _shortened(names[place]) for place in columns}
        axes.set_xticks(
            range(len(columns)), [texts[each] for each in columns], rotation=90, fontsize=8, parse_math=False
        )
        axes.set_yticks(range(len(rows)), [texts[each] for each in rows], fontsize=8, parse_math=False)
        axes.set(xlabel="answered", ylabel="shown")
        if len(columns) < len(names):
            axes.set_title(f"The {len(columns)} of {len(names)} classes that were confused most", fontsize=10)
        if len(rows) <= _NUMBERED:
            for y, row in enumerate(rows):
                for x, column in enumerate(columns):
                    if photos := counts.get((row, column), 0):
                        color = "white" if shares[y][x] > 0.6 else "black"
                        axes.text(x, y, photos, ha="center", va="center", fontsize=7, color=color)
        figure.colorbar(image, ax=axes, shrink=0.8, label="share of the row")
        return save(kind)


def reliability_picture(bins: Rows, ece: float, kind: str) -> bytes:
    """Draw what came true against what was believed, with 95% intervals; below it how many photos are in each bin."""
    filled = [each for each in bins if each["photos"]]
    right = [each["right"]["share"] for each in filled]
    believed = [each["confidence"] for each in filled]
    errors = [
        [each["right"]["share"] - each["right"]["low"] for each in filled],
        [each["right"]["high"] - each["right"]["share"] for each in filled],
    ]
    with _figure(_INCHES, _INCHES * 1.2) as (figure, save):
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        upper.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1, label="as right as sure")
        upper.errorbar(
            believed, right, errors, color=_BLUE, marker="o", markersize=5, linestyle="", capsize=2, clip_on=False,
            label="right of those (95% interval)",
        )  # fmt: skip
        upper.set(ylabel="right", xlim=(0, 1), ylim=(0, 1), title=f"Calibration error (ECE) {ece:.1%}")
        upper.legend(loc="upper left", frameon=False)
        lower.bar(
            [each["low"] for each in bins], [each["photos"] for each in bins], color=_BLUE, align="edge",
            width=[(each["high"] - each["low"]) * 0.9 for each in bins],
        )  # fmt: skip
        lower.set(xlabel="probability of the answer", ylabel="photos")
        return save(kind)


def coverage_picture(curve: Rows, kind: str) -> bytes:
    """Draw how many of the answers are right against how many are taken: the surest first, all of them at 100%."""
    with _figure(_INCHES, _INCHES * 0.75) as (figure, save):
        axes = figure.add_subplot()
        taken = [each["coverage"] for each in curve]
        axes.plot(taken, [each["right"]["share"] for each in curve], color=_BLUE, clip_on=False)
        lows, highs = ([each["right"][limit] for each in curve] for limit in ("low", "high"))
        axes.fill_between(taken, lows, highs, color=_BLUE, alpha=0.2, linewidth=0, label="95% interval")
        marked = [next((each for each in curve if each["sure"] >= sure), None) for sure in _MARKED]
        for sure, at in zip(_MARKED, marked, strict=True):
            if at is not None:
                place = (at["coverage"], at["right"]["share"])
                axes.plot(*place, "o", color=_BLUE, markersize=4, clip_on=False)
                axes.annotate(f"{sure:g}", place, textcoords="offset points", xytext=(0, -14), ha="center", fontsize=9)
        axes.plot([], [], "o", color=_BLUE, markersize=4, label="answers of at least this probability")
        # Of few photos nothing is known: their interval would take all of the room.
        lowest = min([0.9, *(low for low, share in zip(lows, taken, strict=True) if share >= 0.1)])
        axes.set(xlabel="share of the photos that keep their answer", ylabel="of those right")
        axes.set(xlim=(0, 1), ylim=(max(0.0, lowest - 0.1), 1.0))
        axes.xaxis.set_major_formatter("{x:.0%}")
        axes.yaxis.set_major_formatter("{x:.0%}")
        axes.legend(loc="lower left", frameon=False)
        return save(kind)


def _most_confused(count: int, cells: Sequence[tuple[int, int, int]]) -> list[int]:
    """The places of the classes that are drawn, in their order: all, or the pairs that were confused most often."""
    if count <= _MOST_CLASSES:
        return list(range(count))
    chosen: set[int] = set()
    for row, column, _ in sorted(cells, key=lambda cell: (-cell[2], cell)):
        if row != column and len(chosen | {row, column}) <= _MOST_CLASSES:
            chosen |= {row, column}
    return sorted(chosen)


def _shortened(name: str) -> str:
    text = printable(name)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


@contextmanager
def _figure(width: float, height: float) -> Iterator[tuple[Any, Callable[[str], bytes]]]:
    """A figure of so many inches, and what gives its bytes as "png" or "svg": the same for the same content."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # of a home that can't be written, and of fonts
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a letter that the font lacks is drawn as a box
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        with matplotlib.rc_context({"svg.hashsalt": "resnext", "svg.fonttype": "none", "font.family": _FONTS}):
            figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
            FigureCanvasAgg(figure)

            def save(kind: str) -> bytes:
                content = io.BytesIO()
                figure.savefig(content, format=kind, metadata={"Date": None} if kind == "svg" else None)
                return content.getvalue()

            yield figure, save
