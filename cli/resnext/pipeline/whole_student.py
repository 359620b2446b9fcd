"""`train --method semi --student full`: the whole network learns from pseudo-labels, then from the labels alone.

Three trainings, each with a state of its own that --resume goes on with: from the labels alone, which is what the
student is held against; from the pseudo-labels alone, to the last epoch, as the paper does it; and from there on from
the labels alone.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from resnext.pipeline.semi_job import SemiRequest, Taught, Unlabelled, chosen_by, chosen_rows, reported, why
from resnext.pipeline.whole_network import Course, Whole
from resnext.records import Source
from resnext.training.labelled import LabelledPhoto

if TYPE_CHECKING:
    from resnext.console.terminal import Notices
    from resnext.training.full.settings import WholeNetwork
    from resnext.training.semi import PseudoLabel
    from resnext.training.student import Judgment
    from resnext.training.trained import HeadFit

# The stages, each by the name of the folder of its state, and in words.
_LABELS, _PSEUDO, _STUDENT = "1-labels", "2-pseudo-labels", "3-student"
_WORDS = {
    _LABELS: "from the labels alone",
    _PSEUDO: "from the pseudo-labels alone",
    _STUDENT: "the student, from the labels alone",
}


def taught_whole(
    request: SemiRequest, photos: Unlabelled, course: Course, alone: "HeadFit", notices: "Notices"
) -> tuple[Whole, Taught]:
    """Teach a student of all layers, and keep it where it is better than what the labels alone give.

    The teacher, which is the head of the course without one of its own, has not seen the photos that validate.
    `alone` is the head of all photos, which is the model where the head of the labels alone validates best.

    Raises:
        As training.full.training.train_full, and the teacher's run.
    """
    from resnext.training.student import Judgment

    stages: list[dict[str, Any]] = []

    def stage(name: str, learned_from: Sequence[LabelledPhoto], start: "WholeNetwork | None" = None) -> "WholeNetwork":
        notices.info(f"stage {name[0]} of {len(_WORDS)}, {_WORDS[name]}: {len(learned_from):,} photos")
        folder = course.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        own = course._replace(folder=folder)
        if name == _PSEUDO:
            found = own.train_to_the_end(learned_from)
        else:
            found = own.train(start.tensors if start is not None else None)
        stages.append({"stage": _WORDS[name], "photos": len(learned_from), "history": list(found.history)})
        return found

    selection, chosen = chosen_by(request, photos, course.head, course.classes, notices)
    by_labels = stage(_LABELS, course.training)
    kept, judgment = by_labels, Judgment(0, 0, 0, better=False) if chosen else None
    if chosen and course.validating:
        learned = stage(_PSEUDO, _pseudo_labelled(request, photos, chosen))
        student = stage(_STUDENT, course.training, learned)._replace(is_head=False)
        judgment = _judged(course, student, by_labels)
        kept = student if judgment.better else by_labels
    is_kept, reason = kept is not by_labels, why(judgment, "validate")
    (notices.info if is_kept else notices.warning)(reason)
    report = reported(request, photos, course.classes, selection, chosen, judgment, reason, is_kept=is_kept)
    rows = chosen_rows(photos, chosen, course.classes)
    return course.whole(kept), Taught(alone, {**report, "stages": stages}, rows, None)


def _pseudo_labelled(
    request: SemiRequest, photos: Unlabelled, chosen: "Sequence[PseudoLabel]"
) -> tuple[LabelledPhoto, ...]:
    sources = {each.file: each for each in request.unlabelled if isinstance(each, Source)}
    return tuple(
        LabelledPhoto(sources[photos.files[each.row]], each.label, photos.digests[each.row], photos.digests[each.row])
        for each in chosen
    )


def _judged(course: Course, student: "WholeNetwork", alone: "WholeNetwork") -> "Judgment":
    """Hold the student against the labels alone; on no photo where one that validates can be read no more."""
    import numpy as np

    from resnext.training.student import Judgment, compared

    truth = np.array([photo.label for photo in course.validating], np.int32)
    if not len(student.logits) == len(alone.logits) == len(truth):
        return Judgment(0, 0, 0, better=False)
    of_student, of_alone = (found.logits.argmax(axis=1) == truth for found in (student, alone))
    return compared(of_student, of_alone, len(truth), len(course.training) / len(course.classes))
