"""The recipe of a training, under the names of timm's train.py: what `args.yaml` holds beside a checkpoint.

A name that would change the result and is not honoured here is refused by name; one that only says where data lie, how
fast they are read or what is logged is passed over.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from resnext.disk import read_regular
from resnext.errors import UsageError, first_line

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
    batch_size: int = 32
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
    patience_epochs: int = 10
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
    unknown = [name for name in said if name not in CHECKS and name not in _PASSED_OVER and name not in _ONLY_AS]
    if unknown:
        raise UsageError(f"no such names in a recipe: {_listed(unknown)}")
    refused = [name for name, values in _ONLY_AS.items() if name in said and said[name] not in values]
    if said.get("amp") is True and said.get("amp_dtype", "bfloat16") != "bfloat16":
        refused.append("amp_dtype")
    if refused:
        raise UsageError(f"can't honour {_listed(f'{name}: {said[name]!r}' for name in refused)}")
    wrong = [name for name in said if name in CHECKS and not CHECKS[name](said[name])]
    if wrong:
        raise UsageError(f"values that make no sense: {_listed(f'{name}: {said[name]!r}' for name in wrong)}")
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}
    return replace(given or Recipe(), **{name: value for name, value in values.items() if name in CHECKS})


def _listed(names: Any) -> str:
    said = [str(name)[:80] for name in names]
    more = f" and {len(said) - 5} more" if len(said) > 5 else ""
    return ", ".join(said[:5]) + more


_Check = Callable[[Any], bool]


def _number(least: float, most: float) -> _Check:
    return lambda value: (
        isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most  # NaN is in no range
    )


def _whole(least: int, most: int) -> _Check:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _numbers(counts: tuple[int, ...], each: _Check) -> _Check:
    return lambda value: isinstance(value, list | tuple) and len(value) in counts and all(map(each, value))


def _word(*words: str) -> _Check:
    return lambda value: value in words if words else isinstance(value, str) and 0 < len(value) <= 100


def _or_none(check: _Check) -> _Check:
    return lambda value: value is None or check(value)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _rising(least: float, most: float) -> _Check:
    pair = _numbers((2,), _number(least, most))
    return lambda value: pair(value) and value[0] <= value[1]


_SHARE, _RATE = _number(0, 1), _number(0, 1e3)
CHECKS: dict[str, _Check] = {
    "epochs": _whole(1, 100_000),
    "batch_size": _whole(1, 65_536),
    "seed": _whole(0, 2**63 - 1),
    # The first keeps a second copy of the weights where no state of an optimizer shows it, the other wants gradients of
    # gradients.
    "opt": lambda value: _word()(value) and not value.lower().startswith(("lookahead", "adahessian")),
    "opt_eps": _or_none(_number(0, 1)),
    "opt_betas": _or_none(_numbers((1, 2, 3), _SHARE)),
    "momentum": _SHARE,
    "weight_decay": _RATE,
    "clip_grad": _or_none(_number(1e-9, 1e9)),
    "clip_mode": _word("norm", "value", "agc"),
    "layer_decay": _or_none(_number(1e-3, 1)),
    "layer_decay_min_scale": _SHARE,
    "layer_decay_no_opt_scale": _or_none(_SHARE),
    "sched": _word("cosine", "tanh", "step", "multistep", "plateau", "poly", "none"),
    "sched_on_updates": _flag,
    "lr": _or_none(_RATE),
    "lr_base": _RATE,
    "lr_base_size": _whole(1, 10**9),
    "lr_base_scale": _word("", "linear", "sqrt"),
    "lr_noise": _or_none(_numbers((1, 2), _SHARE)),
    "lr_noise_pct": _SHARE,
    "lr_noise_std": _RATE,
    "lr_cycle_mul": _number(0.01, 100),
    "lr_cycle_decay": _SHARE,
    "lr_cycle_limit": _whole(1, 10_000),
    "lr_k_decay": _number(0.01, 100),
    "warmup_lr": _RATE,
    "min_lr": _RATE,
    "decay_milestones": _numbers(tuple(range(1, 100)), _whole(1, 100_000)),
    "decay_epochs": _number(0, 100_000),
    "warmup_epochs": _whole(0, 100_000),
    "warmup_prefix": _flag,
    "cooldown_epochs": _whole(0, 100_000),
    "patience_epochs": _whole(0, 100_000),
    "decay_rate": _SHARE,
    "no_aug": _flag,
    "train_crop_mode": _or_none(_word("rrc", "rkrc", "rkrr")),
    "scale": _rising(1e-3, 1),
    "ratio": _rising(0.01, 100),
    "hflip": _SHARE,
    "vflip": _SHARE,
    "color_jitter": _or_none(_number(0, 1)),
    "color_jitter_prob": _or_none(_SHARE),
    "grayscale_prob": _or_none(_SHARE),
    "gaussian_blur_prob": _or_none(_SHARE),
    "aa": _or_none(_word()),
    "reprob": _SHARE,
    "remode": _word("const", "rand", "pixel"),
    "recount": _whole(1, 100),
    "train_interpolation": _word("", "random", "bilinear", "bicubic", "lanczos", "nearest", "box", "hamming"),
    "mixup": _RATE,
    "cutmix": _RATE,
    "cutmix_minmax": _or_none(_rising(0, 1)),
    "mixup_prob": _SHARE,
    "mixup_switch_prob": _SHARE,
    "mixup_mode": _word("batch", "pair", "elem"),
    "mixup_off_epoch": _whole(0, 100_000),
    "smoothing": _number(0, 0.999),
    "bce_loss": _flag,
    "bce_sum": _flag,
    "bce_target_thresh": _or_none(_SHARE),
    "bce_pos_weight": _or_none(_number(0, 1e6)),
    "drop": _number(0, 0.999),
    "drop_path": _or_none(_number(0, 0.999)),
    "drop_block": _or_none(_number(0, 0.999)),
    "bn_momentum": _or_none(_SHARE),
    "bn_eps": _or_none(_number(0, 1)),
    "grad_checkpointing": _flag,
    "model_ema": _flag,
    "model_ema_decay": _SHARE,
    "model_ema_warmup": _flag,
    "low_size": _or_none(_whole(0, 1024)),
    "low_share": _SHARE,
    "patience": _whole(0, 100_000),
    "freeze_bn": _or_none(_flag),
}
assert set(CHECKS) == {field.name for field in fields(Recipe)}

# What would change the result, and is only taken as train.py has it where nobody asks for anything.
_ONLY_AS: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("gp", "img_size", "input_size", "crop_pct", "mean", "std", "model_dtype"), (None,)),
    **dict.fromkeys(("head_init_scale", "head_init_bias", "drop_connect", "train_img_sizes"), (None,)),
    **dict.fromkeys(("train_batches_per_epoch", "kd_model_name", "pretrained_path", "class_map"), (None, "")),
    **dict.fromkeys(("fast_norm", "jsd_loss", "resplit", "sync_bn", "split_bn", "naflex_loader"), (None, False)),
    **dict.fromkeys(("epoch_repeats", "aug_repeats", "aug_splits", "tta"), (None, 0)),
    **dict.fromkeys(("model_kwargs", "opt_kwargs"), (None, {})),
    "grad_accum_steps": (None, 0, 1),
    "in_chans": (None, 3),
    "interpolation": (None, ""),
    "initial_checkpoint": (None, ""),
    "eval_metric": (None, "top1"),
    "input_img_mode": (None, "RGB"),
    "train_num_samples": (None,),
    "val_num_samples": (None,),
}
# Where data lie, what is logged and how fast it goes; what the command line says (model, classes, device); and what
# belongs to one of the names above.
_PASSED_OVER = frozenset(
    """
    data data_dir dataset train_split val_split dataset_download dataset_trust_remote_code input_key target_key
    model pretrained resume no_resume_opt start_epoch num_classes validation_batch_size channels_last fuser torchscript
    torchcompile torchcompile_mode device amp amp_dtype amp_impl no_ddp_bb synchronize_step local_rank device_modules
    dist_bn model_ema_force_cpu worker_seeding log_interval val_interval recovery_interval checkpoint_hist workers
    save_images pin_mem no_prefetcher output experiment use_multi_epochs_loader log_wandb wandb_project wandb_tags
    wandb_resume_id config prefetcher distributed world_size rank train_batch_sizes train_size_probs train_size_schedule
    train_size_schedule_spread train_size_random_mix variable_batch_loss_scale naflex_train_seq_lens naflex_max_seq_len
    naflex_patch_sizes naflex_patch_size_probs naflex_loss_scale naflex_patchify_channels_first kd_distill_type
    kd_loss_type kd_temperature kd_student_feature_dim kd_teacher_feature_dim kd_token_distill_type distill_loss_weight
    task_loss_weight
    """.split()
)
