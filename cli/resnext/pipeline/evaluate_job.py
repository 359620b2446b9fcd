"""What is `evaluate`'s own in a run: answers are held against what is right, and a calibration is kept on wish."""

import csv
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from resnext.errors import FailureCode, InputError, UsageError
from resnext.outputs.done import DoneInputs
from resnext.pipeline.tagging import TagRequest, open_tagger
from resnext.records import Calibration, Classified
from resnext.store.calibrations import keep_calibration
from resnext.store.store import cache_root

if TYPE_CHECKING:
    from resnext.answers.evaluation import Advice
    from resnext.console.terminal import Notices
    from resnext.pipeline.loop import Row
    from resnext.pipeline.run import RunRequest
    from resnext.records import Answer, Failure, Source
    from resnext.shelf.shelf import OpenedModel

LEAST_PHOTOS = 50  # a temperature from fewer is worth nothing
_MAX_TRUTH_BYTES = 1 << 30


class EvaluateRequest(NamedTuple):
    """All that one run of `evaluate` was asked for. `truth` gives the name of what a file shows, None for unknown."""

    run: "RunRequest"
    labels: Path | None
    tags: TagRequest | None
    truth: "Truth"


class Truth:
    """What photos show, by their names: from a list, or from the folder below those that were named."""

    def __init__(self, folders: tuple[str, ...], listed: Mapping[str, str] | None) -> None:
        self._folders, self._listed = folders, listed

    def of(self, file: str) -> str:
        """The name of what a file shows.

        Raises:
            InputError: nothing says what.
        """
        if self._listed is not None:
            if file not in self._listed:
                raise InputError(FailureCode.BAD_ENTRY, "the list does not say what it shows")
            return self._listed[file]
        for folder in self._folders:
            name, *rest = Path(os.path.relpath(file, folder)).parts
            if rest and name not in (os.pardir, os.curdir):
                return name
        raise InputError(FailureCode.BAD_ENTRY, "it lies in no folder that says what it shows")

    def names(self) -> Iterator[str]:
        """Every name that may come."""
        if self._listed is not None:
            yield from dict.fromkeys(self._listed.values())
            return
        for folder in self._folders:
            with os.scandir(folder) as entries:
                yield from sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


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
        self._classes = {name: names.classes_of(name) for name in request.truth.names()}
        self._evaluation = Evaluation(labels, tagger)

    def abstained(self, record: "Answer") -> bool:
        return False

    def prepare(self) -> DoneInputs:
        return DoneInputs()

    def answer(self) -> "Callable[[Source, Row], Classified]":
        from resnext.answers.predictions import predict
        from resnext.records import PredictionConfig

        truth, classes, evaluation, labels = self._request.truth, self._classes, self._evaluation, self._labels

        def answer(source: "Source", row: "Row") -> Classified:
            name = truth.of(source.file)
            predictions = predict(row["logits"], labels, PredictionConfig(top_k=1))  # refuses NaN
            evaluation.add(name, classes[name], row["logits"])
            return Classified(source, predictions)

        return answer

    @contextmanager
    def output(self) -> "Iterator[Evaluating]":
        yield self

    def write(self, record: "Answer | Failure") -> None:
        """Nothing: a report is made of all of them."""

    def report(self) -> dict[str, Any]:
        """What was found, as a document for JSON."""
        return {"model": self._model.name, **self._evaluation.report()}

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


def listed_truth(path: Path, file_column: str, truth_column: str) -> dict[str, str]:
    """What a CSV, TSV or JSON Lines file says of each photo.

    Raises:
        UsageError: it can't be read, or lacks a column.
    """
    found: dict[str, str] = {}
    try:
        if path.stat().st_size > _MAX_TRUTH_BYTES or not path.is_file():
            raise UsageError(f"--truth {path}: not a file of a gigabyte at most")
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows: Iterator[Any]
            if path.suffix.lower() in (".jsonl", ".ndjson"):
                rows = (json.loads(line) for line in file if line.strip())
            else:
                rows = csv.DictReader(file, delimiter="\t" if path.suffix.lower() in (".tsv", ".tab") else ",")
            for number, row in enumerate(rows, 1):
                if not (isinstance(row.get(file_column), str) and isinstance(row.get(truth_column), str)):
                    missing = f"it needs texts under {file_column!r} and {truth_column!r}"
                    raise UsageError(f"--truth {path}: row {number}: {missing} (--column, --truth-column)")
                found[row[file_column]] = row[truth_column]
    except OSError as error:
        raise UsageError(f"--truth {path}: {error.strerror}") from error
    except (ValueError, csv.Error, AttributeError, RecursionError) as error:
        raise UsageError(f"--truth {path}: not CSV, TSV or JSON Lines in UTF-8") from error
    return found
