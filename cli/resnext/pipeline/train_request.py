"""What one run of `train` is asked for."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from resnext.pipeline.run import RunRequest
    from resnext.pipeline.semi_job import SemiRequest
    from resnext.pipeline.whole_network import WholeRequest
    from resnext.training.photos import FoundPhotos

GroupBy = Literal["looks", "folder", "time", "none"]
Method = Literal["head", "full", "semi"]


class TrainRequest(NamedTuple):
    """All that one run of `train` was asked for. `test`: photos that only measure. `command` is what was typed."""

    run: "RunRequest"
    found: "FoundPhotos"
    test: "FoundPhotos | None"
    target: Path
    overwrite: bool
    method: Method
    group_by: GroupBy
    seed: int
    command: Sequence[str]
    semi: "SemiRequest | None" = None  # of --method semi
    whole: "WholeRequest | None" = None  # of --method full, and of --student full
