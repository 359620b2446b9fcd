"""The loop over epochs and steps: what ends it, what is kept of it, and which of its states is given back."""

import hashlib
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from resnext.console.interrupts import Interrupted, Noted
from resnext.console.terminal import Notices
from resnext.errors import ModelError
from resnext.training.full import distributed, network, state
from resnext.training.full.assembly import Assembly
from resnext.training.full.augment import TrainingPhotos, begin_chance, loader_of
from resnext.training.full.prepared import Prepared, crops_of
from resnext.training.full.settings import WholeNetwork
from resnext.training.full.state import Standing
from resnext.training.full.telling import Telling
from resnext.training.trained import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

_VALIDATION_BATCH = 32
# A state is written after each epoch, and in between where so much time is gone and writing takes a 50th of it at most.
_SAVE_SECONDS, _SAVE_PART = 20.0, 50


class _Diverged(Exception):
    """The loss is no number any more."""


class Loop:
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

    def train(self) -> WholeNetwork:
        """Train to the end; give what was best."""
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
        if best is None or _is_better(row, best):
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
        """Accuracy and mean loss on the validation photos, of which each process takes some; None without any."""
        process, photos = self._parts.process, self._parts.photos.validation
        if not len(photos):
            return None, None
        mine = range(process.rank, len(photos), process.count)
        logits, labels = (
            torch.from_numpy(self._logits(photos, mine, validates=True)),
            torch.from_numpy(photos.labels[mine]),
        )
        right = float((logits.argmax(1) == labels).sum())
        loss = float(torch.nn.functional.cross_entropy(logits, labels, reduction="sum"))
        right, loss = distributed.summed(process, [right, loss], self._parts.device)
        return right / len(photos), loss / len(photos)

    def _logits(self, photos: Prepared, places: Sequence[int], *, validates: bool) -> "NDArray[np.float32]":
        """What the current network answers to some photos, (N, C) float32; a signal may end a validation."""
        parts, model = self._parts, self._current()
        model.eval()
        found = []
        for begin in range(0, len(places), _VALIDATION_BATCH):
            batch = places[begin : begin + _VALIDATION_BATCH]
            pixels = torch.from_numpy(crops_of(photos, batch, parts.config)).to(parts.device)
            with torch.inference_mode(), torch.autocast(parts.device.type, torch.bfloat16, enabled=parts.bf16):
                found.append(model(pixels.contiguous(memory_format=torch.channels_last)).float().cpu().numpy())
            if validates:
                self._telling.step((begin + len(batch)) / len(places))
                if parts.process.count == 1:
                    self._end_if_asked()
        return np.concatenate(found) if found else np.zeros((0, parts.classes), np.float32)

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
        self._notices.warning(f"{where}: it ends here, with the best until then; a smaller --lr may go further")

    def _best(self) -> WholeNetwork:
        parts, standing = self._parts, self._standing
        best = next(row for row in standing.history if row["epoch"] == standing.best)
        distributed.wait_for_all(parts.process)
        tensors = state.load_tensors(self._folder / standing.best_file)
        self._current().load_state_dict(tensors)
        some = range(len(parts.photos.validation) if parts.process.is_first else 0)
        others = range(len(parts.photos.test) if parts.process.is_first else 0)
        logits = self._logits(parts.photos.validation, some, validates=False)
        test = self._logits(parts.photos.test, others, validates=False)
        self._telling.end()
        return WholeNetwork(
            tensors={name: each.numpy() for name, each in tensors.items()},
            validation=best["validation"] or 0.0,
            history=[{**row, "kept": row["epoch"] == standing.best} for row in standing.history],
            is_head=standing.best == 0,
            logits=logits,
            test=test,
        )

    def _current(self) -> torch.nn.Module:
        """What would be given back now: the moving average, where there is one."""
        average: Any = self._parts.average
        module: torch.nn.Module = self._parts.module if average is None else average.module
        return module

    def _updates(self) -> int:
        return self._standing.epoch * self._parts.batches.steps + self._standing.step


def _is_better(row: dict[str, Any], best: dict[str, Any]) -> bool:
    """By accuracy, between equals by loss; the head gives way to what is more accurate alone.

    Without photos that validate the later is the better.
    """
    if row["validation"] is None or row["validation"] != best["validation"]:
        return row["validation"] is None or bool(row["validation"] > best["validation"])
    return bool(best["epoch"]) and bool(row["validation_loss"] < best["validation_loss"])
