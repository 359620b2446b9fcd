"""The README of a trained model: a model card as the hub shows it."""

from collections.abc import Mapping
from typing import Any

from resnext.console.terminal import printable
from resnext.models.licences import licence_terms
from resnext.training.trained import BaseModel

_MOST_CLASSES = 200  # rows of the table


def card(name: str, base: BaseModel, classes: tuple[str, ...], training: Mapping[str, Any]) -> str:
    """The card of a model, in Markdown with the hub's front matter; `training` is what training.json says."""
    identifier = licence_identifier(base.licence)
    head = [
        "---",
        "library_name: timm",
        "pipeline_tag: image-classification",
        "tags: [image-classification, timm, resnext]",
        f"license: {identifier or 'other'}",
        *([] if identifier else [f"license_name: {_quoted(base.licence)}"]),
        f"base_model: {_quoted(_repository(base))}",
        "---",
        "",
    ]
    data = training["data"]
    body = [
        f"# {name}",
        "",
        f"Tells {len(classes)} classes apart. Trained by `resnext train` from {base.name}.",
        "",
        "| | |",
        "| --- | --- |",
        f"| base | {base.config.architecture}, weights SHA-256 `{base.weights.digest[:16]}` ({base.weights.origin}) |",
        f"| method | {training['method']} |",
        f"| photos | {data['photos']:,} in {len(classes)} classes; left out {data['left_out']:,} |",
        *(f"| {title} | {text} |" for title, text in accuracy_facts(training["figures"])),
        f"| licence | {licence_terms(base.licence)}; it is that of the base, which this model contains |",
        "",
        "## Made by",
        "",
        "```sh",
        training["command"],
        "```",
        "",
        "`training.json` beside this file has all settings, versions and figures, `photos.jsonl` a row a photo.",
        "",
        "## Use",
        "",
        "```sh",
        f"resnext classify -m ./{name} photos/",
        "```",
        "",
        "```python",
        "import timm",
        f'model = timm.create_model("local-dir:{name}", pretrained=True).eval()',
        "```",
        "",
        "## Classes",
        "",
        "| class | photos |",
        "| --- | ---: |",
        *(f"| {_cell(each)} | {count:,} |" for each, count in list(data["classes"].items())[:_MOST_CLASSES]),
        *([f"| and {len(classes) - _MOST_CLASSES} more | |"] if len(classes) > _MOST_CLASSES else []),
        "",
    ]
    return "\n".join(printable(line) for line in [*head, *body])


def accuracy_facts(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was measured, in words, a line a way to measure."""
    titles = {
        "random": "accuracy, random folds",
        "grouped": "accuracy, look-alikes together",
        "validation": "accuracy, validation photos",
        "test": "accuracy, test photos",
    }
    found = []
    for key, title in titles.items():
        each = figures.get(key)
        if each is not None:
            share, balanced = each["accuracy"], each["balanced_accuracy"]
            right = f"{share['share']:.1%} ({share['low']:.1%} to {share['high']:.1%}) of {each['photos']:,} photos"
            found.append((title, f"{right}; balanced {balanced['share']:.1%}, ECE {each['ece']:.3f}"))
    return found


def training_facts(training: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What training.json says, for people. A file of anybody's: what is not as it should be is left out."""
    try:
        base, data = training["base"], training["data"]
        return [
            ("base", f"{base['name']}, {base['architecture']}, weights {str(base['weights'])[:23]}"),
            ("photos", f"{data['photos']:,} in {len(data['classes']):,} classes; left out {data['left_out']:,}"),
            *accuracy_facts(training["figures"]),
            ("command", str(training["command"])),
        ]
    except (KeyError, TypeError, ValueError, AttributeError):
        return [("training.json", "is not as resnext train writes it")]


def licence_identifier(licence: str) -> str:
    """The hub's identifier of a licence, "cc-by-nc-4.0"; empty where none is known."""
    identifier = licence.split(" (")[0].strip().replace(" ", "-").casefold()
    return "" if identifier in ("", "not-stated") or not identifier.isascii() else identifier


def _repository(base: BaseModel) -> str:
    name = base.config.architecture
    return f"timm/{name}" if "." in name else name


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
