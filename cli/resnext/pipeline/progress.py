"""How far a long run is, on stderr: a bar on a terminal, a line a minute in a log, a summary at the end."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from resnext.console.terminal import Notices, say
from resnext.records import Answer, Failure

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_DELAY_SECONDS = 1.0  # shorter runs need no bar, and no import of what draws it
_REFRESH_SECONDS = 0.2
_LINE_SECONDS = 60.0


class RunProgress:
    """Counts records. `total` gives the number of inputs to do, None until it is known.

    `skipped` gives how many were left out because an earlier run has done them; neither they nor failures count for the
    rate. `changed` gives how many are done again because they have changed since. `verb` says what was done to those
    that worked. `abstained` tells of which there was nothing to say, and `abstained_words` says so; without words
    nothing is counted. `passed_over` gives words for the files that were no input. With a `bar` it is drawn on the
    terminal, with `lines` a line is said after a minute, and each minute from then on. `also` gives words for the bar
    and the lines: what else people want to watch.
    """

    def __init__(
        self,
        *,
        bar: bool,
        lines: bool,
        color: bool,
        total: Callable[[], int | None],
        skipped: Callable[[], int] = lambda: 0,
        changed: Callable[[], int] = lambda: 0,
        passed_over: Callable[[], str] = lambda: "",
        verb: str = "labelled",
        abstained: Callable[[Answer], bool] = lambda record: False,
        abstained_words: str = "",
        also: Callable[[], str] = lambda: "",
    ) -> None:
        self._abstained, self._abstained_words = abstained, abstained_words
        self._verb, self._lines, self._passed_over, self._also = verb, lines, passed_over, also
        self._bar, self._color, self._total = bar, color, total
        self._skipped, self._changed = skipped, changed
        self._begin = time.monotonic()
        self._next_refresh = self._begin + _DELAY_SECONDS
        self._next_line = self._begin + _LINE_SECONDS
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
        elif self._abstained(record):
            self.abstained += 1
        self.show()

    def add(self, done: int, abstained: int, failures: Mapping[str, int]) -> None:
        """Take note of many finished inputs; `done` are all of them."""
        self.done += done
        self.abstained += abstained
        self.failures.update(failures)
        self.show()

    def show(self) -> None:
        """Show how far the run is, if it is time to."""
        now = time.monotonic()
        if self._bar and now >= self._next_refresh:
            self._next_refresh = now + _REFRESH_SECONDS
            self._refresh()
        elif self._lines and now >= self._next_line:
            self._next_line += _LINE_SECONDS
            say(self.so_far(now - self._begin))

    @property
    def failed(self) -> int:
        return self.failures.total()

    def so_far(self, seconds: float) -> str:
        """One line: done of all, failed, rate and time left after so many seconds."""
        total, rate = self._total(), (self.done - self.failed) / seconds
        of_all = f"{self.done:,} of {total:,}" if total is not None else f"{self.done:,}"
        parts = [f"{of_all} done", *([f"{self.failed:,} failed"] if self.failed else []), f"{rate:.1f} photos/s"]
        if words := self._also():
            parts.append(words)
        if total is not None and self.done:
            parts.append(f"{_time(seconds * (total - self.done) / self.done)} left")
        return ", ".join(parts)

    def figures(self) -> dict[str, Any]:
        """The run in numbers, as `--summary-file` has them. `labelled` includes those that abstained."""
        seconds = time.monotonic() - self._begin
        failed = self.failed
        return {
            self._verb: self.done - failed,
            **({"abstained": self.abstained} if self._abstained_words else {}),
            "failed": failed,
            "failures": dict(self.failures.most_common()),
            "skipped": self._skipped(),
            "changed": self._changed(),
            "seconds": round(seconds, 3),
            "photos_per_second": round((self.done - failed) / seconds, 3) if seconds > 0 else 0.0,
        }

    def summary(self) -> str:
        """One line: labelled, failed by reason, done before, done again, photos a second."""
        run = self.figures()
        below = f" ({self.abstained} {self._abstained_words})" if self.abstained else ""
        parts = [f"{run[self._verb]} {self._verb}{below}"]
        if run["failed"]:
            reasons = ", ".join(f"{code} {count}" for code, count in run["failures"].items())
            parts.append(f"{run['failed']} failed ({reasons})")
        if run["skipped"]:
            parts.append(f"{run['skipped']} done before")
        if run["changed"]:
            parts.append(f"{run['changed']} done again (changed since)")
        if passed_over := self._passed_over():
            parts.append(passed_over)
        return f"{', '.join(parts)} in {run['seconds']:.1f} s, {run['photos_per_second']:.1f} photos/s"

    def _refresh(self) -> None:
        if self._progress is None:
            self._start()
        assert self._progress is not None and self._task is not None
        self._progress.update(self._task, completed=self.done, total=self._total(), failed=self.failed)

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
        from rich.text import Text

        begin, also = self._begin, self._also

        class Also(ProgressColumn):
            def render(self, task: Task) -> Text:
                return Text(also())

        class Count(ProgressColumn):
            def render(self, task: Task) -> Text:
                done, failed = int(task.completed), task.fields["failed"]
                count = f"{done:,} done" if task.total is None else f"{done:,}/{int(task.total):,}"
                return Text(f"{count}, {failed:,} failed" if failed else count)

        class Rate(ProgressColumn):
            def render(self, task: Task) -> Text:
                seconds = max(time.monotonic() - begin, 1e-3)
                return Text(f"{(task.completed - task.fields['failed']) / seconds:.1f} photos/s")

        console = Console(file=sys.stderr, no_color=not self._color)
        # Where nobody knows how many there are, a bar and a time that is left would say nothing.
        known = self._total() is not None
        self._progress = Progress(
            *([BarColumn()] if known else []), Count(), *([Also()] if also() else []), Rate(),
            *([TimeRemainingColumn()] if known else []),
            console=console, transient=True,
        )  # fmt: skip
        self._task = self._progress.add_task("", total=None, failed=0)
        self._progress.start()


def report(progress: RunProgress, notices: Notices) -> None:
    """Say how the run went: always where something failed, otherwise unless `-q` or the run was but one photo."""
    run = progress.figures()
    if progress.done > 1 or run["failed"] or run["skipped"] or run["changed"]:
        notices.info(progress.summary())


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
