"""A training put together: the network with what trains it, the photos, and what must stay the same when it goes on."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from resnext.errors import UsageError
from resnext.images import preprocess
from resnext.records import PreprocessingConfig
from resnext.training.full import network
from resnext.training.full.augment import Batches, transform_of
from resnext.training.full.network import Scheduler
from resnext.training.full.prepared import Prepared, copies, crops, found
from resnext.training.full.recipe import Recipe
from resnext.training.full.settings import FullSettings, Process
from resnext.training.labelled import LabelledPhoto
from resnext.training.trained import BaseModel, HeadFit

if TYPE_CHECKING:
    from resnext.training.trained import Tensors

# Below so many photos the statistics that the base learned are better than those of a few batches.
_FEW_PHOTOS = 500
_TRAINING, _VALIDATION, _TEST = "training.photos", "validation.photos", "test.photos"
_LOW_PART, _SIDE_STEP = 0.7, 32  # of the input's side, in pixels, for the first epochs


@dataclass(frozen=True, slots=True)
class Photos:
    """The decoded photos: copies to augment, crops that validate, and crops that only measure."""

    training: Prepared
    validation: Prepared
    test: Prepared


@dataclass(frozen=True, slots=True)
class Assembly:
    """All parts of one training.

    `module` is the network, `trainable` the same as all processes train it together, `average` timm's moving average.
    `has_candidate`: what it begins with is an answer already, which is called `beginning`. `sides` has the input's side
    for each epoch. `said` is what must be the same when it goes on, `machine` what must be for the very same bytes.
    """

    recipe: Recipe
    config: PreprocessingConfig
    classes: int
    process: Process
    device: torch.device
    bf16: bool
    photos: Photos
    batches: Batches
    batch_size: int
    freezes: bool
    has_candidate: bool
    beginning: str
    module: torch.nn.Module
    average: Any
    loss: torch.nn.Module
    mixing: Any
    optimizer: torch.optim.Optimizer
    scheduler: Scheduler
    sides: tuple[int, ...]
    said: dict[str, Any]
    machine: dict[str, Any]

    @property
    def epochs(self) -> int:
        return len(self.sides)


def prepared(
    base: BaseModel,
    training: Sequence[LabelledPhoto],
    validation: Sequence[LabelledPhoto],
    test: Sequence[LabelledPhoto],
    settings: FullSettings,
    folder: Path,
    told: Callable[[int, int], None],
) -> Photos:
    """Decode all photos into `folder`.

    Raises:
        OutputError: they can't be written.
    """
    config, bounds = preprocess.from_pretrained_cfg(dict(base.pretrained_cfg)), settings.max_megapixels
    before, everything = 0, len(training) + len(validation) + len(test)

    def told_of_all(done: int, total: int) -> None:
        told(before + done, everything)

    side = max(config.input_size[1:])
    first = copies(training, side, bounds, folder, _TRAINING, settings.threads, told_of_all)
    before = len(training)
    second = crops(validation, config, bounds, folder, _VALIDATION, settings.threads, told_of_all)
    before += len(validation)
    third = crops(test, config, bounds, folder, _TEST, settings.threads, told_of_all)
    return Photos(first, second, third)


def found_photos(folder: Path) -> Photos:
    """The photos that the first process has decoded.

    Raises:
        ModelError: they are not there.
    """
    return Photos(found(folder, _TRAINING), found(folder, _VALIDATION), found(folder, _TEST))


def assembled(
    base: BaseModel,
    num_classes: int,
    photos: Photos,
    head: HeadFit | None,
    start: "Tensors | None",
    settings: FullSettings,
    process: Process,
    device: torch.device,
    threads: int,
) -> Assembly:
    """Put a training together.

    Raises:
        UsageError: the recipe doesn't fit the model, or the photos are too few.
        ModelError: the weights don't fit the model.
    """
    recipe, count = settings.recipe, len(photos.training)
    each = process.count * (2 if recipe.mixes else 1)
    batch_size = min(recipe.batch_size, count) // each * each
    if not batch_size:
        raise UsageError(f"{count} photos to train on, and a step takes {each} at least")
    # The first process's tensors go to all.
    module = network.network(base, num_classes, head, start, recipe, settings.pretrained)
    module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    batches = Batches(count, batch_size, recipe.seed, process.rank, process.count)
    optimizer = network.optimizer_of(recipe, module, batch_size)
    scheduler, epochs = network.schedule_of(recipe, optimizer, batches.steps)
    config = preprocess.from_pretrained_cfg(dict(base.pretrained_cfg))
    transform_of(recipe, config, config.input_size[1])  # a policy that timm does not know is told before all else
    few = count < _FEW_PHOTOS and settings.pretrained
    bf16 = _gains_from_bf16(device) if settings.bf16 is None else settings.bf16
    low = _low_side(recipe, config.input_size[1], bool(base.pretrained_cfg.get("fixed_input_size")))
    low_epochs = round(epochs * recipe.low_share)
    return Assembly(
        recipe=recipe,
        config=config,
        classes=num_classes,
        process=process,
        device=device,
        bf16=bf16,
        photos=photos,
        batches=batches,
        batch_size=batch_size,
        freezes=few if recipe.freeze_bn is None else recipe.freeze_bn,
        has_candidate=head is not None or start is not None or (process.rank > 0 and settings.pretrained),
        beginning="the head alone" if start is None else "what it began with",
        module=module,
        average=network.average_of(recipe, module),
        loss=network.loss_of(recipe).to(device),
        mixing=network.mixing_of(recipe, num_classes),
        optimizer=optimizer,
        scheduler=scheduler,
        sides=tuple(low if epoch < low_epochs else config.input_size[1] for epoch in range(epochs)),
        said={
            "model": base.name,
            "weights": base.weights.digest if settings.pretrained else "",
            "number of classes": num_classes,
            "recipe": asdict(recipe),
            "set of photos": photos.training.digest.hex(),
            "set of validation photos": photos.validation.digest.hex(),
            "number of processes": process.count,
        },
        machine={
            "threads": threads,
            "torch": torch.__version__,
            "processor": torch.backends.cpu.get_cpu_capability(),
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
            "precision": "bf16" if bf16 else "fp32",
        },
    )


@contextmanager
def deterministic(threads: int) -> Iterator[None]:
    """Within this block torch computes the same numbers each time, with so many threads."""
    before, was = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    warned = torch.is_deterministic_algorithms_warn_only_enabled()
    # A matter of finding bugs, at a price.
    filling: Any = torch.utils.deterministic
    fills, benchmark = filling.fill_uninitialized_memory, torch.backends.cudnn.benchmark
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what CUDA's matrix products ask for
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    filling.fill_uninitialized_memory = False
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.use_deterministic_algorithms(was, warn_only=warned)
        filling.fill_uninitialized_memory = fills
        torch.backends.cudnn.benchmark = benchmark


def _low_side(recipe: Recipe, side: int, is_fixed: bool) -> int:
    """The input's side in pixels for the first epochs; the model's own where it takes no other."""
    if is_fixed or recipe.low_size == 0:
        return side
    low = recipe.low_size or max(2, round(side * _LOW_PART / _SIDE_STEP)) * _SIDE_STEP
    return min(low, side)


def _gains_from_bf16(device: torch.device) -> bool:
    """GPUs that compute in bf16 do; a CPU without AMX loses."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu._is_amx_tile_supported())
