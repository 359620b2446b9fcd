"""The report of evaluate for people, at the widths that terminals have."""

from typing import Any

import pytest

from resnext.outputs.report import lines_of

SHARE = {"share": 0.5, "low": 0.25, "high": 0.75}


def a_class(name: str, label: str = "", accuracy: float | None = 0.5) -> dict[str, Any]:
    row = {"name": name, "label": label, "photos": 4, "accuracy": accuracy, "answers": 4 if accuracy else 0}
    return row | {"recall": SHARE, "precision": SHARE}


def a_report(**changes: Any) -> dict[str, Any]:
    report = {
        "model": "birds",
        "photos": 8,
        "top1": SHARE,
        "top5": SHARE,
        "balanced_accuracy": 0.5,
        "balanced_accuracy_interval": {"low": 0.4, "high": 0.6},
        "ece": 0.125,
        "classes": [a_class("owl"), a_class("robin", accuracy=0.25), a_class("none", accuracy=None)],
        "confusions": [{"truth": "owl", "answer": "robin", "photos": 2}],
        "reliability": [{"low": 0.0, "high": 0.5, "photos": 8, "confidence": 0.4, "right": SHARE}],
        "coverage": [{"sure": 0.0, "photos": 8, "coverage": 1.0, "right": SHARE}],
        "mistakes": [{"file": "a\x1b[2J.jpg", "file_b64": "", "truth": "owl", "answer": "robin", "score": 0.97}],
        "failed": 0,
        "failures": [],
        "without_truth": 0,
        "notes": [],
    }
    return report | changes


MATRIX = (["owl", "robin"], 2, [(0, 0, 2), (0, 1, 2), (1, 1, 4)])


def text_of(width: int = 80, matrix: Any = MATRIX, **changes: Any) -> str:
    return "\n".join(lines_of(a_report(**changes), matrix, width))


def test_classes_are_listed_with_the_worst_first() -> None:
    lines = text_of().split("\n")
    at = next(place for place, line in enumerate(lines) if "classes, worst first" in line)
    assert [line.split()[0] for line in lines[at + 1 : at + 4]] == ["robin", "owl", "none"]
    assert lines[at + 3].split() == ["none", "4", "-", "0", "-"]


def test_a_wide_terminal_has_the_intervals_of_the_classes_too() -> None:
    def line_of(width: int) -> str:
        return next(line for line in text_of(width).split("\n") if line.startswith("  owl"))

    assert "25.0% to" not in line_of(80) and line_of(120).count("( 25.0% to  75.0%)") == 2


def test_a_small_confusion_matrix_is_shown_whole() -> None:
    lines = text_of().split("\n")
    at = next(place for place, line in enumerate(lines) if "shown, called:" in line)
    assert [line.split() for line in lines[at : at + 3]] == [
        ["shown,", "called:", "owl", "robin"], ["owl", "2", "2"], ["robin", ".", "4"]
    ]  # fmt: skip
    assert "wrong most often" not in "\n".join(lines)


def test_of_a_large_one_the_pairs_that_were_confused_most() -> None:
    names = [f"a bird of kind {number}" for number in range(30)]
    text = text_of(matrix=(names, 30, [(0, 1, 2)]))
    assert "shown, called:" not in text and "wrong most often: shown" in text


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_but_those_with_files_is_wider_than_the_terminal(width: int) -> None:
    long = "x" * 300
    tags = [{"sure": 0.9, "tagged": SHARE, "right": SHARE, "wrong_of_all": 0.1}]
    rows = [a_class(long) | {"tagged": 0.5, "right": 0.5}]
    names = [f"{long}{number}" for number in range(width // 12)]
    for matrix in ((names, len(names), [(0, 1, 12345)]), MATRIX):
        for changes in ({}, {"sure": 0.9, "tags": tags}):
            text = text_of(width, matrix, classes=rows, mistakes=[], **changes)
            assert max(map(len, text.split("\n"))) <= width, text


def test_only_forty_classes_are_listed() -> None:
    text = text_of(classes=[a_class(f"kind {number}") for number in range(1000)])
    assert text.count("kind ") == 40 and "and 960 more: --json has all" in text


def test_a_synset_stands_beside_what_the_model_calls_it() -> None:
    text = text_of(classes=[a_class("n02012849", "crane"), a_class("517", "crane (n03126707)"), a_class("owl", "owl")])
    assert "n02012849 crane" in text and "517 crane (n03126707)" in text and "owl owl" not in text


def test_what_is_not_known_is_no_figure_and_is_told() -> None:
    text = text_of(top5=None, ece=None, reliability=[], coverage=[], notes=["the scores are logits"])
    assert "among the best five           -" in text and "(ECE)       -" in text
    assert "believed" not in text and text.endswith("  the scores are logits")


def test_failures_are_named_and_nothing_of_a_name_reaches_the_terminal() -> None:
    failures = [{"file": f"{number}\x07.jpg", "error_code": "corrupt", "error": "broken\n"} for number in range(50)]
    text = text_of(failed=1234, failures=failures, without_truth=2)
    assert "8 photos, 1234 failed, 2 without a truth" in text
    assert r"0\x07.jpg: corrupt: broken\n" in text and "and 1194 more" in text
    assert "\x1b" not in text and "\x07" not in text and r"a\x1b[2J.jpg" in text


def test_of_nothing_there_are_no_figures() -> None:
    failures = [{"file": "a.jpg", "error_code": "corrupt", "error": "broken"}]
    nothing = {"photos": 0, "classes": [], "confusions": [], "mistakes": [], "failed": 1, "failures": failures}
    text = text_of(matrix=([], 0, []), **nothing)
    assert text == "birds, 0 photos, 1 failed\n\n  failed\n  a.jpg: corrupt: broken"
