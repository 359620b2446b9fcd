"""What people read: notices on stderr, colour, and text made safe for a terminal. Standard library only."""

import os
import sys
import unicodedata
from typing import Literal, TextIO

ColorChoice = Literal["auto", "always", "never"]

# Categories that a terminal may obey or that hide or reorder text: controls, bidirectional and other format
# characters, lone surrogates (bytes of a name that are not UTF-8), line and paragraph separators.
_UNPRINTABLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Cn", "Co"})
# Two format characters that only join: emoji and several scripts are spelt with them.
_JOINERS = frozenset("\u200c\u200d")


def printable(text: str) -> str:
    r"""Return `text` with everything that a terminal could obey written out as \xNN or \uNNNN escapes.

    A byte that is not UTF-8 (a lone surrogate from the file system) is shown as \xNN, the byte itself.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if char in _JOINERS or unicodedata.category(char) not in _UNPRINTABLE_CATEGORIES else _escaped(char)
        for char in text
    )


def _escaped(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if char in "\n\r\t":
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}[char]
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def use_color(stream: TextIO | None, choice: ColorChoice = "auto") -> bool:
    """Whether colours may be written to `stream`: `--color`, then NO_COLOR and TERM=dumb, then whether it is a TTY."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream is not None and stream.isatty()


def keep_stderr_for_our_own_lines() -> None:
    """Leave file descriptor 2 to C libraries, and lead it nowhere; Python's sys.stderr goes on to the terminal.

    libtiff and others write their complaints past Python's logging, through the progress bar.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    sys.stderr.flush()
    ours = os.dup(sys.stderr.fileno())
    sys.stderr = os.fdopen(ours, "w", encoding="utf-8", errors="backslashreplace", buffering=1)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def say(message: str) -> None:
    """One line for people on stderr. A stderr that can't be written ends no run and changes no exit status."""
    try:
        sys.stderr.write(f"resnext: {printable(message)}\n")
        sys.stderr.flush()
    except OSError:
        # What is buffered would fail again at the interpreter's last flush, and with it the exit status.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stderr.fileno())
        os.close(nowhere)


class Notices:
    """Lines for people, on stderr. Warnings pass `-q` (they say why an answer is not the expected one)."""

    def __init__(self, *, quiet: bool = False, verbose: int = 0) -> None:
        self.quiet = quiet
        self.verbose = verbose

    @property
    def bars(self) -> bool:
        """Whether progress bars are wanted: people look on, and did not ask for silence."""
        return not self.quiet and sys.stderr.isatty()

    def info(self, message: str) -> None:
        """What is being done, when it takes long enough to wonder; silenced by `-q`."""
        if not self.quiet:
            say(message)

    def detail(self, message: str) -> None:
        """What only `-v` asks for."""
        if self.verbose and not self.quiet:
            say(message)

    def warning(self, message: str) -> None:
        """What changes the meaning of the output."""
        say(f"warning: {message}")
