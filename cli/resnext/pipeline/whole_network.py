"""`train --method full`: which photos validate, the head to begin with, and what is told of what comes out."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from resnext.images.resources import processors
from resnext.training.full.recipe import Recipe, read_recipe
from resnext.training.full.settings import FullSettings, WholeNetwork, process_of
from resnext.training.labelled import LabelledPhoto
from resnext.training.trained import BaseModel, HeadFit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from resnext.console.terminal import Notices
    from resnext.training.trained import Tensors

_HELD_OUT = 0  # the fold that validates where no split of the user's does
# Processes that augment for a GPU; a CPU has no time to spare for them.
_WORKERS_FOR_GPU = 8


class WholeRequest(NamedTuple):
    """What was asked of a training of the whole network; None is what the recipe says."""

    recipe: Path | None = None
    epochs: int | None = None
    lr: float | None = None
    batch_size: int | None = None
    seed: int | None = None
    pretrained: bool = True
    device: str = "cpu"
    bf16: bool | None = None
    workers: int | None = None
    resume: bool = False

    def settings(self, max_megapixels: float) -> FullSettings:
        """All that was asked, the file's recipe and what goes before it.

        Raises:
            UsageError: the recipe can't be honoured.
        """
        recipe = read_recipe(self.recipe) if self.recipe is not None else Recipe()
        given = {"epochs": self.epochs, "lr": self.lr, "batch_size": self.batch_size, "seed": self.seed}
        recipe = replace(recipe, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
        on_gpu = 0 if self.device == "cpu" else min(_WORKERS_FOR_GPU, processors())
        return FullSettings(
            recipe=recipe,
            pretrained=self.pretrained,
            device=self.device,
            bf16=self.bf16,
            workers=on_gpu if self.workers is None else self.workers,
            threads=max(1, processors() // process_of().count),
            max_megapixels=max_megapixels,
            resume=self.resume,
        )


class Whole(NamedTuple):
    """What came out: the tensors of the model; figures of the photos that validated and tested it; what is told of it.

    `is_head`: no epoch was better than the head, so that the model is what --method head gives.
    """

    tensors: "Tensors"
    is_head: bool
    validation: dict[str, Any] | None
    test: dict[str, Any] | None
    told: dict[str, Any]


def state_folder(target: Path) -> Path:
    """Where the state of a training is until its model is in place: beside it."""
    return target.with_name(f".{target.name}.training")


def train_whole(
    settings: FullSettings,
    base: BaseModel,
    classes: tuple[str, ...],
    photos: Sequence[LabelledPhoto],
    validation: Sequence[LabelledPhoto],
    test: Sequence[LabelledPhoto],
    features: "NDArray[np.float32]",
    folds: "NDArray[np.int32]",
    fit: HeadFit,
    folder: Path,
    notices: "Notices",
    *,
    shows_progress: bool,
) -> Whole:
    """Train the whole network from a head; `features` (N, D), `folds` (N,) and `fit` are of all `photos`.

    Without photos that `validation` names a fold of near-duplicates validates, and neither head nor network sees it.
    """
    import numpy as np

    from resnext.answers.calibration import fitted_temperature
    from resnext.pipeline.step_progress import StepProgress
    from resnext.training.figures import figures
    from resnext.training.full.training import train_full
    from resnext.training.head import fit_head

    held_out = np.zeros(len(photos), bool) if validation else folds == _HELD_OUT
    training = [photo for photo, out in zip(photos, held_out.tolist(), strict=True) if not out]
    validating = list(validation) or [photo for photo, out in zip(photos, held_out.tolist(), strict=True) if out]
    head: HeadFit | None = fit
    if held_out.any():
        labels = np.array([photo.label for photo in training], np.int32)
        head = fit_head(features[~held_out], labels, folds[~held_out], len(classes))
    if not settings.resume:
        shutil.rmtree(folder, ignore_errors=True)
    bar, lines = shows_progress and notices.bars, shows_progress and not notices.bars
    with StepProgress(notices, bar=bar, lines=lines) as progress:
        found = train_full(
            base, len(classes), training, validating, head if settings.pretrained else None, settings,
            progress.told, notices, folder, test=test,
        )  # fmt: skip
    truth = [[photo.label] for photo in validating]
    same = len(found.logits) == len(validating)
    temperature = fitted_temperature(found.logits, truth) if validating and same and not found.is_head else 1.0
    told = {
        "kept": "head" if found.is_head else "whole network",
        "training_photos": len(training),
        "validation_photos": len(validating),
        "temperature": round(temperature, 4),
        "pretrained": settings.pretrained,
        "recipe": asdict(settings.recipe),
        "history": list(found.history),
    }
    return Whole(
        tensors=_cooled(base, found, temperature),
        is_head=found.is_head,
        validation=figures(validating, found.logits / temperature, classes) if validating and same else None,
        test=figures(test, found.test / temperature, classes) if test and len(found.test) == len(test) else None,
        told=told,
    )


def _cooled(base: BaseModel, found: WholeNetwork, temperature: float) -> "Tensors":
    """The tensors with the temperature folded into the classifier."""
    import numpy as np

    name = base.pretrained_cfg["classifier"]
    changed = {each: found.tensors[each] / np.float32(temperature) for each in (f"{name}.weight", f"{name}.bias")}
    return {**found.tensors, **changed}
