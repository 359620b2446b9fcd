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
        from resnext.compiling import timm_models

        timm_models.licence(name.timm_name)  # raises for a name that timm does not know
    return {"model": name.name, "bibtex": bibtex(name)}


def show(found: dict[str, Any], page: Page) -> None:
    page.verbatim(found["bibtex"])
