"""Pages, amounts, patterns, privacy: what people read, at every width."""

from pathlib import Path

import pytest

from resnext.info.health.privacy import private_names, redacted
from resnext.info.page import Column, Page, age_text, json_text, millions_text, size_text
from resnext.info.search import matches, with_wildcards


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (18_896_699, "19 MB"),
        (999_700, "1 MB"),
        (777e6, "777 MB"),
        (1.5e9, "1.5 GB"),
        (3e15, "3000 TB"),
    ],
)
def test_sizes(size: float, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "less than a minute"), (60, "1 minute"), (7300, "2 hours"), (86400, "1 day"), (1e7, "115 days")],
)
def test_ages(seconds: float, text: str) -> None:
    assert age_text(seconds) == text
    assert millions_text(25_028_904) == "25.0 M"


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_page_keeps_its_width_and_hides_nothing(width: int) -> None:
    page = Page(width, color=False)
    page.facts([("label", "words " * 60), ("wide", "大熊猫 " * 40)])
    page.line("    " + "indented " * 30)
    page.table(
        [Column("name", fold=True), Column("size", "right")], [("a" * 60, "1 MB"), ("evil\x1b[31m\u202e", "2 MB")]
    )
    from rich.cells import cell_len

    assert max(map(cell_len, page.text.splitlines())) <= width
    assert page.text.count("words") == 60 and page.text.count("大熊猫") == 40
    assert "\x1b" not in page.text and "\u202e" not in page.text
    assert all(line.startswith("    indented") for line in page.text.splitlines() if "indented" in line)


def test_what_is_to_be_copied_is_never_broken() -> None:
    page = Page(40, color=False)
    path = "/a/long/path" * 8
    page.facts([("folder", f"19 MB in {path}")])
    page.verbatim("x" * 90)
    assert path in page.text and "x" * 90 in page.text


def test_colour_is_only_where_it_is_wanted() -> None:
    for color in (True, False):
        page = Page(80, color)
        page.facts([("label", "text")])
        assert ("\x1b[" in page.text) is color


def test_json_on_a_terminal_is_what_people_read_and_nothing_that_it_obeys() -> None:
    import json

    document = {"name": "Gr\u00fc\u00dfe \u732b", "evil": "\u202e\x1b[31m\udcff", "rows": [1, "a\nb"]}
    shown = json_text(document, terminal=True)
    assert "Gr\u00fc\u00dfe \u732b" in shown and not {"\u202e", "\x1b", "\udcff"} & set(shown)
    assert json_text(document, terminal=False).isascii()
    assert json.loads(shown) == json.loads(json_text(document, terminal=False)) == document


@pytest.mark.parametrize(
    ("pattern", "name", "found"),
    [
        ("crane", "a crane", True),
        ("Crane", "CRANE", True),
        ("crane*", "a crane", False),
        ("*n?", "crane", True),
        ("", "anything", True),
        ("cat", "dog", False),
    ],
)
def test_patterns(pattern: str, name: str, found: bool) -> None:
    assert matches(with_wildcards(pattern), name) is found


def test_private_names_are_taken_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/home/alice")
    monkeypatch.setenv("LOGNAME", "alice")
    names = private_names(Path("/home/alice/.cache/resnext"))
    text = {
        "/home/alice/x": ["/home/alice/.cache/resnext/compiled: no", "/data/alice/photos", "alice in wonderland"],
        "n": 3,
    }
    assert redacted(text, names) == {
        "~/x": ["<cache>/compiled: no", "/data/<user>/photos", "alice in wonderland"],
        "n": 3,
    }
