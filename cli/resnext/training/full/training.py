"""The whole network trained, by one process or by several: from photos with labels to what validates best."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from resnext.console.interrupts import Noted, noting_signals
from resnext.console.terminal import Notices
from resnext.engines.torch_engine import checked_device
from resnext.errors import UsageError
from resnext.training.full import distributed, state
from resnext.training.full.assembly import assembled, deterministic, found_photos, prepared
from resnext.training.full.loop import Loop
from resnext.training.full.settings import FullSettings, Process, WholeNetwork, process_of
from resnext.training.full.state import Standing
from resnext.training.labelled import LabelledPhoto
from resnext.training.trained import BaseModel, HeadFit, Progress

if TYPE_CHECKING:
    from resnext.training.trained import Tensors


def train_full(
    base: BaseModel,
    classes: int,
    photos: Sequence[LabelledPhoto],
    validation: Sequence[LabelledPhoto] | None,
    head: HeadFit | None,
    settings: FullSettings,
    progress: Progress,
    notices: Notices,
    folder: Path,
    *,
    start: "Tensors | None" = None,
    test: Sequence[LabelledPhoto] = (),
) -> WholeNetwork:
    """Train all of a network, from a head that was fitted to `photos` alone; give back what validates best.

    The head itself is a candidate: what comes out is never worse on `validation` than it. With None nothing is to be
    validated: the last epoch comes out. `start` has all tensors to begin with instead of the base's with the head, and
    is a candidate as well (a student that has learned from pseudo-labels). `folder` keeps the state; it is the caller's
    to remove. With `settings.resume` a killed run goes on from there, to the same bytes. Under torchrun the first
    process calls this, the others `follow`.

    Raises:
        UsageError: the recipe doesn't fit the model or the photos; or --resume finds another training's state.
        ModelError: the device is not there, or the loss became NaN before anything was learned.
        OutputError: the state can't be written; the last good one stays.
        Interrupted: a signal came; the state is kept.
    """
    if validation is not None and not validation and settings.pretrained:
        raise UsageError(
            "no photo is left to validate with, so that nothing could show whether the whole network is better than"
            " its head; give classes two photos or more, or take --method head"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with _ready(settings, folder) as (process, device, standing, threads, signals):
        decoded = prepared(
            base, photos, validation or (), test, settings, folder, lambda done, total: progress("decode", done, total)
        )
        distributed.wait_for_all(process)
        parts = assembled(base, classes, decoded, head, start, settings, process, device, threads)
        return Loop(parts, folder, settings.workers, signals, notices, progress, standing).train()


def follow(base: BaseModel, settings: FullSettings, folder: Path) -> None:
    """Be one of the other processes of torchrun: take part in what the first one trains, from its `folder`.

    Raises:
        As train_full; ModelError too where the folder is not there.
    """
    with _ready(settings, folder) as (process, device, standing, threads, signals):
        distributed.wait_for_all(process)  # until the photos are decoded
        decoded = found_photos(folder)
        classes = int(decoded.training.labels.max()) + 1
        parts = assembled(base, classes, decoded, None, None, settings, process, device, threads)
        Loop(parts, folder, settings.workers, signals, Notices(quiet=True), lambda *told: None, standing).train()


@contextmanager
def _ready(settings: FullSettings, folder: Path) -> Iterator[tuple[Process, torch.device, Standing | None, int, Noted]]:
    """Within this block the device is there, torch computes as an earlier run did, and signals are noted."""
    process = process_of()
    device = checked_device(f"cuda:{process.local_rank}" if settings.device == "cuda" else settings.device)
    standing = state.read_standing(folder) if settings.resume else None
    threads = int((standing.machine if standing else {}).get("threads", settings.threads))
    words = ("ending after this step; once more to end at once", "interrupted; go on with --resume")
    with deterministic(threads), distributed.joined(process, device), noting_signals(*words) as signals:
        yield process, device, standing, threads, signals
