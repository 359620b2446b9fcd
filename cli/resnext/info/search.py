"""timm's pretrained models by name, those that can be used here marked. Imports timm: the list is made by its code."""

from fnmatch import fnmatchcase
from typing import Any

from resnext.errors import UsageError
from resnext.info.page import Column, Page
from resnext.models import catalog
from resnext.models.catalog import CATALOG
from resnext.models.hub import find_cached
from resnext.models.timm_names import near_names
from resnext.shelf.choice import StateName
from resnext.store import inventory, request_keys
from resnext.store.store import Store

_SHORT_STATES: dict[StateName, str] = {
    "compiled": "compiled",
    "bundled": "bundled",
    "cached": "cached",
    "download": "hub",
}


def report(pattern: str, store: Store) -> dict[str, Any]:
    """`models`: those whose timm name, or name on the shelf, the pattern finds.

    Raises:
        UsageError: there is none.
    """
    from resnext.compiling import timm_models

    wildcards = with_wildcards(pattern)
    found = dict(timm_models.search(wildcards))
    for entry in CATALOG:
        if matches(wildcards, entry.name, *entry.aliases) and entry.timm_name not in found:
            found |= dict(timm_models.search(entry.timm_name))
    if not found:
        near = ", ".join(near_names(pattern.strip("*?")))
        hint = f"; did you mean {near}?" if near else ""
        raise UsageError(f"no pretrained model of timm is called like {pattern!r} (* and ? are wildcards){hint}")
    return {"pattern": pattern, "models": [_row(name, cfg, store) for name, cfg in found.items()]}


def show(found: dict[str, Any], page: Page) -> None:
    """A line a model; what can't be used here says why."""
    columns = [
        Column("", fold=False),
        Column("model", fold=True),
        Column("classes", "right"),
        Column("input", "right"),
        Column("licence", fold=True),
        Column("state", fold=True),
    ]
    rows, styles = [], []
    for row in found["models"]:
        _, height, width = row["input_size"]
        size = str(height) if height == width else f"{height}x{width}"
        state = _SHORT_STATES[row["state"]] if row["usable"] else row["unusable_because"]
        classes = str(row["num_classes"] or "none")
        rows.append(("+" if row["usable"] else "-", row["timm_name"], classes, size, row["licence"], state))
        styles.append("" if row["usable"] else "dim")
    page.table(columns, rows, styles)
    usable = sum(row["usable"] for row in found["models"])
    page.line()
    page.line(f"{len(rows)} found; {usable} can be used here (+): resnext classify -m MODEL")
    page.line("compiled: ready; cached: its weights are here; hub: they are downloaded at its first use", "dim")


def _row(timm_name: str, cfg: dict[str, Any], store: Store) -> dict[str, Any]:
    name = catalog.resolve(timm_name)
    repo = cfg.get("hf_hub_id")
    reason = _unusable(cfg)
    state: StateName = "download"
    if inventory.find(store, request_keys.published(name)) is not None:
        state = "compiled"
    elif name.entry is not None and name.entry.origin == "bundled":
        state = "bundled"
    elif repo and find_cached(repo) is not None:
        state = "cached"
    return {
        "timm_name": timm_name,
        "shelf_name": name.entry.name if name.entry is not None else None,
        "num_classes": cfg.get("num_classes") or 0,
        "input_size": list(cfg.get("input_size") or (3, 224, 224)),
        "licence": cfg.get("license") or "not stated",
        "usable": reason is None,
        "unusable_because": reason,
        "state": state,
    }


def _unusable(cfg: dict[str, Any]) -> str | None:
    """Why a model can't label photos here; None if it can."""
    if not cfg.get("num_classes"):
        return "no classifier"
    if not cfg.get("hf_hub_id"):
        return "no weights on the hub"
    if cfg.get("hf_hub_filename"):
        return "weights under another file name"
    if (cfg.get("input_size") or (3,))[0] != 3:
        return "not for colour photos"
    return None


# -- patterns as people type them: with * and ?, or a part of a name; upper and lower case are the same


def with_wildcards(pattern: str) -> str:
    """The pattern in lower case; one without wildcards is looked for anywhere in a name."""
    pattern = pattern.strip().casefold()
    return pattern if any(wildcard in pattern for wildcard in "*?[") else f"*{pattern}*"


def matches(wildcards: str, *names: str) -> bool:
    """Whether a pattern of `with_wildcards` finds one of the names."""
    return any(fnmatchcase(name.casefold(), wildcards) for name in names)
