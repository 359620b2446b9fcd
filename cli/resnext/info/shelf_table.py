"""The shelf: every model with its published figures, cost and licence, and whether it is here or to be downloaded."""

from typing import Any

from resnext.info.page import Page, millions_text
from resnext.models.catalog import CATALOG, CatalogEntry
from resnext.shelf.choice import STATE_TEXTS, auto_choice, state_of
from resnext.store.store import Store

_FIGURES = ("top-1", "top-5", "ReaL", "params", "GFLOPs", "input", "download")
_NAME_WIDTH = max(len(entry.name) for entry in CATALOG)
_LICENCE_WIDTH = 12
_ONE_LINE_WIDTH = 124  # columns from which a model needs one line
_TWO_LINES_WIDTH = 76


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
    """One line a model where there is room for it, else two, else a paragraph."""
    if page.width >= _ONE_LINE_WIDTH:
        _show_lines(found, page, one_line=True)
    elif page.width >= _TWO_LINES_WIDTH:
        _show_lines(found, page, one_line=False)
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


def _show_lines(found: dict[str, Any], page: Page, *, one_line: bool) -> None:
    header = f"  {'model':<{_NAME_WIDTH}}" + "".join(f"  {title:>{_width(title)}}" for title in _FIGURES)
    page.heading(header + (f"  {'licence':<{_LICENCE_WIDTH}}  state" if one_line else ""))
    for row in found["models"]:
        cells = "".join(f"  {text:>{_width(title)}}" for title, text in zip(_FIGURES, _figures(row), strict=True))
        line = f"{_mark(row)} {row['name']:<{_NAME_WIDTH}}{cells}"
        if one_line:
            page.line(f"{line}  {_licence(row):<{_LICENCE_WIDTH}}  {_state(row)}", _style(row))
        else:
            page.line(line, _style(row))
            page.line(f"    {_licence(row)}, {_state(row)}", "dim")


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


def _width(title: str) -> int:
    return {"params": 7, "input": 7}.get(title, len(title))


def _licence(row: dict[str, Any]) -> str:
    return str(row["licence"]).split(" (")[0]


def _state(row: dict[str, Any]) -> str:
    text = STATE_TEXTS[row["state"]]
    return f"bundled, {text}" if row["bundled"] and row["state"] != "bundled" else text


def _mark(row: dict[str, Any]) -> str:
    return "*" if row["auto"] else " "


def _style(row: dict[str, Any]) -> str:
    return "bold" if row["auto"] else ""
