"""What every test gets: a clean environment, its own cache and home, and no network beyond loopback."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from support.program import LOOPBACK, ONE_THREAD, SCRUBBED_PREFIXES, Heard, Once, RunResnext, clean_environment, warm


def pytest_configure() -> None:
    os.environ.update(ONE_THREAD)  # before a test imports torch
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
def once(shared_root: Path) -> Once:
    """Make a folder of this name once for all xdist workers: `once(name, make)`, where make(folder) fills it."""

    def path_of(name: str, make: Callable[[Path], object]) -> Path:
        folder, made = shared_root / name, shared_root / f".{name}.made"
        with FileLock(shared_root / f".{name}.lock"):
            if not made.exists():
                shutil.rmtree(folder, ignore_errors=True)  # what one left that failed
                make(folder)
                made.touch()
        return folder

    return path_of


@pytest.fixture(scope="session")
def warm_cache(once: Once) -> Path:
    """A cache in which the bundled model is compiled, and nothing else: tests that add or damage have their own."""
    return once("warm-cache", warm)


@pytest.fixture(scope="session")
def tiny_model(once: Once, timm: Any) -> Path:
    """A folder with a model that is compiled in a moment. Tests do not change it."""
    from support.tiny_model import write_tiny_model

    return once("tiny-model", partial(write_tiny_model, timm=timm))


@pytest.fixture(scope="session")
def tiny_cache(once: Once, tiny_model: Path) -> Path:
    """A cache in which the tiny model is compiled. Tests do not change it."""
    from support.tiny_model import answer_of

    return once("tiny-cache", lambda cache: answer_of(tiny_model, cache, Heard()))


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
        timeout: float = 600,  # of a run that hangs; a busy machine takes minutes to compile
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
