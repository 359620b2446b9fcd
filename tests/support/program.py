"""The program as a process of its own: where it lies, in which environment it runs, and what it prints."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from resnext.console.terminal import Notices

REPO = Path(__file__).resolve().parents[2]
SAMPLES = REPO / "sample_images"
HOSTILE = REPO.parent / "shared" / "hostile"

# Whatever the machine says about terminals, hubs and proxies must not reach a test.
SCRUBBED_PREFIXES = ("RESNEXT_", "HF_", "HUGGINGFACE_", "XDG_", "TRANSFORMERS_", "TORCH_HOME", "COLUMNS", "NO_COLOR")
LOOPBACK = ("127.", "::1", "localhost")


RunResnext = Callable[..., "subprocess.CompletedProcess[str]"]


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
        if not name.startswith(SCRUBBED_PREFIXES) and "proxy" not in name.lower()
    }
    return kept | {
        "HOME": str(home),
        "RESNEXT_CACHE": str(cache),
        "HF_HOME": str(home / "hub"),
        "HF_HUB_OFFLINE": "1",
        "TERM": "xterm",
    }


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


def warmed(shared_root: Path, name: str) -> Path:
    """Make a cache for all xdist workers with the bundled model compiled in it."""
    cache = shared_root / name
    environment = clean_environment(shared_root / "home", cache)
    # The store's own lock makes the other workers wait for the first one's build.
    command = [sys.executable, "-m", "resnext", "classify", "-m", "lite0", str(SAMPLES / "coffee.png")]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=300)
    return cache
