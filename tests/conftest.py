"""What every test gets: a clean environment, its own cache and home, and no network beyond loopback."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.program import LOOPBACK, SCRUBBED_PREFIXES, RunResnext, clean_environment, warmed


def pytest_configure() -> None:
    # Started in the background of a script, or under nohup, pytest is told to ignore these, and what it starts would
    # inherit that; a handler is not inherited.
    for each in (signal.SIGINT, *([signal.SIGHUP] if sys.platform != "win32" else [])):
        if signal.getsignal(each) is signal.SIG_IGN:
            signal.signal(each, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--short", action="store_true", help="a small part of each slow test: it still runs, and how")


@pytest.fixture(scope="session")
def amount(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """How much a slow test does, rounds or seconds or inputs: `amount(full, short)`, the second under --short."""
    return lambda full, short: short if request.config.getoption("--short") else full


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(SCRUBBED_PREFIXES) or "proxy" in name.lower():
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home" / "hub"))
    monkeypatch.setenv("RESNEXT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def _only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not str(address[0]).startswith(LOOPBACK):
            raise AssertionError(f"a test reached for the network: {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def timm() -> Any:
    """timm, imported the way the project does (the torchvision beside it may be built for another torch)."""
    from resnext.compiling.timm_models import import_timm

    return import_timm()


@pytest.fixture(scope="session")
def shared_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all xdist workers, so that a model is compiled once for the whole run."""
    base = tmp_path_factory.getbasetemp()
    root = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    folder = root / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def warm_cache(shared_root: Path) -> Path:
    """A cache in which the bundled model is compiled, and nothing else: tests that add or damage have their own."""
    return warmed(shared_root, "warm-cache")


@pytest.fixture(scope="session")
def maps_cache(shared_root: Path) -> Path:
    """A cache in which graphs of maps are compiled beside the bundled model's."""
    return warmed(shared_root, "maps-cache")


@pytest.fixture
def own_cache(warm_cache: Path, tmp_path: Path) -> Path:
    """A copy of the warm cache that a test may change."""
    cache = tmp_path / "own-cache"
    shutil.copytree(warm_cache, cache)
    return cache


@pytest.fixture(scope="session")
def bundled_graph(warm_cache: Path) -> Path:
    """The bundled model's graph of logits and pooled features."""
    (graph,) = warm_cache.glob("compiled/*/graph.xml")
    return graph


@pytest.fixture
def resnext(tmp_path: Path, warm_cache: Path) -> Iterator[RunResnext]:
    """Run the program as users do: a process of its own, by default with the bundled model compiled and no network."""

    def run(
        *arguments: str | os.PathLike[str] | bytes,
        cache: Path = warm_cache,
        env: dict[str, str] | None = None,
        timeout: float = 120,
        **options: Any,
    ) -> "subprocess.CompletedProcess[str]":
        environment = clean_environment(tmp_path / "home", cache) | (env or {})
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(
            [sys.executable, "-m", "resnext", *arguments],
            env=environment,
            timeout=timeout,
            capture_output="stdout" not in options,
            text=True,
            **options,
        )

    yield run
