"""`train`: photos with labels -> features -> a method -> figures -> the folder of a model."""

import os
import shlex
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from resnext import __version__
from resnext.console.interrupts import Interrupted, dying_of_signals
from resnext.errors import ExitCode, NothingTrained, OutputError, UsageError
from resnext.pipeline.content_features import ContentFeatures, content_features
from resnext.pipeline.semi_job import SemiRequest, taught, unlabelled
from resnext.store.store import cache_root
from resnext.training import model_folder
from resnext.training.labelled import IN_TEST, LabelledPhoto, LabelledPhotos, LeftOut, class_order, labelled
from resnext.training.photos import FoundPhotos
from resnext.training.trained import BaseModel, HeadFit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from resnext.console.terminal import Notices
    from resnext.pipeline.run import RunRequest
    from resnext.pipeline.whole_network import Whole, WholeRequest
    from resnext.records import Failure, Source
    from resnext.shelf.shelf import OpenedModel

GroupBy = Literal["looks", "folder", "time", "none"]
Method = Literal["head", "full", "semi"]
_SHOWN = 5


class TrainRequest(NamedTuple):
    """All that one run of `train` was asked for. `test`: photos that only measure. `command` is what was typed."""

    run: "RunRequest"
    found: FoundPhotos
    test: FoundPhotos | None
    target: Path
    overwrite: bool
    method: Method
    group_by: GroupBy
    seed: int
    command: Sequence[str]
    semi: SemiRequest | None = None  # of --method semi
    whole: "WholeRequest | None" = None  # of --method full


class Outcome(NamedTuple):
    """What became of it: the report, as JSON can say it, and the exit code."""

    report: dict[str, Any]
    code: ExitCode


class Data(NamedTuple):
    """Photos of each split with their features, row for row."""

    train: LabelledPhotos
    validation: LabelledPhotos
    test: LabelledPhotos
    computed: ContentFeatures

    def features(self, photos: LabelledPhotos) -> "NDArray[np.float32]":
        """The features (N, D) of the photos of one split."""
        return self.computed.kept.matrix([photo.digest for photo in photos.photos])


def classes_of(found: FoundPhotos) -> tuple[str, ...]:
    """The classes that are named.

    Raises:
        UsageError: it is one, or none.
    """
    classes = class_order(each.name for each in found.of("train"))
    if len(classes) < 2:
        what = f"one class, {classes[0]!r}" if classes else "no class"
        raise UsageError(f"{what}: a model needs two or more; name a folder that holds a folder of photos for each")
    return classes


def check_target(target: Path, *, overwrite: bool) -> None:
    """Refuse a place where a model can't be put, before anything is computed.

    Raises:
        UsageError: something stands there.
        OutputError: its folder is not there, or can't be written.
    """
    if not target.name or not target.parent.is_dir():
        raise OutputError(f"{target}: can't write the model: its folder does not exist")
    if not os.access(target.parent, os.W_OK):
        raise OutputError(f"{target}: can't write the model: no permission to write in {target.parent}")
    if not os.path.lexists(target):
        return
    if not overwrite:
        raise UsageError(f"{target}: already there; --overwrite puts the new model in its place")
    if not model_folder.is_model_folder(target):
        raise UsageError(f"{target}: no model that resnext trained; it is not overwritten")


def train(request: TrainRequest, notices: "Notices") -> Outcome:
    """Train a model and put its folder in place.

    Raises:
        UsageError, ModelError, OutputError: it can't be done as asked.
        NothingTrained: of the photos too few can be used.
    """
    classes = classes_of(request.found)
    for note in request.found.notes + (request.test.notes if request.test else []):
        notices.warning(note)
    _check_test_classes(request, classes)
    check_target(request.target, overwrite=request.overwrite)
    if request.whole is not None:
        from resnext.pipeline import whole_network

        whole_network.check(request.whole, request.target, overwrite=request.overwrite)
        if not whole_network.is_first():
            whole_network.follow_first(request.whole, request.run, request.target, notices)
            return Outcome({}, ExitCode.OK)
    with _locked(request.target):
        bases: list[BaseModel] = []
        data = _data(request, classes, bases, notices)
        with dying_of_signals("interrupted; the features of the photos are kept: the same line goes on"):
            return _trained(request, data, bases[0], notices)


def _data(request: TrainRequest, classes: tuple[str, ...], bases: list[BaseModel], notices: "Notices") -> Data:
    """Compute what is needed of all photos, and sort out which can be used."""
    from resnext.shelf.shelf import Shelf
    from resnext.training.base import base_of

    found, test = request.found, request.test
    splits = [found.of("train"), found.of("validation"), found.of("test") + (test.of("train") if test else [])]
    failures = [*found.failures, *(test.failures if test else [])]

    def opened(model: "OpenedModel") -> None:
        asked = request.run.model
        # Once more, and by its name: what "auto" means was told already.
        named = asked._replace(model=model.name) if asked.model.casefold() == "auto" and not asked.weights else asked
        bases.append(base_of(*Shelf(notices).base(named), named.adjustments))

    inputs: list[Source | Failure] = [*(each.source for split in splits for each in split), *failures]
    inputs += request.semi.unlabelled if request.semi is not None else ()
    try:
        computed = content_features(request.run, inputs, cache_root(), notices, opened)
    except Interrupted as interrupt:
        interrupt.kept = "the features computed so far are kept: the same line goes on"
        raise
    train, validation, test_photos = (labelled(split, computed.digests, classes) for split in splits)
    train = _without_empty_classes(train, notices)
    validation, test_photos = (_among(split, train.classes) for split in (validation, test_photos))
    data = Data(train, validation, test_photos, computed)
    return data._replace(
        validation=_apart(data, validation, "validation", notices), test=_apart(data, test_photos, "test", notices)
    )


