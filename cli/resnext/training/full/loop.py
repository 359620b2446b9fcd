"""The loop over epochs and steps: what ends it, what is kept of it, and which of its states is given back."""

import hashlib
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from resnext.console.interrupts import Interrupted, Noted, noting_signals
from resnext.console.terminal import Notices
from resnext.engines.torch_engine import checked_device
from resnext.errors import ModelError, UsageError
from resnext.training.full import distributed, network, state
from resnext.training.full.assembly import Assembly, assembled, deterministic, prepared
from resnext.training.full.augment import TrainingPhotos, begin_chance, loader_of
from resnext.training.full.prepared import crops_of
from resnext.training.full.settings import FullSettings
from resnext.training.full.state import Standing
from resnext.training.full.telling import Telling
from resnext.training.labelled import LabelledPhoto
from resnext.training.trained import BaseModel, HeadFit, Progress, Trained

if TYPE_CHECKING:
    from resnext.training.trained import Tensors

_VALIDATION_BATCH = 32
# A state is written after each epoch, and in between where so much time is gone and writing takes a 50th of it at most.
_SAVE_SECONDS, _SAVE_PART = 20.0, 50


def train_full(
    base: BaseModel,
    num_classes: int,
    photos: Sequence[LabelledPhoto],
    validation: Sequence[LabelledPhoto],
    head: HeadFit | None,
    settings: FullSettings,
    progress: Progress,
    notices: Notices,
    folder: Path,
    start: "Tensors | None" = None,
) -> Trained:
    """Train all of a network, from a head that was fitted to `photos` alone; give back what validates best.

    The head itself is a candidate: what comes out is never worse on `validation` than it. `start` has all tensors to
    begin with instead (a student that has learned from pseudo-labels). `folder` keeps the state; it is the caller's to
    remove. With `settings.resume` a killed run goes on from there, to the same bytes. Under torchrun all processes call
    this; the head may be the first one's alone.

    Raises:
        UsageError: the recipe doesn't fit the model or the photos; or --resume finds another training's state.
        ModelError: the device is not there, or the loss became NaN before anything was learned.
        OutputError: the state can't be written; the last good one stays.
        Interrupted: a signal came; the state is kept.
    """
    if not validation and settings.pretrained:
        raise UsageError(
            "no photo is left to validate with, so that nothing could show whether the whole network is better than"
            " its head; give classes two photos or more, or take --method head"
        )
    process = distributed.process_of()
    device = checked_device(f"cuda:{process.local_rank}" if settings.device == "cuda" else settings.device)
    folder.mkdir(parents=True, exist_ok=True)
    standing = state.read_standing(folder) if settings.resume else None
    threads = int((standing.machine if standing else {}).get("threads", settings.threads))
    words = ("ending after this step; once more to end at once", f"interrupted; go on with --resume ({folder})")
    with deterministic(threads), distributed.joined(process, device), noting_signals(*words) as signals:
        decoded = prepared(
            base, photos, validation, settings, process, folder, lambda done, total: progress("decode", done, total)
        )
        parts = assembled(base, num_classes, decoded, head, start, settings, process, device, threads)
        return _Run(parts, folder, settings.workers, signals, notices, progress, standing).train()


class _Diverged(Exception):
    """The loss is no number any more."""


