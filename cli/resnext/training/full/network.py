"""timm's parts as a recipe asks for them: the network, its loss, optimizer and schedule, the mixing of photos."""

import importlib
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from resnext.compiling.timm_models import build_trainable, import_timm
from resnext.errors import UsageError, first_line
from resnext.training.full.recipe import Recipe
from resnext.training.trained import BaseModel, HeadFit

if TYPE_CHECKING:
    from resnext.training.trained import Tensors


class Scheduler(Protocol):
    """timm's: the learning rate is a function of the epochs, or of the updates, made so far."""

    def step(self, epoch: int) -> None: ...

    def step_update(self, num_updates: int) -> None: ...


def network(
    base: BaseModel, num_classes: int, head: HeadFit | None, start: "Tensors | None", recipe: Recipe, pretrained: bool
) -> torch.nn.Module:
    """Build the base with another classifier: the head's, or what `start` has of all tensors.

    Raises:
        UsageError: the model does not take what the recipe asks for.
        ModelError: the weights don't fit.
    """
    wanted = {
        "drop_rate": recipe.drop or None,
        "drop_path_rate": recipe.drop_path,
        "drop_block_rate": recipe.drop_block,
    }
    wanted |= {"bn_momentum": recipe.bn_momentum, "bn_eps": recipe.bn_eps}
    given = {name: value for name, value in wanted.items() if value is not None}
    torch.manual_seed(recipe.seed)  # what has no weights yet
    weights = base.weights if pretrained else None
    module = build_trainable(base.config.architecture, weights, base.config, num_classes, **given)
    if recipe.grad_checkpointing:
        _checkpoint_gradients(module)
    if start is not None:
        module.load_state_dict({name: torch.from_numpy(np.array(each)) for name, each in start.items()})
    elif head is not None:
        name = str(base.pretrained_cfg["classifier"])
        # A temperature below 1 makes answers surer, and the loss of a smoothed label far too large to begin with.
        scale = np.float32(min(head.temperature, 1.0))
        with torch.no_grad():
            for part, numbers in (("weight", head.weight), ("bias", head.bias)):
                parameter = module.get_parameter(f"{name}.{part}")
                parameter.copy_(torch.from_numpy(numbers * scale).reshape(parameter.shape))
    return module


def freeze_batch_norm(module: torch.nn.Module) -> None:
    """Let batch norm keep the statistics that it has; its scale and shift go on learning."""
    for each in module.modules():
        if isinstance(each, torch.nn.modules.batchnorm._BatchNorm):
            each.eval()


def loss_of(recipe: Recipe) -> torch.nn.Module:
    """What is made small: takes logits (B, C), and labels (B,) or, of mixed photos, shares (B, C)."""
    losses = _timm("loss")
    made: torch.nn.Module
    if recipe.bce_loss:
        made = losses.BinaryCrossEntropy(
            smoothing=0.0 if recipe.mixes else recipe.smoothing,
            target_threshold=recipe.bce_target_thresh,
            sum_classes=recipe.bce_sum,
            pos_weight=recipe.bce_pos_weight,
        )
    elif recipe.mixes:
        made = losses.SoftTargetCrossEntropy()
    elif recipe.smoothing:
        made = losses.LabelSmoothingCrossEntropy(smoothing=recipe.smoothing)
    else:
        made = torch.nn.CrossEntropyLoss()
    return made


def mixing_of(recipe: Recipe, num_classes: int) -> Any:
    """timm's Mixup, or None where the recipe mixes nothing."""
    if not recipe.mixes:
        return None
    return _timm("data").Mixup(
        mixup_alpha=recipe.mixup,
        cutmix_alpha=recipe.cutmix,
        cutmix_minmax=recipe.cutmix_minmax,
        prob=recipe.mixup_prob,
        switch_prob=recipe.mixup_switch_prob,
        mode=recipe.mixup_mode,
        label_smoothing=recipe.smoothing,
        num_classes=num_classes,
    )


