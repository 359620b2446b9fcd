"""`train --method full`: which photos validate, the head to begin with, and what is told of what comes out."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from resnext.errors import UsageError
from resnext.images.limits import DEFAULT_MAX_MEGAPIXELS
from resnext.images.resources import processors
from resnext.training.full.recipe import Recipe, read_recipe
from resnext.training.full.settings import FullSettings, WholeNetwork, let_idle_threads_sleep, process_of
from resnext.training.labelled import LabelledPhoto
from resnext.training.trained import BaseModel, HeadFit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from resnext.console.terminal import Notices
    from resnext.pipeline.run import RunRequest
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

    @staticmethod
    def forget(target: Path) -> None:
        """Remove the state of the training of a model that is in place."""
        shutil.rmtree(_state_folder(target), ignore_errors=True)


def is_first() -> bool:
    """Whether this process is the only one, or the first of torchrun's."""
    return process_of().is_first


def check(request: WholeRequest, target: Path, *, overwrite: bool) -> None:
    """Refuse what can't be, before anything is computed; then torch, not yet imported, is told to be a good neighbor.

    Raises:
        UsageError: the recipe can't be honoured; an earlier run's state is there and nothing says what becomes of it.
    """
    request.settings(DEFAULT_MAX_MEGAPIXELS)
    folder = _state_folder(target)
    if folder.exists() and not request.resume and not overwrite and is_first():
        raise UsageError(
            f"{folder}: the state of a training that did not come to its end; --resume goes on with it, --overwrite"
            " begins anew"
        )
    let_idle_threads_sleep()


def follow_first(request: WholeRequest, run: "RunRequest", target: Path, notices: "Notices") -> None:
    """Be one of torchrun's other processes: compute what the first one trains.

    Raises:
        ModelError: the base is not there, or the folder that the first one writes to.
    """
    from resnext.shelf.shelf import Shelf
    from resnext.training.base import base_of
    from resnext.training.full.training import follow

    base = base_of(*Shelf(notices).base(run.model), run.model.adjustments)
    follow(base, request.settings(run.max_megapixels), _state_folder(target))


def _state_folder(target: Path) -> Path:
    """Where the state of a training is until its model is in place: beside it."""
    return target.with_name(f".{target.name}.training")


class Course(NamedTuple):
    """All that a whole network is trained with.

    `training` photos teach, `validating` ones choose, `test` ones only measure. `head` has seen `training` alone.
    `folder` keeps the state.
    """

    base: BaseModel
    classes: tuple[str, ...]
    training: "Sequence[LabelledPhoto]"
    validating: "Sequence[LabelledPhoto]"
    test: "Sequence[LabelledPhoto]"
    head: HeadFit
    settings: FullSettings
    folder: Path
    notices: "Notices"
    shows_progress: bool

    def train(self, start: "Tensors | None" = None) -> WholeNetwork:
        """Train from the head, or from `start`; give what validates best."""
        return self._trained(self.training, self.validating, start)

    def train_to_the_end(self, photos: "Sequence[LabelledPhoto]") -> WholeNetwork:
        """Train from the head on other photos; give the last epoch, which nothing validates."""
        return self._trained(photos, None, None)

    def _trained(
        self,
        photos: "Sequence[LabelledPhoto]",
        validating: "Sequence[LabelledPhoto] | None",
        start: "Tensors | None",
    ) -> WholeNetwork:
        from resnext.pipeline.step_progress import StepProgress
        from resnext.training.full.training import train_full

        head = self.head if self.settings.pretrained and start is None else None
        test, shows, bars = self.test if validating is not None else (), self.shows_progress, self.notices.bars
        with StepProgress(self.notices, bar=shows and bars, lines=shows and not bars) as progress:
            return train_full(
                self.base, len(self.classes), photos, validating, head, self.settings, progress.told, self.notices,
                self.folder, start=start, test=test,
            )  # fmt: skip

    def whole(self, found: WholeNetwork) -> Whole:
        """What came out, measured, its temperature folded in."""
        from resnext.answers.calibration import fitted_temperature
        from resnext.training.figures import figures

        validating, test = self.validating, self.test
        truth = [[photo.label] for photo in validating]
        same = len(found.logits) == len(validating)
        temperature = fitted_temperature(found.logits, truth) if validating and same and not found.is_head else 1.0
        told = {
            "kept": "head" if found.is_head else "whole network",
            "training_photos": len(self.training),
            "validation_photos": len(validating),
            "temperature": round(temperature, 4),
            "pretrained": self.settings.pretrained,
            "recipe": asdict(self.settings.recipe),
            "history": list(found.history),
        }
        measured = test and len(found.test) == len(test)
        return Whole(
            tensors=_cooled(self.base, found, temperature),
            is_head=found.is_head,
            validation=figures(validating, found.logits / temperature, self.classes) if validating and same else None,
            test=figures(test, found.test / temperature, self.classes) if measured else None,
            told=told,
        )


def course(
    request: WholeRequest,
    run: "RunRequest",
    base: BaseModel,
    classes: tuple[str, ...],
    photos: Sequence[LabelledPhoto],
    validation: Sequence[LabelledPhoto],
    test: Sequence[LabelledPhoto],
    features: "NDArray[np.float32]",
    folds: "NDArray[np.int32]",
    fit: HeadFit,
    target: Path,
    notices: "Notices",
) -> Course:
    """Part the photos; `features` (N, D), `folds` (N,) and `fit` are of all `photos`.

    Without photos that `validation` names, a fold of near-duplicates validates, and neither head nor network sees it.
    """
    import numpy as np

    from resnext.training.head import fit_head

    held_out = np.zeros(len(photos), bool) if validation else folds == _HELD_OUT
    training = [photo for photo, out in zip(photos, held_out.tolist(), strict=True) if not out]
    validating = list(validation) or [photo for photo, out in zip(photos, held_out.tolist(), strict=True) if out]
    head = fit
    if held_out.any():
        labels = np.array([photo.label for photo in training], np.int32)
        head = fit_head(features[~held_out], labels, folds[~held_out], len(classes))
    settings, folder = request.settings(run.max_megapixels), _state_folder(target)
    if not settings.resume:
        shutil.rmtree(folder, ignore_errors=True)
    return Course(base, classes, training, validating, test, head, settings, folder, notices, run.progress)


def _cooled(base: BaseModel, found: WholeNetwork, temperature: float) -> "Tensors":
    """The tensors with the temperature folded into the classifier."""
    import numpy as np

    name = base.pretrained_cfg["classifier"]
    changed = {each: found.tensors[each] / np.float32(temperature) for each in (f"{name}.weight", f"{name}.bias")}
    return {**found.tensors, **changed}
