"""What people read of a training: how far it is, each epoch in a line, and in the end what was kept and why."""

import math
import time
from typing import Any

from resnext.console.terminal import Notices
from resnext.training.full.assembly import Assembly
from resnext.training.full.state import Standing
from resnext.training.trained import Progress

_VALIDATION_COST = 0.35  # of a photo that is trained on: there is no way back


class Telling:
    """Tells of one training. What is done is counted in photos of full size that were trained on."""

    def __init__(self, parts: Assembly, standing: Standing, notices: Notices, progress: Progress) -> None:
        self._parts, self._standing, self._notices, self._progress = parts, standing, notices, progress
        full, photos = parts.config.input_size[1], parts.batches.steps * parts.batch_size
        self._epochs = [(side / full) ** 2 * photos for side in parts.sides]
        self._validation = _VALIDATION_COST * len(parts.photos.validation)
        self._all = sum(self._epochs) + self._validation * (parts.epochs + parts.has_candidate)
        self._begun, self._before = time.monotonic(), self._done()

    def place(self) -> str:
        """Where the training is, in words."""
        epoch = self._standing.epoch
        if self._standing.validated < epoch:
            return f"validation of epoch {epoch}" if epoch else "validation of what it begins with"
        if epoch == self._parts.epochs:
            return "figures of what is kept"
        return f"epoch {epoch + 1} of {self._parts.epochs}"

    def step(self, of_validation: float = 0.0) -> None:
        """Take note of a step, or of a part of a validation, from 0 to 1."""
        self._progress(self.place(), round(self._done() + of_validation * self._validation), round(self._all))

    def epoch(self, row: dict[str, Any]) -> None:
        """Say in a line what a validation found."""
        accuracy = (
            f"{row['validation']:.1%} on validation" if row["validation"] is not None else "nothing to validate on"
        )
        if not row["epoch"]:
            if row["validation"] is not None:
                self._notices.info(f"{self._parts.beginning}: {accuracy}")
            return
        done, place = self._done(), f"epoch {row['epoch']} of {self._parts.epochs} at {row['side']} pixels"
        seconds = (time.monotonic() - self._begun) * (self._all - done) / max(done - self._before, 1e-9)
        left = f"; {math.ceil(seconds / 60)} min left at most" if row["epoch"] < self._parts.epochs else ""
        self._notices.info(f"{place}: loss {row['loss']:.3f}, {accuracy}{left}")

    def end(self) -> None:
        """Say which state is kept, and why."""
        standing, count, beginning = self._standing, len(self._parts.photos.validation), self._parts.beginning
        rows = {row["epoch"]: row for row in standing.history}
        best = rows[standing.best]
        if best["validation"] is None:
            self._notices.info(f"kept: the network after epoch {standing.best}; no photo validated it")
            return
        right = f"{best['validation']:.1%} right on {count} validation photos"
        if standing.best:
            beside = f"; {beginning} {rows[0]['validation']:.1%}" if 0 in rows else ""
            self._notices.info(f"kept: the whole network after epoch {standing.best}, {right}{beside}")
            return
        others = [row["validation"] for row in standing.history if row["epoch"]]
        found = f"the whole network came to {max(others):.1%}" if others else "the whole network came to no epoch's end"
        self._notices.info(f"kept: {beginning}, {right}; {found}")

    def _done(self) -> float:
        standing = self._standing
        steps = sum(self._epochs[: standing.epoch])
        if standing.epoch < self._parts.epochs:
            steps += self._epochs[standing.epoch] * standing.step / self._parts.batches.steps
        return steps + self._validation * len(standing.history)
