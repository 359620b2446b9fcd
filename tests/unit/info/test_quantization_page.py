"""What people are told of an int8 graph."""

from typing import Any

import pytest

from resnext.info.page import Page
from resnext.info.quantization import show

REPORT: dict[str, Any] = {
    "model": "a_model",
    "photos": 300,
    "clear_photos": 250,
    "top1": 0.99,
    "clear_top1": 1.0,
    "largest_change": 0.08,
    "cosine_median": 0.9991,
    "cosine_worst": 0.98,
    "calibration_photos": 299,
    "left_out": ["a", "b"],
    "left_out_share": 0.25,
    "photos_per_second": {"fp32": 20.0, "bf16": 40.0, "int8": 90.0},
    "size_bytes": {"fp32": 100_000_000, "int8": 26_000_000},
    "processor": "a processor",
    "int8_instructions": True,
    "nncf": "3.4.0",
}


def text(**changes: Any) -> str:
    page = Page(200, color=False)
    show(REPORT | changes, page)
    return page.text


def test_it_says_what_was_measured_and_how_to_use_it() -> None:
    shown = text()
    assert "99.0% agree with fp32; 100.0% of the 250 where the best class leads" in shown
    assert "median 0.99910, worst 0.98000" in shown
    assert "90 photos a second, 2.25 times bf16 (40), 4.50 times fp32 (20)" in shown
    assert "26 MB; fp32 100 MB" in shown
    assert "2 left in higher precision, 25% of the multiply-adds" in shown
    assert "resnext classify PHOTOS... -m a_model --precision int8" in shown
    assert "VNNI" not in shown


@pytest.mark.parametrize(("int8", "said"), [(20.5, "nothing is gained"), (41.0, "2.0 times the photos a second")])
def test_without_int8_instructions_it_says_what_is_gained(int8: float, said: str) -> None:
    shown = text(int8_instructions=False, photos_per_second={"fp32": 20.0, "bf16": None, "int8": int8})
    assert f"a processor has neither VNNI nor AMX: {said}" in shown
