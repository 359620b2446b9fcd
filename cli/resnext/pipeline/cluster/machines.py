"""The machines of a Ray cluster and the workers on them. The only room that knows Ray."""

import logging
import os
import socket
import time
from collections import Counter
from typing import Any, NamedTuple

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # or Ray warns of what it will do some day

os.environ.setdefault(
    "RAY_worker_niceness", "0"
)  # of a local cluster: 15 is Ray's own, which waits for every other program

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from resnext.console.terminal import Notices
from resnext.errors import ClusterError, first_line
from resnext.images import resources
from resnext.pipeline.cluster.casualties import Case
from resnext.pipeline.cluster.worker import Broken, Done, Worker, WorkOrder, versions

_LOOK_SECONDS = 2.0  # how often new machines and lost ones are looked for
_CONNECT_SECONDS = 10.0
_DEATHS_AT_START = 3
_LOCAL_STORE_BYTES = 256 << 20


class Outcome(NamedTuple):
    """What became of a trial; None: its worker died."""

    case: Case
    result: Done | Broken | None


class _Hired:
    """One worker on its way from its start to its death."""

    def __init__(self, actor: Any, node: str, where: str, cores: int, number: int) -> None:
        self.actor, self.node, self.where, self.cores, self.number = actor, node, where, cores, number
        self.state = "greeting"
        self.case: Case | None = None

    def __str__(self) -> str:
        return f"worker {self.number} on {self.where}"


