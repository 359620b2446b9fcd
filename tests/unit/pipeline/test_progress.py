"""What is said of a run: counts of all, of failures, of what is left, and a rate of what worked."""

import pytest

from resnext.errors import FailureCode
from resnext.pipeline import progress
from resnext.pipeline.progress import RunProgress
from resnext.records import Classified, Failure, Source

PHOTO = Classified(Source("a.jpg"), ())
BROKEN = Failure(Source("b.jpg"), FailureCode.CORRUPT, "broken")


def counted(good: int, bad: int, total: int | None, *, lines: bool = True) -> RunProgress:
    run = RunProgress(bar=False, lines=lines, color=False, total=lambda: total, passed_over=lambda: "2 files skipped")
    for record in [PHOTO] * good + [BROKEN] * bad:
        run.count(record)
    return run


def test_a_line_has_done_of_all_failed_rate_and_time_left() -> None:
    assert counted(30, 10, 1000).so_far(10) == "40 of 1,000 done, 10 failed, 3.0 photos/s, 4 min 00 s left"
    assert counted(1, 0, 7201).so_far(1) == "1 of 7,201 done, 1.0 photos/s, 2 h 00 min left"


def test_a_line_without_a_total_says_no_time() -> None:
    assert counted(30, 0, None).so_far(10) == "30 done, 3.0 photos/s"


def test_failures_count_for_no_rate() -> None:
    run = counted(0, 5, 5)
    assert run.figures()["photos_per_second"] == 0
    assert run.summary().endswith("0.0 photos/s")


def test_what_was_no_input_stands_in_the_last_line() -> None:
    assert "1 failed (corrupt 1), 2 files skipped in " in counted(2, 1, 3).summary()


def test_photos_that_are_done_again_are_told() -> None:
    run = RunProgress(bar=False, lines=False, color=False, total=lambda: 2, skipped=lambda: 7, changed=lambda: 2)
    for record in (PHOTO, PHOTO):
        run.count(record)
    assert run.summary().startswith("2 labelled, 7 done before, 2 done again (changed since) in ")
    assert (run.figures()["skipped"], run.figures()["changed"]) == (7, 2)


def test_photos_of_which_there_is_nothing_to_say_are_told() -> None:
    run = RunProgress(
        bar=False, lines=False, color=False, total=lambda: 3, verb="tagged",
        abstained=lambda record: isinstance(record, Classified) and not record.tags, abstained_words="without a tag",
    )  # fmt: skip
    for record in (PHOTO, PHOTO, BROKEN):
        run.count(record)
    assert run.summary().startswith("2 tagged (2 without a tag), 1 failed") and run.figures()["abstained"] == 2


def test_lines_are_said_when_they_are_due(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    counted(2, 0, 2)
    assert capsys.readouterr().err == "", "not within the first minute"
    monkeypatch.setattr(progress, "_LINE_SECONDS", 0.0)
    counted(2, 0, 2, lines=False)
    assert capsys.readouterr().err == ""
    counted(2, 0, 2)
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("resnext: 1 of 2 done, ") and second.startswith("resnext: 2 of 2 done, ")
