"""The job of `evaluate`: compares answers with the right ones, and stores a calibration where one is asked for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from resnext.errors import UsageError
from resnext.outputs.done import DoneInputs
from resnext.outputs.writers.rows import error_keys, file_keys, valid_text
from resnext.pipeline.tagging import TagRequest, open_tagger
from resnext.pipeline.truths import Right, Truth
from resnext.records import Calibration, Classified, Failure
from resnext.store.calibrations import keep_calibration
from resnext.store.store import cache_root

if TYPE_CHECKING:
    from resnext.answers.advice import Advice
    from resnext.answers.tally import Tally
    from resnext.console.terminal import Notices
    from resnext.pipeline.loop import Row
    from resnext.pipeline.run import RunRequest
    from resnext.records import Answer, Source
    from resnext.shelf.shelf import OpenedModel

LEAST_PHOTOS = 50  # a temperature from fewer is worth nothing
_FAILURES = 1000  # that a report names


class EvaluateRequest(NamedTuple):
    """All that one run of `evaluate` was asked for. `truth` None: ReaL's labels; `mistakes`: how many are listed."""

    run: "RunRequest"
    labels: Path | None
    tags: TagRequest | None
    truth: Truth | None
    mistakes: int = 0
    calibrate: bool = False


class Evaluating:
    """The Job of `evaluate`; `report` and `calibrate` are for when the run is over.

    Raises:
        UsageError: a name in the truth is none of the model's, or as of `classify`.
    """

    verb = "evaluated"
    abstained_words = ""
    watched = False
    resumable: Path | None = None

    def __init__(self, request: EvaluateRequest, model: "OpenedModel", notices: "Notices") -> None:
        from resnext.answers.evaluation import Evaluation
        from resnext.answers.own_labels import read_labels
        from resnext.answers.truth import Names
        from resnext.answers.vocabulary import read_vocabulary

        self._request, self._model = request, model
        labels = read_labels(request.labels, model.num_classes) if request.labels else model.labels()
        self._labels = labels
        tagger = open_tagger(request.tags, model, labels, notices) if request.tags else None
        names = Names(labels, read_vocabulary(request.tags.vocabulary if request.tags else None, labels))
        self._right = Right(request.truth, labels, names)
        self._evaluation = Evaluation(labels, tagger, request.mistakes, sampled=request.calibrate)
        self._failures = Failures()
        self._without_truth = 0

    def abstained(self, record: "Answer") -> bool:
        return False

    def prepare(self) -> DoneInputs:
        return DoneInputs()

    def answer(self) -> "Callable[[Source, Row], Classified]":
        from resnext.answers.predictions import predict
        from resnext.records import PredictionConfig

        right, evaluation, labels = self._right, self._evaluation, self._labels

        def answer(source: "Source", row: "Row") -> Classified:
            found = right.of(source.file)
            predictions = predict(row["logits"], labels, PredictionConfig(top_k=1))  # refuses NaN
            if found is None:
                self._without_truth += 1
            else:
                evaluation.add(*found, row["logits"], source.file)
            return Classified(source, predictions)

        return answer

    @contextmanager
    def output(self) -> "Iterator[Evaluating]":
        yield self

    def write(self, record: "Answer | Failure") -> None:
        """Note what failed; a report is made of the others."""
        if isinstance(record, Failure):
            self._failures.add(record)

    def report(self) -> dict[str, Any]:
        """What was found, as a document for JSON."""
        found = {"model": self._model.name, **self._evaluation.report(), **told(self._evaluation.tally, self._failures)}
        return printable_texts({**found, "without_truth": self._without_truth, "notes": []})

    @property
    def tally(self) -> "Tally":
        """What was counted of the classes."""
        return self._evaluation.tally

    def calibrate(self, target: float) -> "tuple[Advice, Path | None]":
        """Find and keep temperature and certainty for this model; the path is None where no certainty reaches that.

        Raises:
            UsageError: there are too few photos.
            OutputError: they can't be kept.
        """
        advice = self._evaluation.advice(target)
        if advice.photos < LEAST_PHOTOS:
            raise UsageError(
                f"{advice.photos} photos are too few to calibrate on; {LEAST_PHOTOS} at least, better 1000"
            )
        if advice.sure is None:
            return advice, None
        about = {"model": self._model.name, "photos": advice.photos, "target": target, **advice.reached._asdict()}
        calibration = Calibration(round(advice.temperature, 4), advice.sure)
        return advice, keep_calibration(cache_root(), self._model.weights_digest, calibration, about)


class Failures:
    """The inputs that could not be evaluated: how many, and the first thousand by name."""

    def __init__(self) -> None:
        self.count = 0
        self._first: list[Failure] = []

    def add(self, failure: Failure) -> None:
        """Note one."""
        self.count += 1
        if len(self._first) < _FAILURES:
            self._first.append(failure)

    def first(self) -> str:
        """The first one in words; "" where there is none."""
        return f"{self._first[0].source.file}: {self._first[0].message}" if self._first else ""

    def rows(self) -> list[dict[str, Any]]:
        """The first of them, as rows."""
        return [{**file_keys(each.source.file), **error_keys(each)} for each in self._first]


def told(tally: "Tally", failures: Failures) -> dict[str, Any]:
    """What a report says of single photos: the worst mistakes, and what failed."""
    return {
        "mistakes": [
            {**file_keys(each.file), "truth": each.truth, "answer": each.answer, "score": round(each.score, 6)}
            for each in tally.mistakes()
        ],
        "failed": failures.count,
        "failures": failures.rows(),
    }


def printable_texts(document: dict[str, Any]) -> dict[str, Any]:
    """The same document with what no UTF-8 can carry escaped: names of folders are bytes."""

    def escaped(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: escaped(each) for key, each in value.items()}
        if isinstance(value, list):
            return [escaped(each) for each in value]
        return valid_text(value) if isinstance(value, str) else value

    return {key: escaped(value) for key, value in document.items()}
