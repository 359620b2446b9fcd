"""A record -> its row: the keys of the contract, which scripts depend on. Names are bytes, and are never lost."""

import base64
import os
import unicodedata
from typing import Any, NamedTuple

from resnext.console.terminal import printable
from resnext.records import Classified, Failure, Label, LabelType, OutputType, Prediction, Tag

_SCORE_DIGITS = 6  # float32 holds no more
TAG_CELLS = ("tag", "tag_score", "tag_path")


class OutputConfig(NamedTuple):
    """What every row is written with.

    `terminal` says that the rows go to one: then nothing that it could obey is written. `color` and `width` (columns)
    concern the table alone, `template` the format of that name, `long` (a row a class) csv and tsv.
    `tags`: every row has its tags.
    """

    model: str
    top_k: int
    label_type: LabelType = "name"
    output_type: OutputType = "prob"
    terminal: bool = False
    color: bool = False
    width: int = 80
    template: str = ""
    long: bool = False
    tags: bool = False


def row_of(record: Classified | Failure, config: OutputConfig) -> dict[str, Any]:
    """The row of a record with the keys of the contract."""
    predictions = () if isinstance(record, Failure) else record.predictions
    return {
        **file_keys(record.source.file),
        "status": "error" if isinstance(record, Failure) else "ok",
        "model": valid_text(config.model),
        "predictions": [_prediction_row(each, config) for each in predictions],
        **({"tags": [_tag_row(each) for each in _tags_of(record)]} if config.tags else {}),
        **error_keys(record),
    }


def tag_cells(row: dict[str, Any]) -> dict[str, Any]:
    """Give the likeliest tag of a row as cells, all None where it has no tag; `tag_path` is a|b|c."""
    if not row["tags"]:
        return dict.fromkeys(TAG_CELLS)
    first = row["tags"][0]
    return dict(zip(TAG_CELLS, (first["label"], first["score"], "|".join(first["path"])), strict=True))


def label_text(label: Label, label_type: LabelType) -> str:
    """The label as asked for: the first name, all synonyms, or those with the definition."""
    if label_type == "name":
        return label.name
    if label_type == "description" or not label.definition:
        return label.description
    return f"{label.description}: {label.definition}"


def exact_name(file: str) -> bytes:
    """The bytes of an input's name, as the file system has them."""
    try:
        return os.fsencode(file)
    except UnicodeEncodeError:  # no name of a file here: a line of a list, say
        return file.encode("utf-8", "surrogatepass")


def name_in_row(row: dict[str, Any]) -> bytes:
    """The exact name that a row was written for; `file_b64` goes before `file`.

    Raises:
        KeyError, TypeError, ValueError: it is no row of ours.
    """
    file, encoded = _text(row["file"]), row.get("file_b64")
    return base64.b64decode(encoded, validate=True) if encoded else exact_name(file)


def base64_name(file: str) -> str:
    """The exact bytes of a name in base64."""
    return base64.b64encode(exact_name(file)).decode()


def valid_text(text: str) -> str:
    r"""`text`, with what no UTF-8 can carry (lone surrogates) written as \xNN or \uNNNN."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join(printable(char) if unicodedata.category(char) == "Cs" else char for char in text)
    return text


def _prediction_row(prediction: Prediction, config: OutputConfig) -> dict[str, Any]:
    label = prediction.label
    return {
        "label": valid_text(label_text(label, config.label_type)),
        "score": round(prediction.score, _SCORE_DIGITS),
        "index": label.index,
        "synset": label.synset or "",
    }


def _tags_of(record: Classified | Failure) -> tuple[Tag, ...]:
    return () if isinstance(record, Failure) else record.tags


def _tag_row(tag: Tag) -> dict[str, Any]:
    return {
        "label": valid_text(tag.label),
        "score": round(tag.score, _SCORE_DIGITS),
        "path": [valid_text(name) for name in tag.path],
        "synset": tag.synset,
        "classes": list(tag.classes),
    }


def file_keys(file: str) -> dict[str, str]:
    r"""`file`, and `file_b64`: the name's bytes where they are no UTF-8, which JSON can't carry; else empty.

    `file` then shows each such byte as \xNN.
    """
    try:
        file.encode()
    except UnicodeEncodeError:
        return {"file": printable(file), "file_b64": base64_name(file)}
    return {"file": file, "file_b64": ""}


def error_keys(record: object) -> dict[str, str]:
    """`error_code` and `error`, the message; both empty for what did not fail."""
    if isinstance(record, Failure):
        return {"error_code": str(record.code), "error": valid_text(record.message)}
    return {"error_code": "", "error": ""}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
