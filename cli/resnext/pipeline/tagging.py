"""Opens the Tagger of a model: reads the vocabulary, chooses the threshold. Used by `tag` and `classify --tags`."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from resnext.answers.tags import Tagger
    from resnext.console.terminal import Notices
    from resnext.records import Calibration, Label
    from resnext.shelf.shelf import OpenedModel


class TagRequest(NamedTuple):
    """What was asked of tags. `sure` None: as was measured for the model; `vocabulary` None: the built-in one."""

    sure: float | None = None
    vocabulary: Path | None = None


def open_tagger(request: TagRequest, model: "OpenedModel", labels: "tuple[Label, ...]", notices: "Notices") -> "Tagger":
    """Read the vocabulary and choose the threshold; say so where nothing was measured for the model.

    Raises:
        UsageError: the vocabulary has a fault.
    """
    from resnext.answers.calibration import UNMEASURED, TagConfig
    from resnext.answers.tags import Tagger
    from resnext.answers.vocabulary import read_vocabulary

    entries = read_vocabulary(request.vocabulary, labels)
    known = calibration_of(model)
    if known is None and request.sure is None:
        notices.info(
            f"how sure {model.name} is of its tags was never measured: a tag needs {UNMEASURED.sure:.0%};"
            " 'resnext evaluate --calibrate' measures it on photos of yours"
        )
    chosen = known or UNMEASURED
    sure = chosen.sure if request.sure is None else request.sure
    return Tagger(entries, len(labels), TagConfig(sure, chosen.temperature))


def calibration_of(model: "OpenedModel") -> "Calibration | None":
    """What the user measured for this model's weights, else what was measured before it was shipped."""
    from resnext.answers.calibration import measured
    from resnext.store.calibrations import recall_calibration
    from resnext.store.store import cache_root

    return recall_calibration(cache_root(), model.weights_digest) or measured(model.weights_digest)


def tag_settings(request: TagRequest | None, tagger: "Tagger | None") -> dict[str, str | int | float | bool | None]:
    """What tags depend on, for the note of a run; None each where there are none."""
    if request is None or tagger is None:
        return {"--tags": None, "--sure": None, "temperature": None, "--vocabulary": None}
    import hashlib

    digest = hashlib.sha256(request.vocabulary.read_bytes()).hexdigest()[:32] if request.vocabulary else None
    return {
        "--tags": True,
        "--sure": tagger.config.sure,
        "temperature": tagger.config.temperature,
        "--vocabulary": f"sha256:{digest}" if digest else None,
    }
