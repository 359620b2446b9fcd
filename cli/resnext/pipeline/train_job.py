"""`train`: photos with labels -> features -> a method -> figures -> the folder of a model."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from resnext.console.interrupts import dying_of_signals
from resnext.errors import ExitCode
from resnext.pipeline.model_place import check_target, locked
from resnext.pipeline.semi_job import taught, unlabelled
from resnext.pipeline.train_photos import Data, check_test_classes, classes_of, grouped, sorted_out
from resnext.pipeline.train_report import in_json, measured, points_between, rows, training
from resnext.store.store import cache_root
from resnext.training import model_folder
from resnext.training.labelled import LabelledPhoto
from resnext.training.trained import BaseModel, HeadFit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from resnext.console.terminal import Notices
    from resnext.pipeline.train_request import TrainRequest
    from resnext.pipeline.whole_network import Course, WholeRequest


class Outcome(NamedTuple):
    """What became of it: the report, as JSON can say it, and the exit code."""

    report: dict[str, Any]
    code: ExitCode


def train(request: "TrainRequest", notices: "Notices") -> Outcome:
    """Train a model and put its folder in place.

    Raises:
        UsageError, ModelError, OutputError: it can't be done as asked.
        NothingTrained: of the photos too few can be used.
    """
    classes = classes_of(request.found)
    for note in request.found.notes + (request.test.notes if request.test else []):
        notices.warning(note)
    check_test_classes(request, classes)
    check_target(request.target, overwrite=request.overwrite)
    if request.whole is not None:
        from resnext.pipeline import whole_network

        whole_network.check(request.whole, request.target, overwrite=request.overwrite)
        if not whole_network.is_first():
            whole_network.follow_first(request.whole, request.run, request.target, notices)
            return Outcome({}, ExitCode.OK)
    with locked(request.target):
        bases: list[BaseModel] = []
        data = sorted_out(request, classes, bases, notices)
        with dying_of_signals("interrupted; the features of the photos are kept: the same line goes on"):
            return _trained(request, data, bases[0], notices)


def _trained(request: "TrainRequest", data: Data, base: BaseModel, notices: "Notices") -> Outcome:
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
    photos = grouped(request, data, features)
    labels = np.array([photo.label for photo in photos], np.int32)
    classes = data.train.classes
    at_random, kept_together = random_folds(photos, request.seed), grouped_folds(photos, request.seed)
    notices.info(f"fitting a head: {len(photos):,} photos, {len(classes)} classes")
    fit = fit_head(features, labels, kept_together, len(classes))
    semi = pool = None
    if request.semi is not None:
        known = [photo.digest for split in (data.train, data.validation, data.test) for photo in split.photos]
        pool = unlabelled(request.semi, data.computed.digests, data.computed.kept.matrix, known)
    if request.semi is not None and pool is not None and request.semi.student == "head":
        validation = np.array([photo.label for photo in data.validation.photos], np.int32)
        lesson = Lesson(features, labels, kept_together, len(classes), (data.features(data.validation), validation))
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
        "validation": measured(data, data.validation, fit),
        "test": measured(data, data.test, fit),
    }
    whole = None
    if request.whole is not None:
        course = _course(request.whole, request, data, base, photos, features, kept_together, fit, notices)
        if request.semi is not None and pool is not None:
            from resnext.pipeline.whole_student import taught_whole

            whole, semi = taught_whole(request.semi, pool, course, fit, notices)
        else:
            whole = course.whole(course.train())
    if whole is not None and not whole.is_head:
        found = {
            "random": None,
            "grouped": None,
            "validation": whole.validation,
            "test": whole.test,
            "head": {"random": random_figures, "grouped": grouped_figures},
        }
    difference = points_between(random_figures, grouped_figures)
    if difference > WARN_POINTS:
        notices.warning(
            f"photos that look alike make it look {100 * difference:.1f} points better than it is; the grouped"
            " estimate holds for photos that are yet to be taken"
        )
    told = training(request, data, base, fit, found, photos)
    if semi is not None:
        told["semi"] = semi.report
    if whole is not None:
        told["whole_network"] = whole.told
    told = in_json(told)
    from resnext.training.card import card

    model_folder.write_model_folder(
        request.target,
        model_folder.TrainedModel(
            base=base,
            classes=classes,
            tensors=with_head(base, tensors, fit.weight, fit.bias) if whole is None or whole.is_head else whole.tensors,
            card=card(request.target.name, base, classes, told),
            photos=list(rows(data, photos, kept_together, fit)),
            pseudo_labels=semi.rows if semi is not None else None,
            training=told,
        ),
    )
    if whole is not None:
        whole.forget(request.target)
    notices.info(f"{request.target}: trained in {time.monotonic() - begin:.1f} s after the features")
    report = {"model": in_json(str(request.target)), **told}
    return Outcome(report, ExitCode.SOME_FAILED if data.computed.failures else ExitCode.OK)


def _course(
    whole: "WholeRequest",
    request: "TrainRequest",
    data: Data,
    base: BaseModel,
    photos: Sequence[LabelledPhoto],
    features: "NDArray[np.float32]",
    folds: "NDArray[np.int32]",
    fit: HeadFit,
    notices: "Notices",
) -> "Course":
    """All that the whole network is trained with."""
    from resnext.pipeline.whole_network import course

    classes, validation, test = data.train.classes, data.validation.photos, data.test.photos
    return course(
        whole, request.run, base, classes, photos, validation, test, features, folds, fit, request.target, notices
    )
