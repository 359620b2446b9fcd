"""A Ray cluster on loopback: a head without processors, and nodes that are like machines of their own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from support.program import clean_environment

_RAY = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start", "--block"]
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_worker_niceness": "0",  # Ray's own is 15: on a busy machine its workers would hardly come to run
    # A node that was killed is noticed in ten seconds, not in half a minute; sooner, and a busy one is taken for dead.
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "10000",
    "RAY_health_check_failure_threshold": "5",
}
_STARTS = 4


@dataclass(slots=True)
class Node:
    """One raylet with its workers: a process group of its own. `cache` is its own store of models."""

    process: "subprocess.Popen[bytes]"
    cache: Path

    def kill(self) -> None:
        """Kill all its processes at once, as when a machine loses power."""
        for pid in [*_below(self.process.pid), *_group(self.process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def workers(self) -> list[int]:
        """The processes of workers on it."""
        return [pid for pid in _below(self.process.pid) if _command(pid).startswith("ray::Worker")]


@dataclass(slots=True)
class RayCluster:
    """`address` for --cluster. Call `stop` at the end; use it in a `with` block."""

    folder: Path
    environment: dict[str, str]
    address: str = ""
    nodes: list[Node] = field(default_factory=list)
    _temporary: str = ""
    _head: "subprocess.Popen[bytes] | None" = None

    def __enter__(self) -> "RayCluster":
        self._temporary = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # sockets have short names
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        head = ["--head", f"--port={port}", "--num-cpus=0", "--include-dashboard=false"]
        self._head = self._started([*head, f"--temp-dir={self._temporary}"], self.environment)
        return self

    def __exit__(self, *exception: object) -> None:
        for node in [*self.nodes, *([Node(self._head, self.folder)] if self._head is not None else [])]:
            node.kill()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def add(self, cpus: int = 1, **environment: str) -> Node:
        """Start another machine, with an empty store and hub of its own."""
        home = self.folder / f"node-{len(self.nodes)}"
        home.mkdir(parents=True)
        cache = home / "cache"
        clean = clean_environment(home, cache) | {
            name: value for name, value in self.environment.items() if name.startswith(("RAY_", "AWS_"))
        }
        arguments = [f"--address={self.address}", f"--num-cpus={cpus}", "--object-store-memory=100000000"]
        node = Node(self._started(arguments, clean | environment), cache)
        self.nodes.append(node)
        return node

    def _started(self, arguments: list[str], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
        """Start it, and again where it gave up: Ray grants itself 30 seconds, which are few on a busy machine."""
        for _ in range(_STARTS):
            path = self.folder / f"ray-{time.monotonic_ns()}.log"
            with path.open("wb") as log:
                process = subprocess.Popen(
                    [*_RAY, "--node-ip-address=127.0.0.1", *arguments], cwd=self.folder, env=environment,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                )  # fmt: skip
            while process.poll() is None:
                if b"Ray runtime started" in path.read_bytes():
                    return process
                time.sleep(0.1)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        raise AssertionError(f"Ray does not start: {path.read_text()[-2000:]}")


def cluster_environment(home: Path, cache: Path, **more: str) -> dict[str, str]:
    """The environment of a driver, and of the head."""
    return clean_environment(home, cache) | _QUIET | more


def processes_of(folder: Path) -> list[int]:
    """Workers and raylets that were started with this folder as their home's parent, and are alive."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if str(folder).encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def _group(leader: int) -> list[int]:
    return [pid for pid in _all_processes() if _of(os.getpgid, pid) == leader]


def _below(leader: int) -> list[int]:
    """The processes of a group and all that they have started: raylets give workers groups of their own."""
    parents = {pid: _parent(pid) for pid in _all_processes()}
    found = {leader}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found)


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def _of(ask: Callable[[int], int], pid: int) -> int:
    try:
        return ask(pid)
    except OSError:
        return -1


def _all_processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def is_listening(port: int) -> bool:
    """Whether somebody listens on a port of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
