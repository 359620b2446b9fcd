"""Several processes, one model: what torchrun says of them, and torch's own ways to agree. Nothing is asked of one."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed

from resnext.errors import ModelError, UsageError, first_line

# The others wait while the first process computes features and fits the head.
_WAIT = timedelta(hours=24)
_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class Process:
    """One of `count` processes; `rank` 0 writes. `local_rank` counts those of one machine, `machine` the machines."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    machine: int = 0

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
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "GROUP_RANK")
    try:
        rank, count, local, machine = (int(environment.get(name, "0")) for name in names)
    except ValueError as error:
        raise UsageError(f"RANK, WORLD_SIZE: no numbers, as torchrun sets them: {first_line(error)}") from error
    if not 0 <= rank < count or local < 0:
        raise UsageError(f"RANK {rank} of WORLD_SIZE {count}: not as torchrun sets them")
    return Process(rank, count, local, machine)


@contextmanager
def joined(process: Process, device: torch.device) -> Iterator[None]:
    """Belong to the group of processes within this block.

    Raises:
        ModelError: they don't find each other.
    """
    if process.count == 1:
        yield
        return
    try:
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_WAIT)
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"the processes of torchrun don't find each other: {first_line(error)}") from error
    try:
        yield
    finally:
        distributed.destroy_process_group()


def wait_for_all(process: Process) -> None:
    """Go on once all processes are here."""
    if process.count > 1:
        distributed.barrier()


def summed(process: Process, numbers: list[float], device: torch.device) -> list[float]:
    """Add up each of some numbers over all processes."""
    if process.count == 1:
        return numbers
    # Metal has no float64; the others keep the sums of integers exact in it.
    together = torch.tensor(numbers, dtype=torch.float32 if device.type == "mps" else torch.float64, device=device)
    distributed.all_reduce(together)
    return [float(each) for each in together.tolist()]


def check_same(process: Process, digest: bytes, device: torch.device) -> None:
    """Refuse to go on where the processes train on something different.

    Raises:
        ModelError: another process has another digest (of 32 bytes).
    """
    if process.count == 1:
        return
    mine = torch.tensor(list(digest[:_DIGEST_BYTES]), dtype=torch.uint8, device=device)
    first = mine.clone()
    distributed.broadcast(first, 0)
    (differing,) = summed(process, [float(not torch.equal(mine, first))], device)
    if differing:
        raise ModelError(
            f"{differing:.0f} of {process.count} processes see other photos, labels or settings than the first;"
            " give all of them the same"
        )
