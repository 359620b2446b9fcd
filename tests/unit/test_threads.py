"""A task in a thread of its own: its result, its error, and a bound on the wait for it."""

import sys
import threading
from pathlib import Path

import pytest

from resnext.threads import can_start, in_thread, within


def test_a_task_runs_meanwhile_and_gives_its_result() -> None:
    go = threading.Event()
    future = in_thread(lambda: (go.wait(10), threading.current_thread())[1], name="task")
    go.set()
    thread = future.result()
    assert thread is not threading.current_thread()
    assert (thread.name, thread.daemon) == ("task", False)


@pytest.mark.parametrize("fault", [ValueError("no"), KeyboardInterrupt()])
def test_its_error_is_raised_where_the_result_is_asked_for(fault: BaseException) -> None:
    def task() -> None:
        raise fault

    with pytest.raises(type(fault)) as raised:
        in_thread(task, name="task").result()
    assert raised.value is fault


def test_a_task_that_takes_too_long_is_left_behind() -> None:
    go, threads = threading.Event(), list[threading.Thread]()

    def task() -> None:
        threads.append(threading.current_thread())
        go.wait(10)

    with pytest.raises(TimeoutError):
        within(0.05, task, name="hanging")
    assert threads[0].is_alive() and threads[0].daemon  # the interpreter does not wait for it
    go.set()
    assert within(10, lambda: "soon", name="soon") == "soon"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no threads")
@pytest.mark.parametrize(("count", "given"), [(0, True), (4, True), (5, False)])
def test_threads_are_asked_for_all_at_once_and_none_is_left(
    monkeypatch: pytest.MonkeyPatch, count: int, given: bool
) -> None:
    start, started = threading.Thread.start, list[threading.Thread]()

    def start_at_most_four(thread: threading.Thread) -> None:
        if sum(each.is_alive() for each in started) == 4:
            raise RuntimeError("can't start new thread")
        start(thread)
        started.append(thread)

    monkeypatch.setattr(threading.Thread, "start", start_at_most_four)
    monkeypatch.setattr("resource.getrlimit", lambda which: (100, 100))
    assert can_start(count) is given
    assert len(started) == min(count, 4)
    assert not any(thread.is_alive() for thread in started)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no threads")
def test_where_threads_are_many_none_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise AssertionError("a start pays for this")

    pids = Path("/sys/fs/cgroup/pids.max")
    if pids.exists() and (limit := pids.read_text().strip()) != "max" and int(limit) < 10_000:
        pytest.skip("threads are limited here")
    monkeypatch.setattr(threading.Thread, "start", start)
    monkeypatch.setattr("resource.getrlimit", lambda which: (100_000, 100_000))
    assert can_start(64)
