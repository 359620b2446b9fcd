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

from resnext.terminal import Notices

REPO = Path(__file__).resolve().parent.parent
SAMPLES = REPO / "sample_images"
HOSTILE = REPO.parent / "shared" / "hostile"

# Whatever the machine says about terminals, hubs and proxies must not reach a test.
_SCRUBBED_PREFIXES = ("RESNEXT_", "HF_", "HUGGINGFACE_", "XDG_", "TRANSFORMERS_", "TORCH_HOME", "COLUMNS", "NO_COLOR")
_LOOPBACK = ("127.", "::1", "localhost")


class Heard(Notices):
    """Keeps what a user would have been told."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []

    def info(self, message: str) -> None:
        self.lines.append(message)


def clean_environment(home: Path, cache: Path) -> dict[str, str]:
    """An environment for a subprocess: nothing inherited that changes what resnext does; offline by default."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_SCRUBBED_PREFIXES) and "proxy" not in name.lower()
    }
    return kept | {
        "HOME": str(home),
        "RESNEXT_CACHE": str(cache),
        "HF_HOME": str(home / "hub"),
        "HF_HUB_OFFLINE": "1",
        "TERM": "xterm",
    }


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
        if name.startswith(_SCRUBBED_PREFIXES) or "proxy" in name.lower():
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home" / "hub"))
    monkeypatch.setenv("RESNEXT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def _only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not str(address[0]).startswith(_LOOPBACK):
            raise AssertionError(f"a test reached for the network: {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


def all_printed(terminal: int) -> bytes:
    """What is printed on a pseudo-terminal until the last process on its other side is gone."""
    printed = b""
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # Linux's way to say that the other side is closed
            return printed
        if not chunk:
            return printed
        printed += chunk


@pytest.fixture(scope="session")
def timm() -> Any:
    """timm, imported the way the project does (the torchvision beside it may be built for another torch)."""
    from resnext.engines.timm_models import import_timm

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


def warmed(shared_root: Path, name: str) -> Path:
    """Make a cache for all xdist workers with the bundled model compiled in it."""
    cache = shared_root / name
    environment = clean_environment(shared_root / "home", cache)
    # The store's own lock makes the other workers wait for the first one's build.
    command = [sys.executable, "-m", "resnext", "classify", "-m", "lite0", str(SAMPLES / "coffee.png")]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=300)
    return cache


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


RunResnext = Callable[..., "subprocess.CompletedProcess[str]"]


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
