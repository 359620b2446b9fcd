"""The classes of a model: those noted with a compiled model, ImageNet's by timm, or those that a checkpoint names."""

from pathlib import Path
from typing import Any

from resnext.errors import ModelError, UsageError
from resnext.info.page import Column, Page
from resnext.info.search import matches, with_wildcards
from resnext.models import weights
from resnext.models.catalog import ModelName
from resnext.models.checkpoints import num_classes_of
from resnext.models.timm_names import check_name
from resnext.records import Label
from resnext.shelf.choice import Asked, config_of, contents_of, named
from resnext.store import inventory
from resnext.store.store import Store


def report(pattern: str, model: str | None, checkpoint: Path | None, store: Store, offline: bool) -> dict[str, Any]:
    """`labels`: index, name, description, synset, definition of each class that the pattern finds.

    A number is an index; any other pattern is compared with names, each synonym and the synset.

    Raises:
        ModelError: the model or checkpoint can't be had.
        UsageError: no class is found.
    """
    if checkpoint is not None:
        name, labels = checkpoint.name, _of_checkpoint(checkpoint)
    else:
        resolved = named(model or "auto", store, offline)
        name, labels = resolved.name, _of_model(resolved, store)
    wildcards = with_wildcards(pattern)
    found = [label for label in labels if _matches(wildcards, pattern, label)]
    if not found:
        raise UsageError(
            f"none of the {len(labels)} classes of {name} is called like {pattern!r} (* and ? are wildcards)"
        )
    return {"model": name, "num_classes": len(labels), "labels": [label._asdict() for label in found]}


def show(found: dict[str, Any], page: Page) -> None:
    """A line a class, or more where its text is long."""
    rows = found["labels"]
    columns = [Column("index", "right"), Column("description", fold=True)]
    keys = ["index", "description"]
    if any(row["synset"] for row in rows):
        columns.insert(1, Column("synset"))
        keys.insert(1, "synset")
    if any(row["definition"] for row in rows):
        columns.append(Column("definition", fold=True))
        keys.append("definition")
    page.table(columns, [tuple("" if row[key] is None else str(row[key]) for key in keys) for row in rows])
    page.line()
    page.line(f"{len(rows)} of the {found['num_classes']} classes of {found['model']}")


def _matches(wildcards: str, pattern: str, label: Label) -> bool:
    if pattern.strip().isdecimal():
        return int(pattern) == label.index
    synonyms = [each.strip() for each in label.description.split(",")]
    return matches(wildcards, label.name, label.description, *synonyms, label.synset or "")


def _of_model(name: ModelName, store: Store) -> tuple[Label, ...]:
    stored = inventory.find(store, Asked(name).key())
    if stored is not None and stored.model is not None:
        return stored.model.labels()
    config = config_of(name)
    if config is not None and config.labels is not None:
        return config.labels
    if config is None and name.entry is None:
        check_name(name.timm_name)
    from resnext.compiling import imagenet_labels, timm_models

    if name.entry is not None:
        return imagenet_labels.imagenet_labels(name.entry.num_classes)
    facts = timm_models.describe(config.architecture if config is not None else name.timm_name, config)
    count = facts.pretrained_cfg.get("num_classes")
    if not count:
        raise ModelError(f"{name.name} has no classes: it was not trained to classify")
    return imagenet_labels.imagenet_labels(count)


def _of_checkpoint(path: Path) -> tuple[Label, ...]:
    contents = contents_of(weights.from_file(path))
    if contents.labels is not None:
        return tuple(Label(index, label, label) for index, label in enumerate(contents.labels))
    count = num_classes_of(contents.shapes)
    if count is None:
        raise ModelError(f"{path}: no classifier is found in this checkpoint, and no names of classes")
    from resnext.compiling import imagenet_labels

    return imagenet_labels.imagenet_labels(count)
