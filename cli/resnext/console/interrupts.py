"""Ctrl-C, SIGTERM and a closed terminal: finished rows are kept, and the process ends with the signal's own status."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

# Two seconds are promised. What is not cleaned up by then (a library that does not return, a reader that takes
# nothing, a file of a million rows being made) is left as after a kill: --resume continues it.
CLEAN_UP_SECONDS = 1.5
# A callback that a signal has met is over by then.
_AGAIN_SECONDS = 0.002
_SIGNALS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if sys.platform != "win32" else [])]


# What main thread and C code are given to end by themselves where there is nothing to clean up.
_DIE_SECONDS = 0.2


class Interrupted(BaseException):
    """A signal that asks the run to end; not an Exception, so that nothing on the way takes it for a fault.

    `kept` says what stays of the run's work.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.kept = ""


@contextmanager
def dying_of_signals(words: str) -> Iterator[None]:
    """Within this block a signal ends the process at once, after these last words: there is nothing to clean up.

    An exception instead would be raised in whatever runs at that moment: imports that turn it into an error of their
    own, callbacks of C++ that abort the process.
    """
    ours = _not_ignored()

    def end(number: int, frame: FrameType | None) -> None:
        say_last(words)
        die_of(number)

    def end_late(number: int) -> None:
        say_last(words)
        os._exit(128 + number)

    previous = {each: signal.signal(each, end) for each in ours}
    try:
        with _bounded(frozenset(ours), _DIE_SECONDS, end_late):
            yield
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)


def say_last(words: str) -> None:
    """Write one line to stderr, past every buffer: a signal may have come in the middle of a write."""
    with suppress(OSError, ValueError):
        stderr = sys.stderr.fileno()
        # A progress bar hides the cursor.
        shown = "\x1b[?25h" if os.isatty(stderr) and os.environ.get("TERM") not in (None, "dumb") else ""
        os.write(stderr, f"{shown}resnext: {words}\n".encode(errors="backslashreplace"))


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """Within this block the first signal raises Interrupted; the clean-up then runs undisturbed, for a while.

    A signal that the process was started to ignore (`nohup`, a job in the background) stays ignored. After a first
    signal the others stay ours, since the process is about to end of it.
    """
    ours = _not_ignored()
    asked = False
    first = 0

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal asked, first
        first = first or number
        # Not SIG_IGN for the others: Python complains when one of them is under way already.
        if not asked and not _runs(swallowed, frame):
            asked = True
            raise Interrupted(number)

    def ask_again(number: int) -> None:
        nonlocal asked
        asked = False
        while not asked:  # on a busy machine the main thread may still be in the hook
            if os.name == "posix":
                os.kill(os.getpid(), number)  # to the process, so that what the main thread waits in returns
            else:
                signal.raise_signal(number)
            time.sleep(_AGAIN_SECONDS)

    def swallowed(fault: "sys.UnraisableHookArgs") -> None:
        """What is raised in a destructor or a weak reference's callback (every import has one) goes no further."""
        if isinstance(fault.exc_value, Interrupted):
            # From another thread and a little later: in here it would be swallowed once more.
            threading.Timer(_AGAIN_SECONDS, ask_again, [fault.exc_value.number]).start()
        else:
            report(fault)

    previous = {each: signal.signal(each, interrupt) for each in ours}
    report, sys.unraisablehook = sys.unraisablehook, swallowed
    try:
        with _bounded(frozenset(ours), CLEAN_UP_SECONDS, lambda number: os._exit(128 + number)):
            yield
    except Exception as error:
        if first:  # what was interrupted called it by another name
            raise Interrupted(first) from error
        raise
    finally:
        if not asked:
            for each, handler in previous.items():
                signal.signal(each, handler)
        sys.unraisablehook = report


class Noted:
    """The signal that asked a loop to end; 0 as long as none has."""

    number = 0


@contextmanager
def noting_signals(first_words: str, last_words: str) -> Iterator[Noted]:
    """Within this block the first signal is noted, for a loop that ends where its work is whole; it is no exception.

    A second one ends the process at once. The words are said at the first and at the second.
    """
    noted = Noted()

    def note(number: int, frame: FrameType | None) -> None:
        if noted.number:
            say_last(last_words)
            die_of(number)
        noted.number = number
        say_last(first_words)

    previous = {each: signal.signal(each, note) for each in _not_ignored()}
    try:
        with _bounded(frozenset(), 0, lambda number: None):
            yield noted
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)


def die_of(number: int) -> None:
    """End as if the signal had not been caught, so that the shell sees 128 + number and a loop around us ends too.

    Threads that decode or infer are not waited for: what they do is lost in any case.
    """
    sys.stderr.flush()
    if os.name == "posix":
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(128 + number)


def _runs(function: Callable[..., object], frame: FrameType | None) -> bool:
    """Tell whether a Python function is among those that a frame was called from."""
    while frame is not None:
        if frame.f_code is function.__code__:
            return True
        frame = frame.f_back
    return False


def _not_ignored() -> list[signal.Signals]:
    return [each for each in _SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]


@contextmanager
def _bounded(numbers: frozenset[int], seconds: float, end: Callable[[int], object]) -> Iterator[None]:
    """End the process, in another thread, when the block goes on for so long after one of the signals.

    Python's own handler waits until a call into C returns to the main thread; the byte that the C handler writes into
    this pipe does not. Only the main thread can restore a signal's default, so here the status is set directly.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    over = threading.Event()

    def watch() -> None:
        while number := os.read(reading, 1):
            if number[0] in numbers and not over.wait(seconds):
                end(number[0])

    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    watcher = threading.Thread(target=watch, name="interrupts", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(before)
        os.close(writing)  # the thread reads the end
        watcher.join()
        os.close(reading)
