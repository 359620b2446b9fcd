"""How many inputs there will be, for a progress bar: counted beside the run, which waits for nothing."""

import os
import threading

from resnext.sources import archives, find
from resnext.sources.config import SourceConfig


class InputCount:
    """Counts what files, folders and patterns give, in a thread of its own; looks at names alone.

    Nothing is counted where that would mean to read twice: lists, stdin, archives, addresses.
    """

    def __init__(self, arguments: tuple[str, ...], config: SourceConfig) -> None:
        self._arguments, self._config = arguments, config
        self._total: int | None = None
        self._thread = threading.Thread(target=self._count, name="count", daemon=True)
        if not config.files_from and all(map(_is_countable, arguments)):
            self._thread.start()

    def total(self) -> int | None:
        """The number of inputs; None while it is being counted, and where it can't be."""
        return self._total

    def wait(self, seconds: float) -> int | None:
        """The number of inputs, waited for."""
        if self._thread.is_alive():
            self._thread.join(seconds)
        return self._total

    def _count(self) -> None:
        self._total = sum(1 for _ in find(self._arguments, self._config))


def _is_countable(argument: str) -> bool:
    if argument == "-" or "://" in argument or "!/" in argument:
        return False
    return os.path.isdir(argument) or not archives.is_archive(argument)  # noqa: PTH112