def optimizer_of(recipe: Recipe, module: torch.nn.Module, batch_size: int) -> torch.optim.Optimizer:
    """timm's optimizer, with a learning rate that falls from layer to layer where the recipe says so.

    Raises:
        UsageError: timm has none of this name, or it needs what is not installed, or takes no such numbers.
    """
    numbers = {"eps": recipe.opt_eps, "betas": recipe.opt_betas, "layer_decay": recipe.layer_decay}
    try:
        made: torch.optim.Optimizer = _timm("optim").create_optimizer_v2(
            module,
            opt=recipe.opt,
            lr=recipe.learning_rate(batch_size),
            weight_decay=recipe.weight_decay,
            momentum=recipe.momentum,
            layer_decay_min_scale=recipe.layer_decay_min_scale,
            layer_decay_no_opt_scale=recipe.layer_decay_no_opt_scale,
            **{name: number for name, number in numbers.items() if number is not None},
        )
    except Exception as error:  # whatever an optimizer raises of names and numbers that it does not take
        raise UsageError(
            f"timm makes no optimizer as the recipe says (opt: {recipe.opt}): {first_line(error)}"
        ) from error
    return made


def schedule_of(recipe: Recipe, optimizer: torch.optim.Optimizer, updates_per_epoch: int) -> tuple[Scheduler, int]:
    """timm's schedule, and how many epochs it makes of the recipe's."""
    scheduler, epochs = _timm("scheduler").create_scheduler_v2(
        optimizer,
        sched=recipe.sched,
        num_epochs=recipe.epochs,
        decay_epochs=recipe.decay_epochs,
        decay_milestones=recipe.decay_milestones,
        warmup_epochs=recipe.warmup_epochs,
        warmup_prefix=recipe.warmup_prefix,
        cooldown_epochs=recipe.cooldown_epochs,
        decay_rate=recipe.decay_rate,
        min_lr=recipe.min_lr,
        warmup_lr=recipe.warmup_lr,
        noise=list(recipe.lr_noise) if recipe.lr_noise else None,
        noise_pct=recipe.lr_noise_pct,
        noise_std=recipe.lr_noise_std,
        noise_seed=recipe.seed,
        cycle_mul=recipe.lr_cycle_mul,
        cycle_decay=recipe.lr_cycle_decay,
        cycle_limit=recipe.lr_cycle_limit,
        k_decay=recipe.lr_k_decay,
        step_on_epochs=not recipe.sched_on_updates,
        updates_per_epoch=updates_per_epoch,
    )
    return scheduler or _Constant(), int(epochs)


def average_of(recipe: Recipe, module: torch.nn.Module) -> Any:
    """timm's moving average of the weights, or None."""
    if not recipe.model_ema:
        return None
    return _timm("utils").ModelEmaV3(module, decay=recipe.model_ema_decay, use_warmup=recipe.model_ema_warmup)


def clip(recipe: Recipe, module: torch.nn.Module) -> None:
    """Hold the gradients to what the recipe allows."""
    if recipe.clip_grad is None:
        return
    parts = _timm("utils")
    parameters = _timm("models").model_parameters(module, exclude_head="agc" in recipe.clip_mode)
    parts.dispatch_clip_grad(parameters, value=recipe.clip_grad, mode=recipe.clip_mode)


class _Constant:
    """No schedule: the learning rate stays."""

    def step(self, epoch: int) -> None: ...

    def step_update(self, num_updates: int) -> None: ...


def _checkpoint_gradients(module: Any) -> None:
    try:
        module.set_grad_checkpointing(enable=True)
    except (AttributeError, AssertionError, NotImplementedError) as error:
        raise UsageError(f"grad_checkpointing: {type(module).__name__} has none") from error


def _timm(part: str) -> Any:
    import_timm()
    return importlib.import_module(f"timm.{part}")
