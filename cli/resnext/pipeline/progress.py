"""How far a long run is, on stderr: a bar on a terminal, a summary at the end."""

import sys
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from resnext.console.terminal import Notices
from resnext.records import Answer, Classified, Failure

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_DELAY_SECONDS = 1.0  # shorter runs need no bar, and no import of what draws it
_REFRESH_SECONDS = 0.2


class RunProgress:
    """Counts records. `total` gives the number of inputs to do once it is known, None before.

    `skipped` gives how many were left out because an earlier run has done them; they count for no rate.
    `verb` says what was done to those that worked.
    """

    def __init__(
        self,
        *,
        bar: bool,
        color: bool,
        total: Callable[[], int | None],
        skipped: Callable[[], int] = lambda: 0,
        verb: str = "labelled",
    ) -> None:
        self._verb = verb
        self._bar, self._color, self._total, self._skipped = bar, color, total, skipped
        self._begin = time.monotonic()
        self._next_refresh = self._begin + _DELAY_SECONDS
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self.done = 0
        self.abstained = 0
        self.failures: Counter[str] = Counter()

    def __enter__(self) -> "RunProgress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def count(self, record: Answer | Failure) -> None:
        """Take note of one finished input."""
        self.done += 1
        if isinstance(record, Failure):
            self.failures[str(record.code)] += 1
        elif isinstance(record, Classified) and not record.predictions:
            self.abstained += 1
        now = time.monotonic()
        if self._bar and now >= self._next_refresh:
            self._next_refresh = now + _REFRESH_SECONDS
            self._refresh()

    def figures(self) -> dict[str, Any]:
        """The run in numbers, as `--summary-file` has them. `labelled` includes those that abstained."""
        seconds = time.monotonic() - self._begin
        failed = sum(self.failures.values())
        return {
            self._verb: self.done - failed,
            **({"abstained": self.abstained} if self._verb == "labelled" else {}),
            "failed": failed,
            "failures": dict(self.failures.most_common()),
            "skipped": self._skipped(),
            "seconds": round(seconds, 3),
            "photos_per_second": round(self.done / seconds, 3) if seconds > 0 else 0.0,
        }

    def summary(self) -> str:
        """One line: labelled, failed by reason, done before, photos a second."""
        run = self.figures()
        below = f" ({self.abstained} below the threshold)" if self.abstained else ""
        parts = [f"{run[self._verb]} {self._verb}{below}"]
        if run["failed"]:
            reasons = ", ".join(f"{code} {count}" for code, count in run["failures"].items())
            parts.append(f"{run['failed']} failed ({reasons})")
        if run["skipped"]:
            parts.append(f"{run['skipped']} done before")
        return f"{', '.join(parts)} in {run['seconds']:.1f} s, {run['photos_per_second']:.1f} photos/s"

    def _refresh(self) -> None:
        if self._progress is None:
            self._start()
        assert self._progress is not None and self._task is not None
        self._progress.update(self._task, completed=self.done, total=self._total())

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
        from rich.text import Text

        begin = self._begin

        class Rate(ProgressColumn):
            def render(self, task: Task) -> Text:
                return Text(f"{task.completed / max(time.monotonic() - begin, 1e-3):.1f} photos/s")

        console = Console(file=sys.stderr, no_color=not self._color)
        self._progress = Progress(
            BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn(), console=console, transient=True
        )
        self._task = self._progress.add_task("", total=None)
        self._progress.start()


def report(progress: RunProgress, notices: Notices, *, wanted: bool) -> None:
    """Say how the run went: always where something failed, otherwise where people look on."""
    if progress.failures or progress.figures()["skipped"] or wanted:
        notices.info(progress.summary())