class Machines:
    """Workers on all machines of a cluster, those that join it too; each gets one shard at a time."""

    def __init__(
        self, address: str, cores: int | None, order: WorkOrder, entry: dict[str, bytes], notices: Notices
    ) -> None:
        self._cores, self._notices, self._order = cores, notices, order
        self._connect(address, sum(map(len, entry.values())), notices)
        self._entry = ray.put(entry)
        self._actor = ray.remote(Worker)
        self._hired: dict[Any, _Hired] = {}  # by what is waited for; idle ones are in `_idle`
        self._idle: list[_Hired] = []
        self._refused: dict[str, str] = {}  # nodes, and why
        self._deaths_at_start: Counter[str] = Counter()
        self._next_look = 0.0
        self._count = 0

    def _connect(self, address: str, entry_bytes: int, notices: Notices) -> None:
        quiet: dict[str, Any] = {
            "log_to_driver": False,
            "logging_level": logging.INFO if notices.verbose else logging.CRITICAL,
        }
        _check_listening(address)
        try:
            if address == "local":
                ray.init(
                    "local", num_cpus=resources.processors(), include_dashboard=False,
                    object_store_memory=_LOCAL_STORE_BYTES + 2 * entry_bytes, **quiet,
                )  # fmt: skip
            else:
                ray.init(address, **quiet)
        except (ConnectionError, RuntimeError, ValueError, RayError, OSError) as error:
            if address == "auto":
                hint = "this machine belongs to no Ray cluster; 'ray start' joins one, --cluster local needs none"
            else:
                hint = f"can't be reached as a Ray cluster: {first_line(error)}"
            raise ClusterError(f"--cluster {address}: {hint}") from error

    # -- what the driver asks ----------------------------------------------------------------------------------------

    @property
    def idle(self) -> int:
        """How many workers have nothing to do."""
        return len(self._idle)

    @property
    def ready(self) -> int:
        """How many workers there are that can do shards."""
        return len(self._idle) + sum(worker.state == "working" for worker in self._hired.values())

    def give(self, case: Case) -> None:
        """Let an idle worker do what a shard needs next."""
        worker = self._idle.pop(0)
        trial = case.trial
        what = (
            trial.shard.part if trial.end is None else f"inputs {trial.first} to {trial.end - 1} of {trial.shard.part}"
        )
        self._notices.detail(f"{worker} does {what}")
        worker.state, worker.case = "working", case
        self._hired[worker.actor.do.remote(trial)] = worker

    def outcomes(self, seconds: float) -> list[Outcome]:
        """Wait for so long at most until something ends; gives what became of trials.

        Raises:
            ClusterError: there is no worker, and none can come.
        """
        self._tend()
        if not self._hired:
            time.sleep(seconds)
            return []
        waited = list(self._hired)
        ready, _ = ray.wait(waited, num_returns=1, timeout=seconds)
        if ready:
            ready, _ = ray.wait(waited, num_returns=len(waited), timeout=0)
        return [outcome for ref in ready if (outcome := self._taken(ref)) is not None]

    def close(self) -> None:
        """End all workers, and a cluster that was begun here."""
        for worker in [*self._hired.values(), *self._idle]:
            ray.kill(worker.actor, no_restart=True)
        ray.shutdown()

    # -- workers -----------------------------------------------------------------------------------------------------

    def _tend(self) -> None:
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + _LOOK_SECONDS
        nodes = [node for node in ray.nodes() if node["Alive"]]
        have = Counter(worker.node for worker in [*self._hired.values(), *self._idle])
        for node in nodes:
            cores = int(node["Resources"].get("CPU", 0))
            each = min(self._cores or cores, cores)
            if not each or node["NodeID"] in self._refused:
                continue
            for _ in range(cores // each - have[node["NodeID"]]):
                self._hire(node, each)
        able = [node for node in nodes if node["Resources"].get("CPU", 0) >= 1]
        if able and all(node["NodeID"] in self._refused for node in able) and not self._hired and not self._idle:
            raise ClusterError(f"no machine of the cluster can work: {next(iter(self._refused.values()))}")

    def _hire(self, node: dict[str, Any], cores: int) -> None:
        place = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        actor = self._actor.options(num_cpus=cores, scheduling_strategy=place, max_restarts=0).remote()
        worker = _Hired(actor, node["NodeID"], node["NodeManagerAddress"], cores, self._count)
        self._count += 1
        self._hired[actor.versions.remote()] = worker

    def _taken(self, ref: Any) -> Outcome | None:
        worker = self._hired.pop(ref)
        try:
            result = ray.get(ref)
        except RayTaskError as error:
            why = first_line(error.cause or error)
            if worker.state == "working":
                raise ClusterError(f"{worker} failed: {why}") from error
            self._refuse(worker, f"resnext can't start there: {why}")
        except RayError as error:
            self._lose(worker, error)
            return None if worker.case is None else Outcome(worker.case, None)
        else:
            if worker.state == "greeting":
                self._greet(worker, result)
            elif worker.state == "starting" and isinstance(result, Broken):
                self._refuse(worker, result.reason)
            else:
                return self._rest(worker, result)
        return None

    def _greet(self, worker: _Hired, found: dict[str, str]) -> None:
        for package, version in versions().items():
            if found.get(package) != version:
                self._refuse(worker, f"it has {package} {found.get(package)}, not {version} as here")
                return
        worker.state = "starting"
        order = self._order._replace(cores=worker.cores)
        self._hired[worker.actor.start.remote(order, self._entry)] = worker

    def _rest(self, worker: _Hired, result: Any) -> Outcome | None:
        if worker.state == "starting":
            self._notices.detail(f"{worker} is ready, with {worker.cores} cores")
        case, worker.case, worker.state = worker.case, None, "idle"
        self._idle.append(worker)
        return None if case is None else Outcome(case, result)

    def _lose(self, worker: _Hired, error: RayError) -> None:
        self._notices.detail(f"{worker} died: {type(error).__name__}")
        self._next_look = 0.0
        if worker.state != "working":
            self._deaths_at_start[worker.node] += 1
            if self._deaths_at_start[worker.node] >= _DEATHS_AT_START:
                self._refuse(worker, f"workers die there as they start: {first_line(error, 3)}")

    def _refuse(self, worker: _Hired, why: str) -> None:
        if worker.node not in self._refused:
            self._notices.warning(f"no worker on {worker.where}: {why}")
        self._refused[worker.node] = f"{worker.where}: {why}"
        ray.kill(worker.actor, no_restart=True)
        self._next_look = 0.0


def _check_listening(address: str) -> None:
    """Refuse an address at which nobody answers: Ray would try for minutes. Raises ClusterError."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(f"--cluster {address}: can't be reached as a Ray cluster: {first_line(error)}") from error
