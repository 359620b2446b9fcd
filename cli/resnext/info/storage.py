"""What is stored on this machine, and removing it: compiled models and what training keeps, and the hub's cache."""

import time
from datetime import UTC, datetime
from typing import Any

from resnext.info.page import Column, Page, age_text, size_text
from resnext.models.hub import hub_cache_folder, timm_weights
from resnext.store import inventory
from resnext.store.inventory import Removed, StoredEntry
from resnext.store.store import Store
from resnext.store.training_cache import KeptFile


def report(store: Store) -> dict[str, Any]:
    """`compiled`: the store's entries; `training`: what training keeps for the next try; `weights`: timm's files in
    the hub's cache, which other programs share.

    Sizes are in bytes, ages in seconds, times in UTC.
    """
    now = time.time()
    compiled = [_entry_row(entry, now) for entry in inventory.entries(store)]
    cached = [
        {"repo": each.repo, "size_bytes": each.size_bytes, "path": str(each.path), **_times(each.modified, now)}
        for each in timm_weights()
    ]
    kept = [_kept_row(each, now) for each in inventory.of_training(store)]
    return {
        "folder": str(store.root),
        "compiled": compiled,
        "compiled_bytes": sum(row["size_bytes"] for row in compiled),
        "training": kept,
        "training_bytes": sum(row["size_bytes"] for row in kept),
        "hub_folder": str(hub_cache_folder()),
        "weights": cached,
        "weights_bytes": sum(row["size_bytes"] for row in cached),
    }


def prune(store: Store) -> dict[str, Any]:
    """Remove what no current model uses, and report it.

    Raises:
        OutputError: the store can't be changed.
    """
    return _removed_rows(inventory.prune(store))


def clear(store: Store) -> dict[str, Any]:
    """Remove every compiled model and what training keeps, and report it.

    Raises:
        OutputError: the store can't be changed.
    """
    return _removed_rows(inventory.clear(store))


def show(found: dict[str, Any], page: Page) -> None:
    """A table for each place that holds something."""
    page.heading(f"compiled models in {found['folder']}: {size_text(found['compiled_bytes'])}")
    if found["compiled"]:
        columns = [Column("model", fold=True), Column("size", "right"), Column("age"), Column("state", fold=True)]
        page.table(columns, [_entry_cells(row) for row in found["compiled"]])
    else:
        page.line("none; the first use of a model compiles it")
    if found["training"]:
        page.line()
        page.heading(f"kept by training: {size_text(found['training_bytes'])}")
        columns = [Column("file", fold=True), Column("size", "right"), Column("age"), Column("state", fold=True)]
        page.table(columns, [_kept_cells(row) for row in found["training"]])
    page.line()
    page.heading(f"timm's weights in the hub's cache, {found['hub_folder']}: {size_text(found['weights_bytes'])}")
    if found["weights"]:
        columns = [Column("repository", fold=True), Column("size", "right"), Column("age")]
        rows = [(row["repo"], size_text(row["size_bytes"]), age_text(row["age_seconds"])) for row in found["weights"]]
        page.table(columns, rows)
        page.line("Other programs share these: --prune and --clear leave them; 'hf cache rm' removes them.", "dim")
    else:
        page.line("none")


def show_removed(found: dict[str, Any], page: Page) -> None:
    """What was removed, and what that frees."""
    for row in found["removed"]:
        page.line(f"removed {row['name']} ({size_text(row['size_bytes'])}): {row['reason']}")
    count = len(found["removed"])
    page.line(f"{count} removed, {size_text(found['freed_bytes'])} freed" if count else "there was nothing to remove")


def compiled_row(stored: StoredEntry | None) -> dict[str, Any] | None:
    """An entry of the store with what it was made from; `built` in UTC."""
    if stored is None or stored.model is None:
        return None
    provenance, times = stored.model.provenance, _times(stored.built, time.time())
    return {
        "folder": str(stored.folder),
        "size_bytes": stored.size_bytes,
        "built": times["modified"],
        "age_seconds": times["age_seconds"],
        "weights_from": stored.model.weights_origin,
        "weights_sha256": provenance.weights_digest,
        "timm": provenance.timm_version,
        "openvino": provenance.openvino_version,
        "format": provenance.format_version,
    }


def compiled_text(row: dict[str, Any] | None) -> str:
    """An entry of the store in words."""
    if row is None:
        return "not yet; the first run does it, or resnext info --download MODEL"
    return (
        f"{age_text(row['age_seconds'])} ago with timm {row['timm']} and OpenVINO {row['openvino']},"
        f" {size_text(row['size_bytes'])} in {row['folder']}"
    )


def _entry_row(entry: StoredEntry, now: float) -> dict[str, Any]:
    provenance = entry.model.provenance if entry.model is not None else None
    return {
        "name": entry.folder.name,
        "timm_name": provenance.timm_name if provenance is not None else None,
        "weights_from": entry.model.weights_origin if entry.model is not None else None,
        "weights_sha256": provenance.weights_digest if provenance is not None else None,
        "timm": provenance.timm_version if provenance is not None else None,
        "openvino": provenance.openvino_version if provenance is not None else None,
        "size_bytes": entry.size_bytes,
        **_times(entry.built, now),
        "in_use": entry.unused is None,
        "unused_because": entry.unused,
    }


def _entry_cells(row: dict[str, Any]) -> tuple[str, ...]:
    model = row["timm_name"] or row["name"]
    name = f"{model}, {row['weights_from']}" if row["weights_from"] else model
    return name, size_text(row["size_bytes"]), age_text(row["age_seconds"]), _state(row)


def _kept_row(each: KeptFile, now: float) -> dict[str, Any]:
    return {
        "name": each.name,
        "size_bytes": each.size_bytes,
        **_times(each.used, now),
        "in_use": each.unused is None,
        "unused_because": each.unused,
    }


def _kept_cells(row: dict[str, Any]) -> tuple[str, ...]:
    return row["name"], size_text(row["size_bytes"]), age_text(row["age_seconds"]), _state(row)


def _state(row: dict[str, Any]) -> str:
    return "in use" if row["in_use"] else f"unused: {row['unused_because']}"


def _times(moment: float, now: float) -> dict[str, Any]:
    return {
        "age_seconds": max(0, round(now - moment)),
        "modified": datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds"),
    }


def _removed_rows(removed: list[Removed]) -> dict[str, Any]:
    rows = [{"name": each.name, "size_bytes": each.size_bytes, "reason": each.reason} for each in removed]
    return {"removed": rows, "freed_bytes": sum(each.size_bytes for each in removed)}
