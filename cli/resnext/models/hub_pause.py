"""When the hub is not asked: the network is switched off, or a short time ago there was no answer to wait for."""

import os
import time
from contextlib import suppress
from pathlib import Path

# `--model auto` asks again only after this long; a model that was named always asks.
_PAUSE_SECONDS = 3600.0
_OFFLINE_VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


def hub_is_offline() -> bool:
    """Whether the environment forbids the network (HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE, as for the hub's client)."""
    return any(os.environ.get(name, "").upper() in {"1", "ON", "YES", "TRUE"} for name in _OFFLINE_VARIABLES)


class HubPause:
    """Remembers in the cache folder `root` when the hub failed last."""

    def __init__(self, root: Path) -> None:
        self._note = root / "hub-unreachable"

    def lasts(self) -> bool:
        """Whether the hub failed within the last hour."""
        try:
            age = time.time() - self._note.stat().st_mtime
        except OSError:
            return False
        return 0 <= age < _PAUSE_SECONDS

    def begin(self) -> str | None:
        """Note a failure; give the reason where the note can't be written: only the next start's wait is at stake."""
        try:
            self._note.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._note.touch()
        except OSError as error:
            return f"{self._note}: {error.strerror}"
        return None

    def end(self) -> None:
        """Forget the failure: the hub has answered. A note that can't be removed ends by itself."""
        with suppress(OSError):
            self._note.unlink(missing_ok=True)
