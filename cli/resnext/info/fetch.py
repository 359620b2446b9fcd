"""Fetch and compile models ahead: for images, clusters and planes, where the first run has no network or no time."""

from typing import Any

from resnext.console.terminal import Notices
from resnext.info.page import Page, size_text
from resnext.info.storage import compiled_row
from resnext.models import catalog
from resnext.models.licences import licence_terms
from resnext.shelf.choice import Asked
from resnext.shelf.shelf import ModelRequest, Shelf
from resnext.store import inventory
from resnext.store.store import Store


def report(models: tuple[str, ...], store: Store, notices: Notices, offline: bool) -> dict[str, Any]:
    """Make every model of `models` ready, one after another; "auto" is the default model, and is not replaced.

    Raises:
        ModelError: one of them can't be had; those before it stay.
    """
    shelf = Shelf(notices, store)
    rows = []
    for model in models:
        name = catalog.resolve(catalog.DEFAULT_MODEL if catalog.is_auto(model) else model)
        shelf.open(ModelRequest(model=model if name.is_own else name.name, offline=offline))
        found = inventory.find(store, Asked(name).key())
        rows.append(
            {
                "name": name.name,
                "timm_name": name.timm_name,
                "licence": found.model.licence if found is not None and found.model is not None else None,
                "compiled": compiled_row(found),
            }
        )
    return {"ready": rows}


def show(found: dict[str, Any], page: Page) -> None:
    """A line each, and what its licence asks."""
    for row in found["ready"]:
        compiled = row["compiled"]
        page.heading(f"{row['name']} is ready")
        if compiled is not None:
            page.line(f"    {size_text(compiled['size_bytes'])} in {compiled['folder']}")
        page.line(f"    {licence_terms(row['licence'] or '')}", "dim")