def _trained(request: TrainRequest, data: Data, base: BaseModel, notices: "Notices") -> Outcome:
    import numpy as np

    from resnext.training.base import tensors_of, with_head
    from resnext.training.figures import WARN_POINTS, figures
    from resnext.training.folds import grouped_folds, random_folds
    from resnext.training.head import fit_head, out_of_fold
    from resnext.training.student import Lesson

    begin = time.monotonic()
    tensors = tensors_of(base, cache_root())
    with_head(base, tensors, np.zeros((1, base.num_features), np.float32), np.zeros(1, np.float32))  # it can be done
    features = data.features(data.train)
    photos = _grouped(request, data, features)
    labels = np.array([photo.label for photo in photos], np.int32)
    classes = data.train.classes
    at_random, kept_together = random_folds(photos, request.seed), grouped_folds(photos, request.seed)
    notices.info(f"fitting a head: {len(photos):,} photos, {len(classes)} classes")
    fit = fit_head(features, labels, kept_together, len(classes))
    semi = None
    if request.semi is not None:
        validation = np.array([photo.label for photo in data.validation.photos], np.int32)
        lesson = Lesson(features, labels, kept_together, len(classes), (data.features(data.validation), validation))
        known = [photo.digest for split in (data.train, data.validation, data.test) for photo in split.photos]
        pool = unlabelled(request.semi, data.computed.digests, data.computed.kept.matrix, known)
        semi = taught(request.semi, pool, lesson, at_random, fit, classes, notices)
        fit = semi.fit
    grouped_figures = figures(photos, fit.out_of_fold, classes)
    random_figures = grouped_figures
    if semi is not None and semi.at_random is not None:
        random_figures = figures(photos, semi.at_random, classes)
    elif not np.array_equal(at_random, kept_together):
        logits = out_of_fold(features, labels, at_random, len(classes), fit.regularization) / np.float32(
            fit.temperature
        )
        random_figures = figures(photos, logits, classes)
    found = {
        "random": random_figures,
        "grouped": grouped_figures,
        "validation": _measured(data, data.validation, fit),
        "test": _measured(data, data.test, fit),
    }
    whole = _whole(request, data, base, photos, features, kept_together, fit, notices)
    if whole is not None and not whole.is_head:
        found = {
            "random": None,
            "grouped": None,
            "validation": whole.validation,
            "test": whole.test,
            "head": {"random": random_figures, "grouped": grouped_figures},
        }
    difference = _points_between(random_figures, grouped_figures)
    if difference > WARN_POINTS:
        notices.warning(
            f"photos that look alike make it look {100 * difference:.1f} points better than it is; the grouped"
            " estimate holds for photos that are yet to be taken"
        )
    training = _training(request, data, base, fit, found, photos)
    if semi is not None:
        training["semi"] = semi.report
    if whole is not None:
        training["whole_network"] = whole.told
    rows = _rows(data, photos, kept_together, fit)
    from resnext.training.card import card

    model_folder.write_model_folder(
        request.target,
        model_folder.TrainedModel(
            base=base,
            classes=classes,
            tensors=with_head(base, tensors, fit.weight, fit.bias) if whole is None or whole.is_head else whole.tensors,
            card=card(request.target.name, base, classes, training),
            photos=list(rows),
            pseudo_labels=semi.rows if semi is not None else None,
            training=training,
        ),
    )
    if whole is not None:
        whole.forget(request.target)
    notices.info(f"{request.target}: trained in {time.monotonic() - begin:.1f} s after the features")
    report = {"model": str(request.target), **training}
    return Outcome(report, ExitCode.SOME_FAILED if data.computed.failures else ExitCode.OK)


def _whole(
    request: TrainRequest,
    data: Data,
    base: BaseModel,
    photos: Sequence[LabelledPhoto],
    features: "NDArray[np.float32]",
    folds: "NDArray[np.int32]",
    fit: HeadFit,
    notices: "Notices",
) -> "Whole | None":
    """Train the whole network where that was asked for."""
    if request.whole is None:
        return None
    from resnext.pipeline.whole_network import train_whole

    classes, validation, test = data.train.classes, data.validation.photos, data.test.photos
    return train_whole(
        request.whole,
        request.run,
        base,
        classes,
        photos,
        validation,
        test,
        features,
        folds,
        fit,
        request.target,
        notices,
    )


# -- which photos ----------------------------------------------------------------------------------------------------


