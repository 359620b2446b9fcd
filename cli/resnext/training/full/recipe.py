"""The recipe of a training, under the names of timm's train.py: what `args.yaml` holds beside a checkpoint.

A name that would change the result and is not honoured here is refused by name; one that only says where data lie, how
fast they are read or what is logged is passed over.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from resnext.disk import read_regular
from resnext.errors import UsageError, first_line
from resnext.training.full.recipe_names import CHECKS, ONLY_AS, PASSED_OVER

_MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is trained; the names, units and meanings are timm's, the defaults are for fine-tuning.

    `batch_size` counts the photos of a step in all processes together. `lr` None: `lr_base` times the batch's part of
    `lr_base_size` (or its root, by `lr_base_scale`). The last four are not timm's: `low_size` is the input's side in
    pixels for the first `low_share` of the epochs (None: some 0.7 of the model's own; 0: none). `patience`: so many
    epochs without a better validation end it (0: never). `freeze_bn` keeps the statistics of batch norm as they were
    (None: on few photos).
    """

    epochs: int = 12
    batch_size: int = 16  # with 32 the bundled model takes 3.3 GB, with 16 2.2
    seed: int = 42
    opt: str = "adamw"
    opt_eps: float | None = None
    opt_betas: tuple[float, ...] | None = None
    momentum: float = 0.9
    weight_decay: float = 0.05
    clip_grad: float | None = None
    clip_mode: str = "norm"
    layer_decay: float | None = 0.75
    layer_decay_min_scale: float = 0.0
    layer_decay_no_opt_scale: float | None = None
    sched: str = "cosine"
    sched_on_updates: bool = True
    lr: float | None = None
    lr_base: float = 1.5e-3
    lr_base_size: int = 256
    lr_base_scale: str = ""
    lr_noise: tuple[float, ...] | None = None
    lr_noise_pct: float = 0.67
    lr_noise_std: float = 1.0
    lr_cycle_mul: float = 1.0
    lr_cycle_decay: float = 0.5
    lr_cycle_limit: int = 1
    lr_k_decay: float = 1.0
    warmup_lr: float = 1e-6
    min_lr: float = 0.0
    decay_milestones: tuple[int, ...] = (90, 180, 270)
    decay_epochs: float = 90.0
    warmup_epochs: int = 1
    warmup_prefix: bool = False
    cooldown_epochs: int = 0
    decay_rate: float = 0.1
    no_aug: bool = False
    train_crop_mode: str | None = None
    scale: tuple[float, ...] = (0.35, 1.0)
    ratio: tuple[float, ...] = (3 / 4, 4 / 3)
    hflip: float = 0.5
    vflip: float = 0.0
    color_jitter: float | None = 0.2
    color_jitter_prob: float | None = None
    grayscale_prob: float | None = None
    gaussian_blur_prob: float | None = None
    aa: str | None = "rand-m6-mstd0.5-inc1"
    reprob: float = 0.0
    remode: str = "pixel"
    recount: int = 1
    train_interpolation: str = "random"
    mixup: float = 0.0
    cutmix: float = 0.0
    cutmix_minmax: tuple[float, ...] | None = None
    mixup_prob: float = 1.0
    mixup_switch_prob: float = 0.5
    mixup_mode: str = "batch"
    mixup_off_epoch: int = 0
    smoothing: float = 0.1
    bce_loss: bool = False
    bce_sum: bool = False
    bce_target_thresh: float | None = None
    bce_pos_weight: float | None = None
    drop: float = 0.0
    drop_path: float | None = None
    drop_block: float | None = None
    bn_momentum: float | None = None
    bn_eps: float | None = None
    grad_checkpointing: bool = False
    model_ema: bool = True
    model_ema_decay: float = 0.998
    model_ema_warmup: bool = True
    low_size: int | None = None
    low_share: float = 0.7
    patience: int = 5
    freeze_bn: bool | None = None

    @property
    def mixes(self) -> bool:
        """Whether photos of a batch are mixed with each other."""
        return self.mixup > 0 or self.cutmix > 0 or self.cutmix_minmax is not None

    def learning_rate(self, batch_size: int) -> float:
        """The highest learning rate, by timm's rule where none is given, for a step of so many photos."""
        if self.lr is not None:
            return self.lr
        part = batch_size / self.lr_base_size
        by_root = any(name in self.opt.lower() for name in ("ada", "lamb"))
        scale = self.lr_base_scale or ("sqrt" if by_root else "linear")
        return self.lr_base * (math.sqrt(part) if scale == "sqrt" else part)


def read_recipe(path: Path, given: Recipe | None = None) -> Recipe:
    """Read a recipe in YAML; what the file doesn't say stays as in `given`.

    Raises:
        UsageError: it can't be read, is no mapping of names, or holds what can't be honoured; the names are told.
    """
    import yaml

    try:
        said = yaml.safe_load(read_regular(path, _MAX_BYTES))
    except OSError as error:
        raise UsageError(f"--recipe {path}: can't read it: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"--recipe {path}: not valid YAML: {first_line(error)}") from error
    if not isinstance(said, dict):
        raise UsageError(f"--recipe {path}: holds no names with values, as timm's args.yaml does")
    try:
        return recipe_of({str(name).replace("-", "_"): value for name, value in said.items()}, given)
    except UsageError as error:
        raise UsageError(f"--recipe {path}: {error}") from None


def recipe_of(said: Mapping[str, Any], given: Recipe | None = None) -> Recipe:
    """Make a recipe of names and values; names that are absent stay as in `given`.

    Raises:
        UsageError: a name is unknown, can't be honoured, or has a value that makes no sense.
    """
    unknown = [name for name in said if name not in CHECKS and name not in PASSED_OVER and name not in ONLY_AS]
    if unknown:
        raise UsageError(f"no such names in a recipe: {_listed(unknown)}")
    refused = [name for name, values in ONLY_AS.items() if name in said and said[name] not in values]
    if said.get("amp") is True and said.get("amp_dtype", "bfloat16") != "bfloat16":
        refused.append("amp_dtype")
    refused += [name for name in said if name in CHECKS and not CHECKS[name](said[name])]
    if refused:
        raise UsageError(f"can't honour {_listed(f'{name}: {said[name]!r}' for name in refused)}")
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in said.items() if name in CHECKS
    }
    return replace(given or Recipe(), **values)


def _listed(names: Any) -> str:
    said = [str(name)[:80] for name in names]
    more = f" and {len(said) - 5} more" if len(said) > 5 else ""
    return ", ".join(said[:5]) + more
