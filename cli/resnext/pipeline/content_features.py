"""Features of photos by their contents, through the ordinary run: computed once, kept for the next try."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from resnext.errors import ExitCode, InputError
from resnext.images.content import content
from resnext.outputs.done import DoneInputs
from resnext.records import Failure, Features, Source

if TYPE_CHECKING:
    from resnext.console.terminal import Notices
    from resnext.pipeline.loop import Row
    from resnext.pipeline.run import RunRequest
    from resnext.records import Answer
    from resnext.shelf.shelf import OpenedModel
    from resnext.training.kept_features import KeptFeatures

POOLED = "pooled"
Vector = Literal["pooled", "logits"]


class ContentFeatures(NamedTuple):
    """What is known of photos: `digests` by `source.file` of those that could be read, `kept` has their features."""

    digests: dict[str, str]
    failures: list[Failure]
    kept: "KeptFeatures"
    code: ExitCode


def content_features(
    request: "RunRequest",
    inputs: Iterable[Source | Failure],
    root: Path,
    notices: "Notices",
    opened: "Callable[[OpenedModel], None]",
    vector: Vector = "pooled",
) -> ContentFeatures:
    """Compute the pooled features of those inputs whose contents are not known yet; `root` is the cache's folder.

    Of a teacher they are the logits.

    `opened` is called with the model before anything is read. A content that is known is not decoded again; an input
    from elsewhere is, since it has to be read in any case.

    Raises:
        ResnextError: the run could not start or continue; what was computed is kept.
    """
    from resnext.pipeline.run import run

    unique = tuple({item.source.file if isinstance(item, Failure) else item.file: item for item in inputs}.values())
    model = request.model._replace(outputs=(vector,), tuning="throughput")
    jobs: list[_Computing] = []

    def make(found: "OpenedModel") -> _Computing:
        opened(found)
        jobs.append(_Computing(request, found, root, vector))
        return jobs[-1]

    code = run(request._replace(model=model, inputs=unique), make, notices)
    (job,) = jobs
    return ContentFeatures(job.digests, job.failures, job.kept, code)


class Reading:
    """Reads the bytes of a source and notes their digest."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.digest = ""

    def __call__(self) -> bytes:
        if self._source.read is not None:
            found = self._source.read()
        else:
            with content(self._source) as stream:
                found = stream.read()
        self.digest = hashlib.sha256(found).hexdigest()
        return found


class _Computing:
    """The Job."""

    verb = "seen"
    abstained_words = ""
    watched = False
    resumable: Path | None = None

    def __init__(self, request: "RunRequest", model: "OpenedModel", root: Path, vector: Vector) -> None:
        from resnext.training.kept_features import KeptFeatures

        asked = request.model
        identity = {
            "weights": model.weights_digest,
            "precision": asked.precision,
            "engine": asked.engine,
            "exact": request.exact,
            **asked.adjustments.settings(),
            **({} if vector == POOLED else {"vector": vector}),
        }
        self._vector = vector
        width = model.num_features if vector == POOLED else model.num_classes
        self.kept = KeptFeatures(root, identity, width)
        self.digests: dict[str, str] = {}
        self.failures: list[Failure] = []

    def abstained(self, record: "Answer") -> bool:
        return False

    def prepare(self) -> DoneInputs:
        return _Known(self.kept, self.digests)

    def answer(self) -> "Callable[[Source, Row], Features]":
        from resnext.pipeline.features_job import checked

        def answer(source: Source, row: "Row") -> Features:
            return Features(source, {self._vector: checked(row[self._vector], False, "float32")})

        return answer

    def output(self) -> "_Computing":
        return self

    def __enter__(self) -> "_Computing":
        return self

    def __exit__(self, *exception: object) -> None:
        self.kept.close()

    def write(self, record: "Answer | Failure") -> None:
        if isinstance(record, Failure):
            self.failures.append(record)
            return
        assert isinstance(record, Features) and isinstance(record.source.read, Reading)
        digest = record.source.read.digest
        if digest not in self.kept:
            self.kept.add(digest, record.arrays[self._vector])
        self.digests[record.source.file] = digest


class _Known(DoneInputs):
    """Leaves out local files whose contents are known; lets all others note what they are when they are read."""

    def __init__(self, kept: "KeptFeatures", digests: dict[str, str]) -> None:
        super().__init__()
        self._kept, self._by_file = kept, digests

    def remaining(self, inputs: Iterable[Source | Failure]) -> Iterator[Source | Failure]:
        for item in inputs:
            if isinstance(item, Failure):
                yield item
                continue
            reading = Reading(item)
            if item.read is None and len(self._kept):
                try:
                    reading()
                except (InputError, OSError):
                    pass  # decoding says why
                if reading.digest and reading.digest in self._kept:
                    self._by_file[item.file] = reading.digest
                    self.skipped += 1
                    continue
            yield item._replace(read=reading, path=item.file if item.read is None else item.path)
