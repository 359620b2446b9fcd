"""What is asked of a training of the whole network and what comes out; what must be settled before torch is there."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from resnext.errors import UsageError, first_line
from resnext.training.full.recipe import Recipe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from resnext.training.trained import Tensors


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


class WholeNetwork(NamedTuple):
    """What comes out: all tensors by timm's names, the accuracy on the validation photos and a row an epoch.

    `is_head`: they are still what training began with. `logits` (V, C) are those of the validation photos, `test` (T,
    C) those of the photos that only measure; float32.
    """

    tensors: "Tensors"
    validation: float
    history: Sequence[Mapping[str, Any]]
    is_head: bool
    logits: "NDArray[np.float32]"
    test: "NDArray[np.float32]"


@dataclass(frozen=True, slots=True)
class Process:
    """One of `count` processes that train one model together; `rank` 0 reads and writes. `local_rank`: its GPU."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        return self.rank == 0


def process_of(environment: Mapping[str, str] = os.environ) -> Process:
    """What torchrun says in the environment; one process where it says nothing.

    Raises:
        UsageError: what stands there makes no sense.
    """
    if "WORLD_SIZE" not in environment or "RANK" not in environment:
        return Process()
    try:
        rank, count, local = (int(environment.get(name, "0")) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    except ValueError as error:
        raise UsageError(f"RANK, WORLD_SIZE: no numbers, as torchrun sets them: {first_line(error)}") from error
    if not 0 <= rank < count or local < 0:
        raise UsageError(f"RANK {rank} of WORLD_SIZE {count}: not as torchrun sets them")
    return Process(rank, count, local)


def let_idle_threads_sleep() -> None:
    """Let torch's idle threads sleep instead of spin; only before torch is imported.

    Where others use the processors too, the spinning took three times the work itself.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