class _Run:
    """One training from its first state, or an earlier run's last, to its end."""

    def __init__(
        self,
        parts: Assembly,
        folder: Path,
        workers: int,
        signals: Noted,
        notices: Notices,
        progress: Progress,
        standing: Standing | None,
    ) -> None:
        self._parts, self._folder, self._workers = parts, folder, workers
        self._signals, self._notices = signals, notices
        self._standing = standing or Standing(
            validated=-1 if parts.has_candidate else 0, said=parts.said, machine=parts.machine
        )
        place = [parts.said, self._standing.epoch, self._standing.step]
        digest = hashlib.sha256(json.dumps(place, sort_keys=True).encode()).digest()
        distributed.check_same(parts.process, digest, parts.device)
        if standing is not None:
            self._go_on(standing)
        self._trainable = parts.module
        if parts.process.count > 1:
            ids = [parts.device] if parts.device.type == "cuda" else None
            self._trainable = torch.nn.parallel.DistributedDataParallel(parts.module, device_ids=ids)
            if parts.average is not None and standing is None:
                parts.average.set(parts.module)  # which is the first process's by now
        self._criterion = torch.nn.CrossEntropyLoss(reduction="sum")
        self._saved, self._save_seconds = time.monotonic(), 0.0
        self._telling = Telling(parts, self._standing, notices, progress)

    def _go_on(self, standing: Standing) -> None:
        parts = self._parts
        state.check_same(standing.said, parts.said, self._folder)
        changed = [name for name, value in parts.machine.items() if standing.machine.get(name) != value]
        if changed:
            self._notices.info(f"goes on with another {', '.join(changed)}: not to the very same bytes")
        state.load_state(self._folder, parts.module, parts.average, parts.optimizer)
        if self._updates():
            parts.scheduler.step(max(standing.validated, 0))
            parts.scheduler.step_update(self._updates())

    def train(self) -> Trained:
        """Train to the end; give the best tensors, how good they are and a row an epoch."""
        parts, standing = self._parts, self._standing
        loader = loader_of(
            TrainingPhotos(parts.photos.training, parts.recipe, parts.config), parts.batches, self._workers
        )
        try:
            while True:
                if standing.validated < standing.epoch:
                    self._validate()
                if standing.epoch == parts.epochs or self._is_given_up():
                    break
                self._epoch(loader)
        except _Diverged:
            self._end_diverged()
        return self._best()

    def _epoch(self, loader: Any) -> None:
        """Do the rest of one epoch."""
        parts, standing = self._parts, self._standing
        batches = parts.batches
        batches.epoch, batches.first, batches.side = standing.epoch, standing.step, parts.sides[standing.epoch]
        if parts.mixing is not None and parts.recipe.mixup_off_epoch:
            parts.mixing.mixup_enabled = standing.epoch < parts.recipe.mixup_off_epoch
        parts.module.train()
        if parts.freezes:
            network.freeze_batch_norm(parts.module)
        for pixels, labels in loader:
            self._step(pixels, labels)
            standing.step += 1
            self._telling.step()
            self._end_if_asked()
            if time.monotonic() - self._saved > max(_SAVE_SECONDS, _SAVE_PART * self._save_seconds):
                self._save()
        standing.epoch, standing.step = standing.epoch + 1, 0

    def _step(self, pixels: torch.Tensor, labels: torch.Tensor) -> None:
        parts = self._parts
        begin_chance("step", parts.recipe.seed, self._updates(), parts.process.rank)
        pixels, labels = pixels.to(parts.device), labels.to(parts.device)
        if parts.mixing is not None:
            pixels, labels = parts.mixing(pixels, labels)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        with torch.autocast(parts.device.type, torch.bfloat16, enabled=parts.bf16):
            loss = parts.loss(self._trainable(pixels), labels)
        parts.optimizer.zero_grad()
        loss.backward()
        (together,) = distributed.summed(parts.process, [loss.item() / parts.process.count], parts.device)
        if not math.isfinite(together):
            raise _Diverged
        network.clip(parts.recipe, parts.module)
        parts.optimizer.step()
        self._standing.losses += together
        updates = self._updates() + 1
        if parts.average is not None:
            parts.average.update(parts.module, step=updates)
        parts.scheduler.step_update(updates)

    def _validate(self) -> None:
        """Measure what there is now, after an epoch or before the first; keep it where it is the best so far."""
        parts, standing = self._parts, self._standing
        accuracy, loss = self._measured()
        row = {
            "epoch": standing.epoch,
            "side": parts.sides[standing.epoch - 1] if standing.epoch else parts.config.input_size[1],
            "loss": standing.losses / parts.batches.steps if standing.epoch else None,
            "validation": accuracy,
            "validation_loss": loss,
        }
        best = next((each for each in standing.history if each["epoch"] == standing.best), None)
        before = standing.best_file
        if best is None or _score(row) > _score(best):
            standing.best, standing.best_file = standing.epoch, f"best-{standing.epoch}.safetensors"
            if parts.process.is_first:
                state.save_tensors(self._folder / standing.best_file, dict(self._current().state_dict()))
        standing.history.append(row)
        standing.validated, standing.losses = standing.epoch, 0.0
        if standing.epoch:
            parts.scheduler.step(standing.epoch)
        self._save()
        if before and before != standing.best_file and parts.process.is_first:
            (self._folder / before).unlink(missing_ok=True)
        self._telling.epoch(row)

    def _measured(self) -> tuple[float | None, float | None]:
        """Accuracy and mean loss on the validation photos; None where there are none."""
        parts = self._parts
        count = len(parts.photos.validation)
        if not count:
            return None, None
        model = self._current()
        model.eval()
        right = loss = 0.0
        mine = range(parts.process.rank, count, parts.process.count)
        for begin in range(0, len(mine), _VALIDATION_BATCH):
            places = mine[begin : begin + _VALIDATION_BATCH]
            pixels = torch.from_numpy(crops_of(parts.photos.validation, places, parts.config)).to(parts.device)
            labels = torch.from_numpy(parts.photos.validation.labels[places]).to(parts.device)
            with torch.inference_mode(), torch.autocast(parts.device.type, torch.bfloat16, enabled=parts.bf16):
                logits = model(pixels.contiguous(memory_format=torch.channels_last)).float()
            right += float((logits.argmax(1) == labels).sum())
            loss += float(self._criterion(logits, labels))
            self._telling.step((begin + len(places)) / len(mine))
            if parts.process.count == 1:
                self._end_if_asked()
        right, loss = distributed.summed(parts.process, [right, loss], parts.device)
        return right / count, loss / count

    def _is_given_up(self) -> bool:
        standing, patience = self._standing, self._parts.recipe.patience
        return (
            bool(patience and len(self._parts.photos.validation)) and standing.epoch - max(standing.best, 0) >= patience
        )

    def _end_if_asked(self) -> None:
        """Keep the state and end, where a signal came to any process."""
        (asked,) = distributed.summed(self._parts.process, [float(self._signals.number)], self._parts.device)
        if asked:
            self._save()
            interrupted = Interrupted(self._signals.number or int(asked))
            interrupted.kept = f"{self._telling.place()} is kept up to this step; go on with --resume"
            raise interrupted

    def _save(self) -> None:
        """Write the state; that of a network which is no number any more never replaces a good one."""
        parts = self._parts
        if not all(bool(each.isfinite().all()) for each in parts.module.parameters()):
            raise _Diverged
        if parts.process.is_first:
            begin = time.monotonic()
            state.save_state(self._folder, self._standing, parts.module, parts.average, parts.optimizer)
            self._save_seconds = time.monotonic() - begin
        self._saved = time.monotonic()

    def _end_diverged(self) -> None:
        where = f"the loss became NaN in {self._telling.place()}, step {self._standing.step + 1}"
        if self._standing.best < 0:
            raise ModelError(f"{where}, before any epoch was whole; give a smaller --lr") from None
        self._notices.info(f"warning: {where}: it ends here, with the best until then; a smaller --lr may go further")

    def _best(self) -> Trained:
        standing = self._standing
        best = next(row for row in standing.history if row["epoch"] == standing.best)
        distributed.wait_for_all(self._parts.process)
        tensors = state.load_tensors(self._folder / standing.best_file)
        self._telling.end()
        history = [{**row, "kept": row["epoch"] == standing.best} for row in standing.history]
        return Trained({name: each.numpy() for name, each in tensors.items()}, best["validation"] or 0.0, history)

    def _current(self) -> torch.nn.Module:
        """What would be given back now: the moving average, where there is one."""
        average: Any = self._parts.average
        module: torch.nn.Module = self._parts.module if average is None else average.module
        return module

    def _updates(self) -> int:
        return self._standing.epoch * self._parts.batches.steps + self._standing.step


def _score(row: dict[str, Any]) -> tuple[float, float]:
    """How good an epoch is: its accuracy, and between equals its loss; without validation the later, the better."""
    if row["validation"] is None:
        return (0.0, float(row["epoch"]))
    return (row["validation"], -row["validation_loss"])
