"""The card of a checkpoint file: what it holds, told without running anything from it."""

import math
from pathlib import Path
from typing import Any

from resnext.info.page import Page, millions_text, size_text
from resnext.info.storage import compiled_row, compiled_text
from resnext.models import catalog, weights
from resnext.models.catalog import ModelName
from resnext.models.checkpoints import (
    CheckpointContents,
    num_classes_of,
    resnet_of,
    ssl_resnext_of,
    stated_architecture,
)
from resnext.shelf.choice import contents_of
from resnext.store import inventory, request_keys
from resnext.store.store import Store

_SHOWN_LABELS = 8
_SHOWN_CHARACTERS = 200  # of a value that a training script stored


def report(path: Path, model: str | None, store: Store) -> dict[str, Any]:
    """What a checkpoint holds; with `model` also whether its tensors are those of that model, which imports torch.

    Raises:
        ModelError: it can't be read, or not without running code from it; or timm does not know `model`.
    """
    file = weights.from_file(path)
    contents = contents_of(file)
    classes = num_classes_of(contents.shapes)
    name = catalog.resolve(model) if model is not None else None
    return {
        "file": str(path),
        "format": file.kind,
        "size_bytes": path.stat().st_size,
        "sha256": file.digest,
        "tensors": len(contents.shapes),
        "numbers": contents.num_parameters,
        "dtypes": list(contents.dtypes),
        "architecture": resnet_of(contents.shapes),
        "shelf_name": ssl_resnext_of(contents.shapes),
        "stated_architecture": stated_architecture(contents.metadata),
        "num_classes": classes,
        "labels": list(contents.labels) if contents.labels is not None else None,
        "metadata": {name[:_SHOWN_CHARACTERS]: _plain(value) for name, value in contents.metadata.items()},
        "fit": _fit(name, contents, classes) if name is not None else None,
        "compiled": compiled_row(inventory.find(store, request_keys.checkpoint(name, path))),
    }


def show(found: dict[str, Any], page: Page) -> None:
    """The card for people."""
    page.heading(found["file"])
    page.line()
    facts = [
        ("format", f"{found['format']}, {size_text(found['size_bytes'])}"),
        ("SHA-256", found["sha256"]),
        (
            "holds",
            f"{found['tensors']} tensors, {millions_text(found['numbers'])} numbers, {', '.join(found['dtypes'])}",
        ),
        ("architecture", _architecture_text(found)),
        ("classes", _classes_text(found)),
        ("labels", _labels_text(found["labels"])),
    ]
    if found["fit"] is not None:
        facts.append(("fit", _fit_text(found["fit"])))
    facts += [(f"  {name}", str(value)) for name, value in found["metadata"].items()]
    facts.append(
        ("compiled", compiled_text(found["compiled"]) if found["compiled"] else "not yet; the first run does it")
    )
    facts.append(("use it", _use_text(found)))
    page.facts(facts)


def _fit(name: ModelName, contents: CheckpointContents, classes: int | None) -> dict[str, Any]:
    from resnext.compiling import timm_models

    unlike, total = timm_models.unlike(name.timm_name, contents.shapes, classes)
    return {"model": name.name, "tensors": total, "unlike": unlike}


def _architecture_text(found: dict[str, Any]) -> str:
    stated = found["stated_architecture"]
    said = f"the file says {stated}" if stated else ""
    if found["shelf_name"]:
        return f"{found['architecture']}, that of {found['shelf_name']}" + (f"; {said}" if said else "")
    if found["architecture"]:
        return f"{found['architecture']}, told by its shapes" + (f"; {said}" if said else "")
    return said or "not one of the ResNets and ResNeXts; name it: resnext info MODEL --weights FILE"


def _classes_text(found: dict[str, Any]) -> str:
    count = found["num_classes"]
    if count is None:
        return "no classifier under the names that timm uses"
    return f"{count}, as many as ImageNet-1k" if count == 1000 else str(count)


def _labels_text(labels: list[str] | None) -> str:
    if labels is None:
        return "none inside; give them to classify with --labels FILE"
    shown = ", ".join(labels[:_SHOWN_LABELS])
    return f"{len(labels)} inside: {shown}" + (", …" if len(labels) > _SHOWN_LABELS else "")


def _fit_text(fit: dict[str, Any]) -> str:
    if not fit["unlike"]:
        return f"all {fit['tensors']} tensors of {fit['model']} are there with its shapes"
    return (
        f"{fit['unlike']} of the {fit['tensors']} tensors of {fit['model']} are missing or have other shapes"
        " (timm converts some older checkpoints)"
    )


def _use_text(found: dict[str, Any]) -> str:
    if found["fit"] is not None:
        return f"resnext classify -m {found['fit']['model']} --weights FILE PHOTO"
    if found["shelf_name"]:
        return "resnext classify --weights FILE PHOTO"
    named = found["architecture"] or found["stated_architecture"] or "NAME"
    return f"resnext classify -m {named} --weights FILE PHOTO"


def _plain(value: str | int | float) -> str | int | float:
    """A value that JSON can carry and a page can show: NaN as text, a novel cut short."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return _shortened(value) if isinstance(value, str) else value


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
