"""What people read is inert: nothing that a terminal would obey, and it still says what stood there."""

import io
import os
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnext.console.terminal import Notices, printable, use_color


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("a\nb\rc\td", "a\\nb\\rc\\td"),
        ("\x9b31m", "\\x9b31m"),  # the one-character form of ESC [
        ("\x00\x7f", "\\x00\\x7f"),
        ("photo\u202egpj.exe", "photo\\u202egpj.exe"),  # shown backwards by a terminal that obeys
        ("\u2066x\u2069\u200b\ufeff", "\\u2066x\\u2069\\u200b\\ufeff"),
        ("a\u2028b", "a\\u2028b"),
        ("\U000e0041", "\\U000e0041"),
        (os.fsdecode(b"caf\xe9"), "caf\\xe9"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_a_terminal_obeys_is_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    "text", ["", "plain [red] text", "Grüße", "猫の写真.jpg", "👩\u200d🚀 ❤\ufe0f", "می\u200cخواهم", "e\u0301"]
)
def test_what_people_write_is_left_alone(text: str) -> None:
    assert printable(text) == text


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(st.text(st.characters(exclude_categories=())))
def test_any_text_becomes_one_harmless_line(text: str) -> None:
    shown = printable(text)
    shown.encode()
    assert len(shown.splitlines()) <= 1
    harmful = {"Cc", "Cs", "Zl", "Zp"}
    assert not [
        char for char in shown if unicodedata.category(char) in harmful or unicodedata.bidirectional(char) in _BIDI
    ]
    assert printable(shown) == shown


_BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@pytest.mark.parametrize(
    ("choice", "environment", "terminal", "coloured"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),  # no-color.org: only when not empty
        ("auto", {"TERM": "dumb"}, True, False),
        ("always", {"NO_COLOR": "1", "TERM": "dumb"}, False, True),
        ("never", {}, True, False),
    ],
)
def test_colour_is_a_matter_of_choice_then_environment_then_terminal(
    monkeypatch: pytest.MonkeyPatch, choice: str, environment: dict[str, str], terminal: bool, coloured: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert use_color(Terminal() if terminal else io.StringIO(), choice) is coloured  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("quiet", "verbose", "heard"),
    [(False, 0, ["info", "warning"]), (False, 1, ["info", "detail", "warning"]), (True, 1, ["warning"])],
)
def test_notices_go_to_stderr_and_warnings_pass_quiet(
    capsys: pytest.CaptureFixture[str], quiet: bool, verbose: int, heard: list[str]
) -> None:
    notices = Notices(quiet=quiet, verbose=verbose)
    for kind in ("info", "detail", "warning"):
        getattr(notices, kind)(f"the {kind}\n\x1b[2J")
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert [line.split("the ")[1] for line in lines] == [f"{kind}\\n\\x1b[2J" for kind in heard]
    assert all(line.startswith("resnext: ") for line in lines)
