"""`train --method semi`: photos without labels get pseudo-labels by a teacher, and a student learns from both."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from resnext.errors import UsageError
from resnext.pipeline.content_features import content_features
from resnext.records import Failure, Source
from resnext.store.store import cache_root

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from resnext.console.terminal import Notices
    from resnext.pipeline.run import RunRequest
    from resnext.shelf.shelf import OpenedModel
    from resnext.training.semi import PseudoLabel, Selection
    from resnext.training.student import Judgment, Lesson
    from resnext.training.trained import HeadFit

_SHOWN = 5


class SemiRequest(NamedTuple):
    """What `semi` is asked for besides: photos without labels, and how they get pseudo-labels.

    `per_class` None: by the number of photos. `teacher`: a run of a model that has the classes; without, the teacher
    is the head that the labels alone give. `student`: whether it is a head, or the whole network.
    """

    unlabelled: tuple[Source | Failure, ...]
    per_class: int | None
    top_p: int
    teacher: "RunRequest | None" = None
    student: Literal["head", "full"] = "head"


class Unlabelled(NamedTuple):
    """Photos without labels that could be read, each content once, row for row.

    `near` says of each whether it is as good as a photo that has a label: the same bytes, or a near-duplicate.
    """

    files: Sequence[str]
    digests: Sequence[str]
    features: "NDArray[np.float32]"
    near: "NDArray[np.bool_]"


class Taught(NamedTuple):
    """What came of it: the head to keep, what training.json says, and a row for each pseudo-label.

    `at_random` are the kept head's answers to the photos of other folds.
    """

    fit: "HeadFit"
    report: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    at_random: "NDArray[np.float32] | None"


def unlabelled(
    request: SemiRequest,
    digests: Mapping[str, str],
    features_of: "Callable[[list[str]], NDArray[np.float32]]",
    known: Sequence[str],
) -> Unlabelled:
    """The photos without labels; `known` are the digests of all that have one, in any split.

    What measures must not teach, and with cross-validation each photo with a label measures once.
    """
    import numpy as np

    from resnext.training.twins import near_pairs

    by_digest: dict[str, str] = {}
    for each in request.unlabelled:
        if isinstance(each, Source) and each.file in digests:
            by_digest.setdefault(digests[each.file], each.file)
    own = list(by_digest)
    features = features_of(own)
    near = np.isin(own, list(known))
    near[[row for row, _ in near_pairs(features, features_of(list(known)))]] = True
    return Unlabelled(list(by_digest.values()), own, features, near)


def taught(
    request: SemiRequest,
    photos: Unlabelled,
    lesson: "Lesson",
    at_random: "NDArray[np.int32]",
    alone: "HeadFit",
    classes: tuple[str, ...],
    notices: "Notices",
) -> Taught:
    """Teach a student, and keep it where it is better than `alone`.

    Raises:
        UsageError: the teacher does not know one of the classes.
        ResnextError: the teacher's run could not start or continue.
    """
    from resnext.training.student import Pool, fit_student, judged

    selection = _selection(request, photos, len(classes), notices)
    scores = _scores(request, photos, classes, notices) if request.teacher is not None else None
    pool = Pool(photos.features, photos.digests, photos.near, scores)
    student = fit_student(lesson, alone, pool, selection)
    judgment = judged(lesson, alone, student.head) if student is not None else None
    kept = student if judgment is not None and judgment.better else None
    reason = why(judgment)
    (notices.info if kept else notices.warning)(reason)
    chosen = student.chosen if student is not None else ()
    report = reported(request, photos, classes, selection, chosen, judgment, reason, is_kept=kept is not None)
    rows = chosen_rows(photos, chosen, classes)
    if kept is None:
        return Taught(alone, report, rows, None)
    other = fit_student(lesson._replace(folds=at_random), alone, pool, selection)
    assert other is not None
    return Taught(kept.head, report, rows, other.head.out_of_fold)


def chosen_by(
    request: SemiRequest, photos: Unlabelled, head: "HeadFit", classes: tuple[str, ...], notices: "Notices"
) -> "tuple[Selection, tuple[PseudoLabel, ...]]":
    """The pseudo-labels by the teacher that was asked for, or else by `head`.

    Raises:
        As `taught`.
    """
    from resnext.training.semi import log_odds, selected

    selection = _selection(request, photos, len(classes), notices)
    if request.teacher is not None:
        scores = _scores(request, photos, classes, notices)
    else:
        scores = log_odds(photos.features @ head.weight.T + head.bias)
    return selection, selected(scores, photos.digests, selection, photos.near)


def _selection(request: SemiRequest, photos: Unlabelled, num_classes: int, notices: "Notices") -> "Selection":
    from resnext.training.semi import Selection, default_per_class

    free = int((~photos.near).sum())
    selection = Selection(request.per_class or default_per_class(free, num_classes), request.top_p)
    notices.info(
        f"{len(photos.digests):,} photos without labels, {len(photos.digests) - free:,} of them as good as one with a"
        f" label and left out; each class takes its best {selection.per_class:,}"
    )
    return selection


def reported(
    request: SemiRequest,
    photos: Unlabelled,
    classes: tuple[str, ...],
    selection: "Selection",
    chosen: "Sequence[PseudoLabel]",
    judgment: "Judgment | None",
    reason: str,
    *,
    is_kept: bool,
) -> dict[str, Any]:
    """What training.json says of it."""
    from resnext.training.semi import by_class

    return {
        "student": request.student,
        "unlabelled": len(photos.digests),
        "left_out": int(photos.near.sum()),
        "per_class": selection.per_class,
        "top_p": selection.top_p,
        "teacher": request.teacher.model.model if request.teacher is not None else "",
        "kept": "student" if is_kept else "labels alone",
        "why": reason,
        "judged": judgment._asdict() if judgment is not None else None,
        "classes": [
            {"name": name, **each._asdict()} for name, each in zip(classes, by_class(chosen, len(classes)), strict=True)
        ],
    }


def why(judgment: "Judgment | None", saw: str = "neither learned from") -> str:
    """Say which is kept; `saw`: what the photos are to both."""
    if judgment is None:
        return "no photo without a label could be used: the model is that of the labels alone"
    if not judgment.photos:
        return "no photo is left to validate with, so that nothing shows that pseudo-labels help: they are not used"
    gained, lost = judgment.only_student, judgment.only_alone
    found = f"of {judgment.photos:,} photos that {saw} the student gets {gained} right that the labels"
    found += f" alone get wrong, and {lost} wrong that they get right"
    return f"{found}: " + (
        "the student is kept" if judgment.better else "not clearly better, the labels alone are kept"
    )


def _scores(
    request: SemiRequest, photos: Unlabelled, classes: tuple[str, ...], notices: "Notices"
) -> "NDArray[np.float64]":
    """The log-odds (M, C) of our classes by a teacher that is a model of its own, through the ordinary run."""
    import numpy as np

    from resnext.training.semi import log_odds

    assert request.teacher is not None
    columns: list[int] = []

    def opened(model: "OpenedModel") -> None:
        index = {label.name: label.index for label in reversed(model.labels())}
        unknown = [name for name in classes if name not in index]
        if unknown:
            listed = ", ".join(map(repr, unknown[:_SHOWN]))
            raise UsageError(f"the teacher {model.name} has no class {listed}: its classes are called otherwise")
        columns.extend(index[name] for name in classes)

    wanted = set(photos.files)
    inputs = [each for each in request.unlabelled if isinstance(each, Source) and each.file in wanted]
    computed = content_features(request.teacher, inputs, cache_root(), notices, opened, "logits")
    # One that can be read no more has no score, and is chosen last.
    scores = np.full((len(photos.digests), len(classes)), -np.inf)
    known = [row for row, digest in enumerate(photos.digests) if digest in computed.kept]
    logits = computed.kept.matrix([photos.digests[row] for row in known])
    scores[known] = log_odds(logits)[:, columns]
    return scores


def chosen_rows(photos: Unlabelled, chosen: "Sequence[PseudoLabel]", classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """A row a pseudo-label, as pseudo_labels.jsonl has it."""
    from resnext.outputs.writers.rows import file_keys

    return [
        {
            **file_keys(photos.files[each.row]),
            "digest": photos.digests[each.row],
            "label": classes[each.label],
            "score": round(each.score, 6),
        }
        for each in chosen
    ]
