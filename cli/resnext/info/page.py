"""A page of text for people, laid out by rich for one width and written to stdout in one go; or a JSON document."""

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from resnext.console.terminal import printable
from resnext.errors import OutputError
from resnext.outputs import ReaderGone, Stdout

if TYPE_CHECKING:
    from rich.text import Text

_LABEL_WIDTH = 15  # of the facts' left column
_MIN_WIDTH = 40


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. `width` None takes what the text needs; `fold` may be narrowed and then wraps."""

    title: str
    justify: Literal["left", "right"] = "left"
    fold: bool = False


class Page:
    """Collects what is to be shown. All text is made safe for a terminal here, wherever it is from."""

    def __init__(self, width: int, color: bool) -> None:
        from rich.console import Console

        self.width = max(_MIN_WIDTH, width)
        self._buffer = io.StringIO()
        self._console = Console(
            file=self._buffer,
            width=self.width,
            force_terminal=color,
            no_color=not color,
            color_system="standard" if color else None,
            highlight=False,
            emoji=False,
            markup=False,
            legacy_windows=False,
        )

    @property
    def text(self) -> str:
        """All of the page, without spaces at the ends of lines where no colour needs them."""
        return "".join(f"{line.rstrip(' ')}\n" for line in self._buffer.getvalue().splitlines())

    def heading(self, text: str) -> None:
        """A line in bold."""
        self.line(text, "bold")

    def line(self, text: str = "", style: str = "") -> None:
        """A line, wrapped between words where it is too long, under its own indent."""
        stripped = text.lstrip(" ")
        indent = len(text) - len(stripped)
        for row in _wrapped(stripped, self.width - indent):
            self._console.print(_styled(" " * indent + row, style), soft_wrap=True)

    def verbatim(self, text: str) -> None:
        """Lines that are to be copied: never wrapped."""
        for line in text.splitlines():
            self._console.print(_styled(line, ""), soft_wrap=True)

    def facts(self, rows: Iterable[tuple[str, str]], style: str = "bold cyan") -> None:
        """What is what: a label in `style` and a text that wraps beside it."""
        for label, text in rows:
            lines = _wrapped(text, self.width - _LABEL_WIDTH - 1)
            first = _styled(f"{label:<{_LABEL_WIDTH}} ", style)
            first.append(lines[0], "not bold default")
            self._console.print(first, soft_wrap=True)
            for line in lines[1:]:
                self._console.print(_styled(" " * (_LABEL_WIDTH + 1) + line, ""), soft_wrap=True)

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[str]], styles: Iterable[str] = ()) -> None:
        """Rows under headings. Columns that fold share what the others leave."""
        from rich.table import Table

        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
        for column in columns:
            table.add_column(
                column.title,
                justify=column.justify,
                no_wrap=not column.fold,
                overflow="fold" if column.fold else "ellipsis",
            )
        remaining = iter(styles)
        for row in rows:
            table.add_row(*(_styled(cell, "") for cell in row), style=next(remaining, ""))
        self._console.print(table)

    def write(self) -> None:
        """Write the page to stdout.

        Raises:
            OutputError: stdout can't be written.
        """
        write_stdout(self.text)


def write_json(document: Any) -> None:
    """Write one JSON document to stdout: ASCII alone, or on a terminal the letters that people read.

    Raises:
        OutputError: stdout can't be written.
    """
    write_stdout(json_text(document, terminal=Stdout().is_terminal) + "\n")


def json_text(document: Any, *, terminal: bool) -> str:
    """A document as JSON. What a terminal could obey is escaped in either case, as JSON escapes it."""
    text = json.dumps(document, indent=2, ensure_ascii=not terminal)
    if text.isascii():
        return text
    return "".join(each if each in ("\n", printable(each)) else json.dumps(each)[1:-1] for each in text)


def write_stdout(text: str) -> None:
    """Write text to stdout and flush it; a reader that has gone is no error.

    Raises:
        OutputError: it is closed, or the disk behind it is full.
    """
    stdout = Stdout()
    stdout.check()
    try:
        stdout.write(text.encode(errors="backslashreplace"))
    except ReaderGone:
        stdout.abandon()
    except OutputError:
        stdout.abandon()
        raise


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of up to `width` columns, broken at spaces alone: a path or digest is kept whole, to be copied."""
    from rich.cells import cell_len

    text = printable(text)
    if cell_len(text) <= width:
        return [text]  # with all of its spaces: it may be a row of a table
    lines = [""]
    for word in text.split():
        if lines[-1] and cell_len(lines[-1]) + 1 + cell_len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return lines


def _styled(text: str, style: str) -> "Text":
    from rich.text import Text

    return Text(printable(text), style=style)


# -- sizes, ages and counts in words


def size_text(size_bytes: float) -> str:
    """Bytes in the decimal units that hubs and disks use: 18897000 -> "19 MB"."""
    units = ["B", "kB", "MB", "GB", "TB"]
    while size_bytes >= 999.5 and len(units) > 1:
        size_bytes /= 1000
        units.pop(0)
    unit = units[0]
    return f"{size_bytes:.1f} {unit}" if unit in ("GB", "TB") and size_bytes < 99.95 else f"{size_bytes:.0f} {unit}"


def age_text(seconds: float) -> str:
    """A time span in its largest unit: 7300 -> "2 hours"."""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"


def millions_text(count: float) -> str:
    """A count of parameters: 25028904 -> "25.0 M"."""
    return f"{count / 1e6:.1f} M"
