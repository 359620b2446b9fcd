"""Machines that do nothing, at once: the driver of a cluster alone, without Ray. As a program: what it takes."""

import resource
import sys
from collections import deque
from pathlib import Path
from typing import Any, cast

from resnext.console.terminal import Notices
from resnext.outputs.parts import open_folder
from resnext.outputs.parts.manifest import Manifest
from resnext.outputs.run_note import Settings
from resnext.pipeline.cluster.casualties import Case
from resnext.pipeline.cluster.driver import ClusterRequest, Handout
from resnext.pipeline.cluster.worker import Done
from resnext.pipeline.run import RunRequest
from resnext.shelf.request import ModelRequest
from resnext.sources.config import SourceConfig

Outcome = tuple[Case, Done | None]


class IdleMachines:
    """As many workers as asked for. `deadly` inputs, by their names, kill; keeps the numbers of finished shards."""

    def __init__(self, workers: int, deadly: frozenset[str] = frozenset()) -> None:
        self._workers, self._deadly = workers, deadly
        self._busy: deque[Case] = deque()
        self.shards: list[int] = []
        self.deaths = self.most = 0

    @property
    def idle(self) -> int:
        return self._workers - len(self._busy)

    @property
    def ready(self) -> int:
        return self._workers

    def give(self, case: Case) -> None:
        self._busy.append(case)
        self.most = max(self.most, len(self._busy))

    def outcomes(self, seconds: float) -> list[Outcome]:
        ended = [(case, self._result(case)) for case in self._busy]
        self._busy.clear()
        return ended

    def _result(self, case: Case) -> Done | None:
        trial = case.trial
        tried = [
            item
            for number, item in enumerate(trial.shard.items)
            if number not in trial.condemned and trial.first <= number < (trial.end or len(trial.shard.items))
        ]
        if any(cast(Any, item).file in self._deadly for item in tried):
            self.deaths += 1
            return None
        if trial.end is None:
            self.shards.append(trial.shard.number)
        return Done(len(trial.shard.items), failures={"worker_died": len(trial.condemned)} if trial.condemned else {})


class IdleJob:
    verb, abstained_words = "labelled", ""

    def abstained(self, record: object) -> bool:
        return False


def handout(
    output: Path, machines: IdleMachines, *, size: int, retries: int = 1, paths: tuple[str, ...] = ()
) -> Handout:
    """The driver of a list on stdin, or of `paths`."""
    sources = SourceConfig(files_from=() if paths else ("-",), elsewhere=True)
    run = RunRequest(paths, ModelRequest(), "never", sources, 1, 100, False, 1, progress=False)
    folder = open_folder(str(output))
    folder.make()
    return Handout(
        ClusterRequest("local", None, size, 1), run, cast(Any, IdleJob()), "model",
        Manifest(Settings("classify", {}), size), folder, cast(Any, machines), Notices(quiet=True),
    )  # fmt: skip


if __name__ == "__main__":
    handout(Path(sys.argv[1]), IdleMachines(2), size=2000).go()
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_maxrss // 1024, used.ru_utime + used.ru_stime)
