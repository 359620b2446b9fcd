"""One task in a thread of its own, as a future; and whether the system has threads to give."""

import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")

_PLENTY = 10_000  # threads


def in_thread(task: Callable[[], T], *, name: str, daemon: bool = False) -> "Future[T]":
    """Start `task` in a new thread; the future gives its result or raises its error.

    The interpreter waits for the thread before it ends, so that it never ends while the thread is in compiled code. It
    does not wait for a `daemon`, which is for tasks that may hang.
    """
    from concurrent.futures import Future  # it imports logging, which --help does without

    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(task())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, name=name, daemon=daemon).start()
    return future


def within(seconds: float, task: Callable[[], T], *, name: str) -> T:
    """Do `task` in a thread and wait at most `seconds` for it; a thread that takes longer is left behind.

    For clients that can't keep a deadline of their own.

    Raises:
        TimeoutError: the task takes longer.
    """
    return in_thread(task, name=name, daemon=True).result(seconds)


def can_start(count: int) -> bool:
    """Whether the system gives `count` more threads: where their number is limited, starts them and ends them.

    For libraries that abort where they get some of their threads and not all.
    """
    if not _is_limited():  # 0.2 ms a thread, which a start on many processors would notice
        return True
    end, started = threading.Event(), list[threading.Thread]()
    try:
        for _ in range(count):
            thread = threading.Thread(target=end.wait, daemon=True)
            thread.start()
            started.append(thread)
    except RuntimeError:
        return False
    finally:
        end.set()
        for thread in started:
            thread.join()
    return True


def _is_limited() -> bool:
    """Whether a user or a container may have so few threads that a machine at work could come near."""
    if sys.platform == "win32":
        return False
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    if limit != resource.RLIM_INFINITY and limit < _PLENTY:
        return True
    try:
        with open("/sys/fs/cgroup/pids.max") as file:  # noqa: PTH123 - to import pathlib takes longer
            return int(file.read()) < _PLENTY
    except (OSError, ValueError):  # no such controller; "max"
        return False
