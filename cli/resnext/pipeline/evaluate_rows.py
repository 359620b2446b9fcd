"""`evaluate --from`: compares what classify wrote earlier with what is right. No model runs."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from resnext.errors import ExitCode, FailureCode, InputError, UsageError
from resnext.pipeline.evaluate_job import Failures, printable_texts, told
from resnext.pipeline.truths import Right, Truth
from resnext.records import Failure, Label, Source

if TYPE_CHECKING:
    from resnext.answers.written import Written

_SHOWN = 3


class RowsRequest(NamedTuple):
    """All that one evaluation of rows was asked for. `truth` None: ReaL's labels."""

    path: Path
    truth: Truth | None
    vocabulary: Path | None
    mistakes: int


class RowsEvaluation:
    """Reads the rows twice: for the classes that they name, then for what they answered.

    Raises:
        UsageError: it is no file that classify wrote; none of its photos has a truth.
    """

    def __init__(self, request: RowsRequest) -> None:
        from resnext.answers.tally import TOP, Tally
        from resnext.answers.truth import Names
        from resnext.answers.vocabulary import read_vocabulary
        from resnext.sources.lists import named

        seen = _Seen()
        for row in _rows(request.path):
            seen.add(row)
        labels = seen.labels()
        names = Names(labels, read_vocabulary(request.vocabulary, labels))
        right = Right(request.truth, labels, names, lenient=True)
        self.tally: Tally = Tally(labels, request.mistakes)
        self._model, self._seen, self._unknown = " and ".join(seen.models), seen, right.unknown
        self._failures, self._without_truth = Failures(), 0
        for row in _rows(request.path):
            file = named(row.file, row.exact)
            source = Source(file or f"{request.path}:{row.number}")
            if row.error or file is None:
                self._failures.add(Failure(source, FailureCode.BAD_ENTRY, row.error or "no name of a file"))
                continue
            try:
                found = right.of(file)
            except InputError as error:
                self._failures.add(Failure(source, error.code, str(error)))
                continue
            if found is None:
                self._without_truth += 1
                continue
            best = [label.index for label, _ in row.classes[:TOP]]
            self.tally.add(*found, best, row.classes[0][1] if row.classes else 0.0, file)
        if not self.tally.photos:
            raise UsageError(f"{request.path}: none of its photos has a truth; {self._failures.first()}")

    @property
    def code(self) -> ExitCode:
        """The exit code: whether rows were left out."""
        return ExitCode.SOME_FAILED if self._failures.count else ExitCode.OK

    def report(self) -> dict[str, Any]:
        """What was found, as a document for JSON; None for what rows can't tell, and `notes` that say so."""
        tally, seen = self.tally, self._seen
        figures, notes = tally.figures(), list[str]()
        curves: dict[str, Any] = {"reliability": tally.reliability(), "coverage": tally.coverage()}
        if not seen.five:
            figures["top5"] = None
            notes.append(f"the rows hold {seen.most} classes a photo: whether it is among five is not known from them")
        elif seen.cut:
            notes.append("some rows hold fewer classes than others: what --threshold left out counts as not among five")
        if seen.logits:
            figures["ece"] = None
            curves = {"reliability": [], "coverage": []}
            notes.append("the scores are logits: how sure the model was is not known from them")
        if seen.empty:
            notes.append(f"{seen.empty} rows have no class at all (--threshold): they count as wrong")
        if self._unknown:
            more = f" and {len(self._unknown) - _SHOWN} more" if len(self._unknown) > _SHOWN else ""
            names = ", ".join(map(repr, self._unknown[:_SHOWN])) + more
            notes.append(f"no row answers {names}: photos of that count as wrong, also if the model has no such class")
        found = {
            "model": self._model,
            **figures,
            "classes": tally.classes(),
            "confusions": tally.confusions(),
            **curves,
        }
        found |= {**told(tally, self._failures), "without_truth": self._without_truth, "notes": notes}
        return printable_texts(found)


class _Seen:
    """What the rows hold in all: models, classes, and how many classes a photo."""

    def __init__(self) -> None:
        self.models: dict[str, None] = {}
        self._labels: dict[int, Label] = {}
        self.most = self.empty = 0
        self.logits = False
        self._fewest = 1 << 30

    def add(self, row: "Written") -> None:
        if row.error:
            return
        self.models[row.model] = None
        for label, score in row.classes:
            known = self._labels.setdefault(label.index, label)
            if known != label:
                raise UsageError(f"rows of several models: class {label.index} is {known.name!r} and {label.name!r}")
            self.logits |= not 0.0 <= score <= 1.0
        self.most, self._fewest = max(self.most, len(row.classes)), min(self._fewest, len(row.classes))
        self.empty += not row.classes

    @property
    def five(self) -> bool:
        """Whether rows hold the best five classes, or all of a model that has fewer."""
        from resnext.answers.tally import TOP

        return self.most >= TOP or 1 < self.most == len(self._labels)

    @property
    def cut(self) -> bool:
        """Whether some rows hold fewer classes than others."""
        return self._fewest < self.most

    def labels(self) -> tuple[Label, ...]:
        return tuple(self._labels[index] for index in sorted(self._labels))


def _rows(path: Path) -> "Iterator[Written]":
    """The rows of a file; raises UsageError where it is none of classify's."""
    from resnext.answers.written import NoRow, written_rows
    from resnext.sources.tables import MAX_ROW_BYTES, all_columns, file_rows

    try:
        yield from written_rows(file_rows(str(path), all_columns, MAX_ROW_BYTES))
    except NoRow as error:
        raise UsageError(f"--from {path}: {error}; it takes what 'resnext classify -o FILE' wrote") from None
