"""How far a long training is, on stderr: a bar on a terminal, a line a minute in a log."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from resnext.console.terminal import Notices

_LINE_SECONDS = 60.0


class StepProgress:
    """Shows the step that is under way, how much of all is done, and the time that is left."""

    def __init__(self, notices: "Notices", *, bar: bool, lines: bool) -> None:
        self._notices, self._shows_bar, self._shows_lines = notices, bar, lines
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._next_line = time.monotonic() + _LINE_SECONDS

    def __enter__(self) -> "StepProgress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def told(self, name: str, done: int, total: int) -> None:
        """Take note of what is done, of what there is to do in all; `name` is the step that it is at."""
        if self._shows_bar:
            if self._bar is None:
                self._start()
            assert self._bar is not None and self._task is not None
            self._bar.update(self._task, description=name, completed=done, total=total)
        elif self._shows_lines and time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _LINE_SECONDS
            self._notices.info(f"{name}, {done / max(total, 1):.0%} of all done")

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f}%"), TimeRemainingColumn(),
            console=Console(file=sys.stderr), transient=True,
        )  # fmt: skip
        self._task = self._bar.add_task("")
        self._bar.start()
