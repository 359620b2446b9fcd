"""A task in a thread of its own: its result, or its error, where it is asked for."""

import threading

import pytest

from resnext.pipeline.start import begun


def test_a_task_goes_on_meanwhile_and_gives_its_result() -> None:
    go = threading.Event()
    result = begun(lambda: (go.wait(10), threading.current_thread())[1])
    go.set()
    assert result() is not threading.current_thread()
    assert result() is result()


@pytest.mark.parametrize("fault", [ValueError("no"), KeyboardInterrupt()])
def test_its_error_is_raised_where_the_result_is_asked_for(fault: BaseException) -> None:
    def task() -> None:
        raise fault

    result = begun(task)
    with pytest.raises(type(fault)) as raised:
        result()
    assert raised.value is fault
