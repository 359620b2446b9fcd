"""One task in a thread of its own, as a future; and whether the system has threads to give."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")


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
    """Whether the system gives `count` more threads: starts them and ends them.

    For libraries that abort where they get some of their threads and not all.
    """
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