def _without_empty_classes(photos: LabelledPhotos, notices: "Notices") -> LabelledPhotos:
    """Leave out classes none of whose photos can be used; tell of those with one.

    Raises:
        NothingTrained: fewer than two are left.
    """
    counts = dict(zip(photos.classes, photos.counts(), strict=True))
    empty = [name for name, count in counts.items() if not count]
    left = tuple(name for name, count in counts.items() if count)
    if len(left) < 2:
        first = photos.left_out[0] if photos.left_out else None
        why = f"; {first.file}: {first.message}" if first is not None else ""
        raise NothingTrained(
            f"nothing to train on: only {len(left)} of {len(counts)} classes have a photo that can be used{why}"
        )
    if empty:
        notices.warning(f"{_listed(empty)}: no photo can be used, so that the model does not know this class")
    single = [name for name, count in counts.items() if count == 1]
    if single:
        notices.warning(f"{_listed(single)}: one photo, which trains but can't be validated")
    if photos.left_out:
        first = photos.left_out[0]
        notices.warning(f"{len(photos.left_out)} photos left out, the first: {first.file}: {first.message}")
    return _among(photos, left)


def _among(photos: LabelledPhotos, classes: tuple[str, ...]) -> LabelledPhotos:
    """The same photos with their labels among these classes; those of other classes are left out."""
    if classes == photos.classes:
        return photos
    from dataclasses import replace

    index = {name: label for label, name in enumerate(classes)}
    kept = tuple(
        replace(photo, label=index[photos.classes[photo.label]])
        for photo in photos.photos
        if photos.classes[photo.label] in index
    )
    return LabelledPhotos(classes, kept, photos.left_out)


def _check_test_classes(request: TrainRequest, classes: tuple[str, ...]) -> None:
    """Refuse classes that only photos which measure have.

    Raises:
        UsageError: there are some.
    """
    measuring = [
        *request.found.of("validation"),
        *request.found.of("test"),
        *(request.test.of("train") if request.test else []),
    ]
    unknown = sorted({each.name for each in measuring} - set(classes))
    if unknown:
        raise UsageError(f"{_listed(unknown)}: a class of photos that measure, but not of photos that train")


def _apart(data: Data, photos: LabelledPhotos, split: str, notices: "Notices") -> LabelledPhotos:
    """Leave out of a split that measures what the training has seen: the same bytes, and near-duplicates."""
    from resnext.training.twins import near_pairs

    if not photos.photos:
        return photos
    pairs = near_pairs(data.features(photos), data.features(data.train))
    twins: dict[int, int] = {}
    for one, other in pairs:
        if photos.photos[one].label == data.train.photos[other].label:
            twins.setdefault(one, other)
    by_digest = {photo.digest: at for at, photo in enumerate(data.train.photos)}
    twins |= {at: by_digest[photo.digest] for at, photo in enumerate(photos.photos) if photo.digest in by_digest}
    if not twins:
        return photos
    left_out = tuple(
        LeftOut(
            photos.photos[at].source.file, IN_TEST, f"as good as {data.train.photos[other].source.file}, which trains"
        )
        for at, other in sorted(twins.items())
    )
    notices.warning(
        f"{len(twins)} {split} photos are as good as some that train, and are left out; the first: {left_out[0].file}"
    )
    kept = tuple(photo for at, photo in enumerate(photos.photos) if at not in twins)
    return LabelledPhotos(photos.classes, kept, (*photos.left_out, *left_out))


def _grouped(request: TrainRequest, data: Data, features: "NDArray[np.float32]") -> tuple[LabelledPhoto, ...]:
    from resnext.training.twins import grouped

    photos = data.train.photos
    keys: list[Hashable | None] = [None] * len(photos)
    if request.group_by == "folder":
        keys = [os.path.dirname(photo.source.file) for photo in photos]  # noqa: PTH120 - names are kept to the byte
    elif request.group_by == "time":
        from resnext.images.taken import bursts

        keys = list(bursts([photo.source for photo in photos]))
    return grouped(photos, None if request.group_by == "none" else features, keys)


# -- what is told ----------------------------------------------------------------------------------------------------


def _measured(data: Data, photos: LabelledPhotos, fit: HeadFit) -> dict[str, Any] | None:
    from resnext.training.figures import figures

    if not photos.photos:
        return None
    return figures(photos.photos, data.features(photos) @ fit.weight.T + fit.bias, photos.classes)


def _points_between(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> float:
    if one is None or other is None:
        return 0.0
    difference: float = one["accuracy"]["share"] - other["accuracy"]["share"]
    return difference


def _training(
    request: TrainRequest,
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


def _rows(
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
    from resnext.outputs.writers.rows import file_keys

    return {
        **file_keys(file), "split": split, "digest": digest, "label": label, "group": group, "fold": fold,
        "answer": answer, "score": score, "error_code": code, "error": error,
    }  # fmt: skip


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """Hold the place of a model against other runs.

    Raises:
        OutputError: another run has it.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(target.with_name(f".{target.name}.lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise OutputError(f"{target}: another run is training it") from error
    except OSError as error:
        raise OutputError(f"{target}: can't write the model: {error.strerror}") from error
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
