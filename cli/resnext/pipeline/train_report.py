"""What a training leaves to read: training.json, and a row for each photo."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from resnext import __version__
from resnext.pipeline.train_photos import Data
from resnext.training.labelled import LabelledPhoto, LabelledPhotos
from resnext.training.trained import BaseModel, HeadFit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from resnext.pipeline.train_request import TrainRequest


def measured(data: Data, photos: LabelledPhotos, fit: HeadFit) -> dict[str, Any] | None:
    """The figures of a head on photos that it did not see; None without any."""
    from resnext.training.figures import figures

    if not photos.photos:
        return None
    return figures(photos.photos, data.features(photos) @ fit.weight.T + fit.bias, photos.classes)


def points_between(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> float:
    """By how much the first one's accuracy is higher; 0 without both."""
    if one is None or other is None:
        return 0.0
    difference: float = one["accuracy"]["share"] - other["accuracy"]["share"]
    return difference


def training(
    request: "TrainRequest",
    data: Data,
    base: BaseModel,
    fit: HeadFit,
    found: Mapping[str, Any],
    photos: Sequence[LabelledPhoto],
) -> dict[str, Any]:
    """What training.json says."""
    from resnext.store.entries import installed_version
    from resnext.training.twins import group_sizes

    sizes = group_sizes(photos)
    left_out = [*data.train.left_out, *data.validation.left_out, *data.test.left_out]
    return {
        "method": request.method,
        "command": shlex.join(["resnext", *request.command]),
        "base": {
            "name": base.name,
            "architecture": base.config.architecture,
            "weights": f"sha256:{base.weights.digest}",
            "from": base.weights.origin,
            "licence": base.licence,
        },
        "data": {
            "photos": len(photos),
            "classes": dict(zip(data.train.classes, data.train.counts(), strict=True)),
            "left_out": len(left_out),
            "failed": len(data.computed.failures),
            "groups": len(sizes),
            "photos_in_groups": sum(sizes.values()),
        },
        "settings": {
            "seed": request.seed,
            "group_by": request.group_by,
            "regularization": fit.regularization,
            "temperature": round(fit.temperature, 4),
            "precision": request.run.model.precision,
            "exact": request.run.exact,
        },
        "figures": dict(found),
        "versions": {
            "resnext": __version__,
            **{package: installed_version(package) for package in ("timm", "openvino", "numpy")},
        },
    }


def rows(
    data: Data, photos: Sequence[LabelledPhoto], folds: "NDArray[np.int32]", fit: HeadFit
) -> Iterator[dict[str, Any]]:
    """A row a photo, each with the same keys: those that train, those that measure, and what was left out."""
    import numpy as np

    from resnext.answers.predictions import softmax

    classes = data.train.classes
    for photo, fold, logits in zip(photos, folds.tolist(), fit.out_of_fold, strict=True):
        answer, score = "", None
        if np.isfinite(logits).all():
            probabilities = softmax(logits)
            answer, score = classes[int(probabilities.argmax())], round(float(probabilities.max()), 6)
        yield _row(photo.source.file, "train", photo.digest, classes[photo.label], photo.group, fold, answer, score)
    for split, measured in (("validation", data.validation), ("test", data.test)):
        for photo in measured.photos:
            yield _row(photo.source.file, split, photo.digest, classes[photo.label])
    for each in (*data.train.left_out, *data.validation.left_out, *data.test.left_out):
        yield _row(each.file, "", code=each.code, error=each.message)
    for failure in data.computed.failures:
        yield _row(failure.source.file, "", code=str(failure.code), error=failure.message)


def _row(
    file: str,
    split: str,
    digest: str = "",
    label: str = "",
    group: str = "",
    fold: int = -1,
    answer: str = "",
    score: float | None = None,
    code: str = "",
    error: str = "",
) -> dict[str, Any]:
    from resnext.outputs.writers.rows import file_keys, valid_text

    return {
        **file_keys(file), "split": split, "digest": digest, "label": label, "group": group, "fold": fold,
        "answer": answer, "score": score, "error_code": code, "error": valid_text(error),
    }  # fmt: skip


def in_json(told: Any) -> Any:
    """What was told, as JSON carries it: names of files by the two keys of all rows, other texts as valid UTF-8."""
    from resnext.outputs.writers.rows import file_keys, valid_text

    if isinstance(told, str):
        return valid_text(told)
    if isinstance(told, Mapping):
        keys = file_keys(told["file"]) if "file" in told else {}
        return keys | {in_json(name): in_json(each) for name, each in told.items() if name not in keys}
    if isinstance(told, list | tuple):
        return [in_json(each) for each in told]
    return told
