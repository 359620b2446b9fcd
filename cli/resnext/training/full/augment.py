"""Which photo comes when, and what chance makes of it: functions of the seed, the epoch and the photo alone.

So a run that was killed goes on exactly as it would have gone, with any number of workers.
"""

import hashlib
import importlib
import io
import random
import signal
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from resnext.compiling.timm_models import import_timm
from resnext.errors import UsageError, first_line
from resnext.records import PreprocessingConfig
from resnext.training.full.prepared import Prepared
from resnext.training.full.recipe import Recipe


class Drawn(NamedTuple):
    """One photo of one epoch, for an input of `side` pixels."""

    epoch: int
    at: int
    side: int


def number_of(*numbers: int | str) -> int:
    """A number of 63 bits that chance begins with: as good as any other for other numbers."""
    told = "/".join(map(str, numbers)).encode()
    return int.from_bytes(hashlib.sha256(told).digest()[:8], "little") >> 1


def begin_chance(*numbers: int | str) -> None:
    """Let all generators that timm and torch ask begin with a number of these."""
    begin = number_of(*numbers)
    random.seed(begin)
    np.random.seed(begin & 0xFFFFFFFF)
    torch.manual_seed(begin)


def order_of(seed: int, epoch: int, count: int) -> list[int]:
    """The order in which an epoch takes the photos."""
    return sorted(range(count), key=lambda at: number_of("order", seed, epoch, at))


class TrainingPhotos(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """What DataLoader asks for photos: gives pixels, float32 (3, H, W), augmented and normalized, and the label."""

    def __init__(self, photos: Prepared, recipe: Recipe, config: PreprocessingConfig) -> None:
        self._photos, self._recipe, self._config = photos, recipe, config
        self._transforms: dict[int, Callable[[Image.Image], torch.Tensor]] = {}

    def __getitem__(self, drawn: Drawn) -> tuple[torch.Tensor, int]:
        transform = self._transforms.get(drawn.side)
        if transform is None:
            transform = self._transforms[drawn.side] = transform_of(self._recipe, self._config, drawn.side)
        begin_chance("photo", self._recipe.seed, drawn.epoch, drawn.at)
        with Image.open(io.BytesIO(self._photos.content(drawn.at))) as image:
            return transform(image.convert("RGB")), int(self._photos.labels[drawn.at])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_transforms": {}}


class Batches:
    """What DataLoader asks for batches: those of one epoch from one step on, a process's part of each.

    An epoch leaves out the photos behind its last whole batch, others every time.
    """

    def __init__(self, count: int, batch_size: int, seed: int, rank: int, processes: int) -> None:
        self._count, self._batch_size, self._seed = count, batch_size, seed
        self._rank, self._processes = rank, processes
        self.steps = count // batch_size
        self.epoch, self.first, self.side = 0, 0, 0

    def __iter__(self) -> Iterator[list[Drawn]]:
        order = order_of(self._seed, self.epoch, self._count)
        for step in range(self.first, self.steps):
            begin = step * self._batch_size
            batch = order[begin : begin + self._batch_size]
            yield [Drawn(self.epoch, at, self.side) for at in batch[self._rank :: self._processes]]

    def __len__(self) -> int:
        return self.steps - self.first


def loader_of(photos: TrainingPhotos, batches: Batches, workers: int) -> "torch.utils.data.DataLoader[Any]":
    """Read batches, in `workers` processes beside this one (0: in this one)."""
    return torch.utils.data.DataLoader(
        photos,
        batch_sampler=batches,
        num_workers=workers,
        persistent_workers=workers > 0,
        # Not forked from this process, which has threads of its own; and each worker's import of timm is ours.
        multiprocessing_context="forkserver" if workers and _has_forkserver() else "spawn" if workers else None,
        worker_init_fn=_begin_worker if workers else None,
    )


def _has_forkserver() -> bool:
    import multiprocessing

    return "forkserver" in multiprocessing.get_all_start_methods()


def _begin_worker(number: int) -> None:
    """Ctrl-C at a terminal goes to all processes; the first one ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def transform_of(recipe: Recipe, config: PreprocessingConfig, side: int) -> Callable[[Image.Image], torch.Tensor]:
    """timm's augmentation as a recipe asks for it, for an input of `side` pixels.

    Raises:
        UsageError: timm has no such policy.
    """
    import_timm()
    _, height, width = config.input_size
    try:
        made: Callable[[Image.Image], torch.Tensor] = importlib.import_module("timm.data").create_transform(
            input_size=(3, side, round(side * width / height)),
            is_training=True,
            no_aug=recipe.no_aug,
            train_crop_mode=recipe.train_crop_mode,
            scale=recipe.scale,
            ratio=recipe.ratio,
            hflip=recipe.hflip,
            vflip=recipe.vflip,
            color_jitter=recipe.color_jitter,
            color_jitter_prob=recipe.color_jitter_prob,
            grayscale_prob=recipe.grayscale_prob or 0.0,
            gaussian_blur_prob=recipe.gaussian_blur_prob or 0.0,
            auto_augment=recipe.aa,
            interpolation=config.interpolation if recipe.no_aug else recipe.train_interpolation or config.interpolation,
            mean=config.mean,
            std=config.std,
            re_prob=recipe.reprob,
            re_mode=recipe.remode,
            re_count=recipe.recount,
        )
    except Exception as error:  # whatever its parsers of policies raise
        raise UsageError(
            f"timm makes no augmentation as the recipe says (aa: {recipe.aa}): {first_line(error)}"
        ) from error
    return made
