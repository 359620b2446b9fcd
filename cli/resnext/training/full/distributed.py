"""Several processes, one model: torch's own ways to agree. Nothing is asked of one."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import distributed

from resnext.errors import ModelError, first_line
from resnext.training.full.settings import Process

# The others wait while the first process computes features and fits the head.
_WAIT = timedelta(hours=24)
_DIGEST_BYTES = 32


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
