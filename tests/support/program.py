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

# Whatever the machine says about terminals, hubs, proxies and bytecode must not reach a test.
SCRUBBED_PREFIXES = (
    *("RESNEXT_", "HF_", "HUGGINGFACE_", "XDG_", "TRANSFORMERS_", "TORCH_HOME", "COLUMNS", "NO_COLOR"),
    "PYTHONDONTWRITEBYTECODE",  # who starts the program twice has its bytecode
)
LOOPBACK = ("127.", "::1", "localhost")
# Torch's threads spin while they wait for each other, on the cores of the other tests.
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


PROGRAM = [sys.executable, "-m", "resnext"]
# With a minute for what it cleans up after a signal: what a user's machine does in two seconds takes a busy one longer.
PATIENT = [
    *(sys.executable, "-c"),
    "from resnext.console import interrupts\ninterrupts.CLEAN_UP_SECONDS = 60\n"
    "from resnext.__main__ import main\nmain()",
]

RunResnext = Callable[..., "subprocess.CompletedProcess[str]"]
Once = Callable[[str, Callable[[Path], object]], Path]


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
        **ONE_THREAD,
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


def warm(cache: Path) -> None:
    """Compile the bundled model into a cache."""
    command = [sys.executable, "-m", "resnext", "classify", "-m", "lite0", str(SAMPLES / "coffee.png")]
    environment = clean_environment(cache.parent / "home", cache)
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=300)
