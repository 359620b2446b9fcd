"""The names of timm's train.py: those that are honoured, with what each may be; refused ones; those of no effect."""

from collections.abc import Callable
from typing import Any

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
    # Not plateau: what it does depends on all scores so far, and timm is about to drop it.
    "sched": _word("cosine", "tanh", "step", "multistep", "poly", "none"),
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

# What would change the result, and is only taken as train.py has it where nobody asks for anything.
ONLY_AS: dict[str, tuple[Any, ...]] = {
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
PASSED_OVER = frozenset(
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
    task_loss_weight patience_epochs
    """.split()
)
