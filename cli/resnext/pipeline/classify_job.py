"""The job of `classify`: turns logits into labels, and records into rows."""

import json
import sys
from collections.abc import Callable
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from resnext.answers.own_labels import read_labels
from resnext.console.terminal import use_color
from resnext.outputs import Output, OutputRequest, Settings, terminal_width
from resnext.outputs.done import DoneInputs
from resnext.outputs.writers import WRITERS, OutputConfig, Writer
from resnext.pipeline.tagging import TagRequest, open_tagger, tag_settings
from resnext.records import Classified

if TYPE_CHECKING:
    from resnext.console.terminal import Notices
    from resnext.pipeline.loop import Row
    from resnext.pipeline.run import RunRequest
    from resnext.records import Answer, Label, LabelType, PredictionConfig, Source
    from resnext.shelf.shelf import OpenedModel


class ClassifyRequest(NamedTuple):
    """All that one run of `classify` was asked for."""

    run: "RunRequest"
    labels: Path | None
    prediction: "PredictionConfig"
    label_type: "LabelType"
    output: OutputRequest
    tags: TagRequest | None = None  # None: no tags


class Labelling:
    """The Job of `classify`.

    Raises:
        UsageError: the labels are not those of the model, or the vocabulary has a fault.
    """

    verb = "labelled"
    abstained_words = "below the threshold"

    def __init__(self, request: ClassifyRequest, model: "OpenedModel", notices: "Notices") -> None:
        self._request, self._model = request, model
        self._own_labels = read_labels(request.labels, model.num_classes) if request.labels else None
        self._tagger = open_tagger(request.tags, model, self._labels, notices) if request.tags else None
        self._target = request.output.target()
        self.watched = request.output.path is None and sys.stdout.isatty()
        self.resumable = request.output.resumable

    def __getstate__(self) -> dict[str, Any]:
        """All but the model and what is open: on another machine `part` brings them."""
        _ = self.settings  # made of files that may not be there
        return {name: value for name, value in vars(self).items() if name not in ("_model", "_target", "_labels")}

    @property
    def ending(self) -> str:
        return f".{self._request.output.format}"

    def part(self, model: "OpenedModel", path: Path, *, resume: bool) -> "Labelling":
        output = self._request.output._replace(path=path, resume=resume)
        job = copy(self)
        vars(job).update(_model=model, _request=self._request._replace(output=output), _target=output.target())
        return job

    def abstained(self, record: "Answer") -> bool:
        return isinstance(record, Classified) and not record.predictions

    def prepare(self) -> DoneInputs:
        return self._target.prepare(self.settings)

    def answer(self) -> "Callable[[Source, Row], Classified]":
        from resnext.answers.predictions import predict

        labels, config, tagger = self._labels, self._request.prediction, self._tagger
        if tagger is None:
            return lambda source, row: Classified(source, predict(row["logits"], labels, config))
        return lambda source, row: Classified(
            source, predict(row["logits"], labels, config), tagger.tags(row["logits"])
        )

    def output(self) -> Output:
        return Output(self._target, self._make_writer)

    @cached_property
    def _labels(self) -> "tuple[Label, ...]":
        return self._own_labels or self._model.labels()

    @cached_property
    def settings(self) -> Settings:
        """The settings that decide the content of the rows: a run that resumes them must have the same."""
        request, model = self._request, self._model
        return Settings(
            "classify",
            {
                "--format": request.output.format,
                "--model": model.name,
                "weights": f"sha256:{model.weights_digest[:32]}",
                "--labels": _digest_of(self._own_labels) if self._own_labels else None,
                "--engine": request.run.model.engine,
                # As it was asked for: --exact decides it.
                "--precision": "auto" if request.run.exact else request.run.model.precision,
                "--exact": request.run.exact,
                **request.run.model.adjustments.settings(),
                "--top-k": min(request.prediction.top_k, model.num_classes),
                "--threshold": request.prediction.threshold,
                "--output-type": request.prediction.output_type,
                "--label-type": request.label_type,
                "--frames": request.run.frames or "all",
                "--shard": str(request.run.sources.shard or "") or None,
                "--template": request.output.template or None,
                "--long": request.output.long,
                **tag_settings(request.tags, self._tagger),
            },
        )

    def _make_writer(self, stream: TextIO) -> Writer:
        request, model = self._request, self._model
        config = OutputConfig(
            model=model.name,
            top_k=min(request.prediction.top_k, model.num_classes),
            label_type=request.label_type,
            output_type=request.prediction.output_type,
            terminal=self._target.is_terminal,
            color=use_color(sys.stdout, request.run.color) and request.output.path is None,
            width=terminal_width(),
            template=request.output.template,
            long=request.output.long,
            tags=request.tags is not None,
        )
        return WRITERS[self._target.format](stream, config)


def _digest_of(labels: "tuple[Label, ...]") -> str:
    import hashlib

    names = json.dumps([label.name for label in labels]).encode()
    return f"sha256:{hashlib.sha256(names).hexdigest()[:32]}"
