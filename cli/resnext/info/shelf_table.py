"""The shelf: every model with its published figures, cost and licence, and whether it is here or to be downloaded."""

from collections.abc import Callable, Sequence
from typing import Any

from resnext.info.page import Column, Page, millions_text
from resnext.models.catalog import CATALOG, CatalogEntry
from resnext.shelf.choice import STATE_TEXTS, auto_choice, state_of
from resnext.store.store import Store

_FIGURES = ("top-1", "top-5", "ReaL", "params", "GFLOPs", "input", "download")
_OTHERS = (Column("licence"), Column("state"))
_ONE_TABLE_WIDTH = 124  # columns that all of a model takes
_TWO_TABLES_WIDTH = 80  # and its figures alone


def report(store: Store, offline: bool) -> dict[str, Any]:
    """`models`: a dict each, with the keys of the catalogue and `state`; `auto`: the model and the reason."""
    auto = auto_choice(store, offline)
    return {
        "models": [model_row(entry, store) | {"auto": entry.name == auto.name} for entry in CATALOG],
        "auto": {"model": auto.name, "reason": auto.reason},
    }


def model_row(entry: CatalogEntry, store: Store) -> dict[str, Any]:
    """One model of the shelf. Accuracy in per cent; `params` a count; `gmacs`, `gflops` 10^9 a photo; megabytes."""
    state = state_of(entry, store)
    return {
        "name": entry.name,
        "timm_name": entry.timm_name,
        "aliases": list(entry.aliases),
        "top1": entry.top1,
        "top5": entry.top5,
        "real": entry.real,
        "params": entry.params,
        "gmacs": entry.gmacs,
        "gflops": entry.gflops,
        "input_size": list(entry.preprocessing.input_size),
        "download_mb": entry.download_mb,
        "licence": entry.licence,
        "state": state.name,
        "bundled": entry.origin == "bundled",
        "weights_cached": state.cached is not None,
    }


def show(found: dict[str, Any], page: Page) -> None:
    """One table where there is room for it, else one of the figures and one of the rest, or a paragraph a model."""
    figures = [Column(title, "right") for title in _FIGURES]
    if page.width >= _ONE_TABLE_WIDTH:
        _table(found, page, [*figures, *_OTHERS], lambda row: (*_figures(row), _licence(row), _state(row)))
    elif page.width >= _TWO_TABLES_WIDTH:
        _table(found, page, figures, _figures)
        page.line()
        _table(found, page, _OTHERS, lambda row: (_licence(row), _state(row)))
    else:
        _show_paragraphs(found, page)
    auto = found["auto"]
    page.line()
    page.line(f"* auto, the default model, is {auto['model']} now: {auto['reason']}.")
    page.line(
        "ImageNet top-1 and top-5 and ReaL top-1 in per cent, as timm's results files give them;"
        " GFLOPs a photo, two for each of timm's multiply-accumulates."
    )
    page.line("CC-BY-NC 4.0: not for commercial use. More about one: resnext info MODEL")


def _table(
    found: dict[str, Any], page: Page, columns: Sequence[Column], cells: Callable[[dict[str, Any]], tuple[str, ...]]
) -> None:
    rows = [(f"{_mark(row)} {row['name']}", *cells(row)) for row in found["models"]]
    page.table([Column("  model"), *columns], rows, ["bold" if row["auto"] else "" for row in found["models"]])


def _show_paragraphs(found: dict[str, Any], page: Page) -> None:
    for row in found["models"]:
        page.heading(f"{_mark(row)} {row['name']}")
        figures = ", ".join(f"{title} {text}" for title, text in zip(_FIGURES, _figures(row), strict=True))
        page.line(f"{figures}; {_licence(row)}, {_state(row)}")


def _figures(row: dict[str, Any]) -> tuple[str, ...]:
    _, height, width = row["input_size"]
    return (
        f"{row['top1']:.1f}",
        f"{row['top5']:.1f}",
        f"{row['real']:.1f}",
        millions_text(row["params"]),
        f"{row['gflops']:.1f}",
        f"{height}x{width}",
        f"{row['download_mb']} MB" if row["download_mb"] else "none",
    )


def _licence(row: dict[str, Any]) -> str:
    return str(row["licence"]).split(" (")[0]


def _state(row: dict[str, Any]) -> str:
    text = STATE_TEXTS[row["state"]]
    return f"bundled, {text}" if row["bundled"] and row["state"] != "bundled" else text


def _mark(row: dict[str, Any]) -> str:
    return "*" if row["auto"] else " "
