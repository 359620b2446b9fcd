"""What was measured, as pictures in PNG or SVG (extra `plots`): confusions, reliability, coverage."""

import importlib.util
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from resnext.console.terminal import printable
from resnext.errors import OutputError

_MOST_CLASSES = 40  # in one picture; of more those that were confused most
_NUMBERED = 25  # up to so many classes each cell has its number
_LONGEST = 28  # characters of a name
_INCHES, _DPI = 6.0, 150
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


def confusion_picture(names: Sequence[str], cells: Sequence[tuple[int, int, int]], kind: str) -> bytes:
    """Draw a confusion matrix: a row what photos show, a column what was answered, the colour the row's share.

    `cells` are (row, column, photos), `kind` is "png" or "svg". Of more than forty classes those are drawn that were
    confused most.
    """
    shown = _most_confused(len(names), cells)
    places = {name: place for place, name in enumerate(shown)}
    totals = dict.fromkeys(range(len(names)), 0)
    for row, _, photos in cells:
        totals[row] += photos
    size = len(shown)
    shares = [[0.0] * size for _ in shown]
    counts = [[0] * size for _ in shown]
    for row, column, photos in cells:
        if row in places and column in places:
            shares[places[row]][places[column]] = photos / totals[row]
            counts[places[row]][places[column]] = photos
    inches = max(_INCHES, 2.5 + 0.3 * size)
    with _figure(inches + 0.6, inches) as (figure, save):
        axes = figure.add_subplot()
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        texts = [_shortened(names[name]) for name in shown]
        axes.set_xticks(range(size), texts, rotation=90, fontsize=8, parse_math=False)
        axes.set_yticks(range(size), texts, fontsize=8, parse_math=False)
        axes.set_xlabel("answered")
        axes.set_ylabel("shown")
        if size < len(names):
            axes.set_title(f"The {size} of {len(names)} classes that were confused most", fontsize=10)
        if size <= _NUMBERED:
            for row, line in enumerate(counts):
                for column, photos in enumerate(line):
                    color = "white" if shares[row][column] > 0.6 else "black"
                    if photos:
                        axes.text(column, row, photos, ha="center", va="center", fontsize=7, color=color)
        figure.colorbar(image, ax=axes, shrink=0.8, label="share of the photos that show it")
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
        upper.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1, label="as sure as right")
        upper.errorbar(
            believed, right, yerr=errors, color=_BLUE, marker="o", markersize=4, capsize=2, label="this model"
        )
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
        axes.plot(taken, [each["right"]["share"] for each in curve], color=_BLUE)
        low, high = ([each["right"][limit] for each in curve] for limit in ("low", "high"))
        axes.fill_between(taken, low, high, color=_BLUE, alpha=0.2, linewidth=0, label="95% interval")
        for sure in (0.5, 0.8, 0.9, 0.95, 0.99):
            at = next((each for each in curve if each["sure"] >= sure), None)
            if at is not None:
                axes.plot(at["coverage"], at["right"]["share"], "o", color=_BLUE, markersize=4)
                axes.annotate(
                    f"{sure:g}", (at["coverage"], at["right"]["share"]), textcoords="offset points", xytext=(4, 5),
                    fontsize=8,
                )  # fmt: skip
        lowest = min([0.9, *low])
        axes.set(xlabel="share of the photos that keep their answer (points: from this probability on)")
        axes.set(ylabel="of those right", xlim=(0, 1), ylim=(max(0.0, lowest - 0.05), 1.005))
        axes.xaxis.set_major_formatter("{x:.0%}")
        axes.yaxis.set_major_formatter("{x:.0%}")
        axes.legend(loc="lower left", frameon=False)
        return save(kind)


def _most_confused(count: int, cells: Sequence[tuple[int, int, int]]) -> list[int]:
    """The places of the classes that are drawn, in their order."""
    wrong = dict.fromkeys(range(count), 0)
    for row, column, photos in cells:
        if row != column:
            wrong[row] += photos
            wrong[column] += photos
    worst = sorted(wrong, key=lambda place: (-wrong[place], place))
    return sorted(worst[:_MOST_CLASSES])


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

        with matplotlib.rc_context({"svg.hashsalt": "resnext", "svg.fonttype": "none", "axes.unicode_minus": False}):
            figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
            FigureCanvasAgg(figure)

            def save(kind: str) -> bytes:
                content = io.BytesIO()
                figure.savefig(content, format=kind, metadata={"Date": None} if kind == "svg" else None)
                return content.getvalue()

            yield figure, save
