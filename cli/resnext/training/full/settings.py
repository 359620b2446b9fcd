"""What is asked of a training of the whole network, and what must be settled before torch is imported."""

import os
from dataclasses import dataclass

from resnext.training.full.recipe import Recipe


@dataclass(frozen=True, slots=True)
class FullSettings:
    """What is asked of a training beside its photos.

    `pretrained` False begins from nothing. `bf16` None: where the device gains from it. `workers` processes augment
    beside this one (0: this one does), which changes nothing but time. It computes with `threads`, or with as many as a
    run that it goes on with (`resume`): they decide the order of sums, and so the last bits.
    """

    recipe: Recipe
    pretrained: bool = True
    device: str = "cpu"
    bf16: bool | None = None
    workers: int = 0
    threads: int = 1
    max_megapixels: float = 200.0
    resume: bool = False


def let_idle_threads_sleep() -> None:
    """Let torch's idle threads sleep instead of spin; only before torch is imported.

    Where others use the processors too, the spinning took three times the work itself.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
