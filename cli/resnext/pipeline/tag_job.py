"""The job of `tag`: turns tags into changes of sidecars, and changes into rows. Part of it needs no model."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

from resnext.errors import ExitCode, FailureCode, InputError, TooManyFailures, UsageError
from resnext.outputs import Output, OutputRequest, ReaderGone, Settings
from resnext.outputs.done import DoneInputs
from resnext.outputs.sidecars.changes import SidecarRequest, Sidecars, sidecars_below, undo
from resnext.outputs.sidecars.noted import read_manifest, tagged_rows
from resnext.outputs.sidecars.rows import SidecarWriter
from resnext.pipeline.tagging import TagRequest, open_tagger, tag_settings
from resnext.records import Answer, Classified, Failure, Source

if TYPE_CHECKING:
    from resnext.console.terminal import Notices
    from resnext.outputs.results.result_file import ResultFile
    from resnext.outputs.stdout import Stdout
    from resnext.pipeline.loop import Row
    from resnext.pipeline.run import RunRequest
    from resnext.shelf.shelf import OpenedModel


class TagJobRequest(NamedTuple):
    """All that one run of `tag` was asked for."""

    run: "RunRequest"
    labels: Path | None
    tags: TagRequest
    sidecars: SidecarRequest
    output: OutputRequest


class Tagging:
    """The Job of `tag`.

    Raises:
        UsageError: the labels are not those of the model, or the vocabulary has a fault.
    """

    verb = "tagged"
    abstained_words = "without a tag"

    def __init__(self, request: TagJobRequest, model: "OpenedModel", notices: "Notices") -> None:
        from resnext.answers.own_labels import read_labels

        self._request, self._model = request, model
        labels = read_labels(request.labels, model.num_classes) if request.labels else model.labels()
        self._tagger = open_tagger(request.tags, model, labels, notices)
        self._target = request.output.target()
        self.watched = request.output.path is None and sys.stdout.isatty()
        self.resumable = request.output.resumable

    def abstained(self, record: Answer) -> bool:
        return isinstance(record, Classified) and not record.tags

    def prepare(self) -> DoneInputs:
        return self._target.prepare(self._settings())

    def answer(self) -> "Callable[[Source, Row], Classified]":
        sidecars = Sidecars(self._request.sidecars, embedded_lists)
        tagger = self._tagger

        def answer(source: Source, row: "Row") -> Classified:
            check_local(source)
            tags = tagger.tags(row["logits"])
            return Classified(source, (), tags, sidecars.tag(source.file, [tag.path for tag in tags]))

        return answer

    def output(self) -> Output:
        return _rows(self._target, self._request.output)

    def _settings(self) -> Settings:
        request, model = self._request, self._model
        return Settings(
            "tag",
            {
                "--model": model.name,
                "weights": f"sha256:{model.weights_digest[:32]}",
                "--engine": request.run.model.engine,
                "--precision": request.run.model.precision,
                "--exact": request.run.exact,
                "--shard": str(request.run.sources.shard or "") or None,
                **tag_settings(request.tags, self._tagger),
                "--root": request.sidecars.root,
                "--flat": request.sidecars.flat,
                "--naming": request.sidecars.naming,
                "--dry-run": request.sidecars.dry_run,
            },
        )


def tag_from(path: Path, request: SidecarRequest, output: OutputRequest, max_errors: int | None) -> ExitCode:
    """Write what an earlier `classify --tags` found, without a model; give the exit code.

    Raises:
        ResnextError: a line is no such row, or the rows can't be written; sidecars that were written stay.
    """
    sidecars = Sidecars(request, embedded_lists)

    def records() -> Iterator[Classified | Failure]:
        for file, status, paths, row in tagged_rows(path):
            source = Source(file)
            if status != "ok":
                yield Failure(source, _code(row.get("error_code")), str(row.get("error") or "it was not labelled"))
                continue
            try:
                if not os.path.lexists(file):
                    raise InputError(FailureCode.NOT_FOUND, "no such file on this machine")
                yield Classified(source, (), (), sidecars.tag(file, paths))
            except InputError as error:
                yield Failure(source, error.code, str(error))

    return _write_all(records(), output, max_errors, Settings("tag", {"--from": str(path)}))


def undo_all(paths: tuple[str, ...], manifest: Path | None, *, dry_run: bool, output: OutputRequest) -> ExitCode:
    """Take back what was put into sidecars: those that are named, or below what is, and those of a manifest.

    Raises:
        UsageError: there are none.
        OutputError: the rows can't be written.
    """
    noted = read_manifest(manifest) if manifest else {}
    found = sidecars_below(paths) if paths or not noted else iter(noted)

    def records() -> Iterator[Classified | Failure]:
        for name in found:
            source = Source(name)
            try:
                line = noted.get(str(Path(name).absolute()))
                yield Classified(source, (), (), undo(Path(name), dry_run=dry_run, noted=line))
            except InputError as error:
                yield Failure(source, error.code, str(error))

    return _write_all(records(), output, None, Settings("tag", {"--undo": True}))


def embedded_lists(photo: str) -> dict[str, tuple[str, ...]]:
    """The keywords inside a photo, by the names of a packet's lists; IPTC's are plain ones."""
    from resnext.images.embedded import read_embedded
    from resnext.outputs.sidecars.packet import SUBJECT, lenient_lists

    embedded = read_embedded(photo)
    lists = lenient_lists(embedded.xmp) if embedded.xmp else {}
    flat = tuple(dict.fromkeys((*lists.get(SUBJECT, ()), *embedded.keywords)))
    return {**lists, SUBJECT: flat} if flat else lists


def check_local(source: Source) -> None:
    """Refuse what has no place for a sidecar.

    Raises:
        InputError: it is a member of an archive, an address or stdin.
    """
    if source.read is not None:
        raise InputError(FailureCode.SIDECAR, "only a file on this machine can have a sidecar")


def _write_all(
    records: Iterable[Classified | Failure], output: OutputRequest, max_errors: int | None, settings: Settings
) -> ExitCode:
    failures = total = 0
    target = output.target()
    target.prepare(settings)
    try:
        with _rows(target, output) as out:
            for record in records:
                out.write(record)
                total += 1
                failures += isinstance(record, Failure)
                if max_errors is not None and failures >= max_errors:
                    raise TooManyFailures(f"stopped at {failures} failures, the last: {record.source.file}")
    except ReaderGone:
        return ExitCode.OK
    if not total:
        raise UsageError("nothing to do: no sidecar and no row was found")
    return ExitCode.SOME_FAILED if failures else ExitCode.OK


def _rows(target: "ResultFile | Stdout", request: OutputRequest) -> Output:
    def make(stream: TextIO) -> SidecarWriter:
        return SidecarWriter(stream, for_people=request.format == "table")

    return Output(target, make)


def _code(value: object) -> FailureCode:
    try:
        return FailureCode(str(value))
    except ValueError:
        return FailureCode.BAD_ENTRY
