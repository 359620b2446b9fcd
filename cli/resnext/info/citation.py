"""How to cite a model: BibTeX alone, for a file of references."""

from typing import Any

from resnext.info.card import named
from resnext.info.page import Page
from resnext.models.catalog import DEFAULT_MODEL
from resnext.models.citations import bibtex
from resnext.store.store import Store


def report(model: str | None, store: Store, offline: bool) -> dict[str, Any]:
    """`model` None is the default model, whether or not it is what runs now.

    Raises:
        ModelError: neither the shelf nor timm knows the name.
    """
    name = named(model or DEFAULT_MODEL, store, offline)
    if name.entry is None:
        from resnext.models.timm_names import check_name

        if not name.is_own:
            check_name(name.timm_name)
    return {"model": name.name, "bibtex": bibtex(name)}


def show(found: dict[str, Any], page: Page) -> None:
    page.verbatim(found["bibtex"])
