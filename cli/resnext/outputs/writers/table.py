"""The table for people: fitted to the width of the terminal, with everything escaped that a terminal would obey."""

from typing import TYPE_CHECKING, TextIO

from resnext.console.terminal import printable
from resnext.outputs.writers.rows import OutputConfig, label_text
from resnext.records import Classified, Failure, Tag

if TYPE_CHECKING:
    from rich.text import Text

_GAP = 2
_SCORE_WIDTH = 6  # "100.0%", "-12.34"
_LABEL_WIDTH = 32  # the longest first names of ImageNet's classes; longer labels go on in the next line
_TAG_WIDTH = 20
_NAME_STEP = 8  # a column of names that grows does so seldom


class TableWriter:
    """For people: a photo's classes with their probabilities, in columns that fit the terminal; rows as they come.

    Names have the room that the longest one so far takes, up to what the terminal has; labels stand beside their
    scores.
    """

    def __init__(self, stream: TextIO, config: OutputConfig) -> None:
        from rich.console import Console

        self._config = config
        room = config.width - _SCORE_WIDTH - 2 * _GAP
        self._tag_width = max(8, min(_TAG_WIDTH, room // 4)) if config.tags else 0
        room -= self._tag_width + _GAP if config.tags else 0
        most = _LABEL_WIDTH if config.label_type == "name" else room // 2
        self._label_width = max(8, min(most, room // 2))
        self._most_name = max(4, room - self._label_width)
        self._name_width = 0
        self._console = Console(
            file=stream,
            width=config.width,
            force_terminal=config.color,
            no_color=not config.color,
            color_system="standard" if config.color else None,
            highlight=False,
            emoji=False,
            markup=False,
        )
        self._header_due = True

    def begin(self) -> None:
        return

    def write(self, record: Classified | Failure) -> None:
        from rich.cells import cell_len

        file = printable(record.source.file)
        needed = -(-max(cell_len(file), 2 * _NAME_STEP) // _NAME_STEP) * _NAME_STEP
        self._name_width = min(self._most_name, max(self._name_width, needed))
        if self._header_due:
            self._line(self._text("file"), self._text("label"), "score", self._text("tag"))
            self._header_due = False
        name = self._text(self._fitted(file))
        tags = record.tags if isinstance(record, Classified) else ()
        if isinstance(record, Failure):
            self._line(name, self._text(f"{record.code}: {printable(record.message)}", "red"))
        elif not record.predictions:
            self._line(name, self._text("abstained: no class is sure enough", "dim"), tag=self._tags(tags))
        for rank, prediction in enumerate(record.predictions if isinstance(record, Classified) else ()):
            label = printable(label_text(prediction.label, self._config.label_type))
            self._line(
                self._text("") if rank else name,
                self._text(label, "" if rank else "bold"),
                self._score(prediction.score),
                self._tags(tags if rank == 0 else ()),
            )

    def end(self) -> None:
        return

    def _line(self, name: "Text", label: "Text", score: str | None = None, tag: "Text | None" = None) -> None:
        """One line, and those in which its label goes on; without a score a label has its room too."""
        from rich.table import Table

        width = self._label_width if score is not None else self._label_width + _GAP + _SCORE_WIDTH
        table = Table(box=None, show_header=False, padding=(0, _GAP, 0, 0), pad_edge=False)
        table.add_column(width=self._name_width, overflow="fold")
        table.add_column(width=width, overflow="fold")
        cells: list[Text | str] = [name, label]
        if score is not None:
            table.add_column(width=_SCORE_WIDTH, justify="right")
            cells.append(score)
        if self._config.tags:
            table.add_column(width=self._tag_width, overflow="fold")
            cells.append(tag or "")
        table.add_row(*cells)
        self._console.print(table)

    def _tags(self, tags: tuple[Tag, ...]) -> "Text":
        return self._text(", ".join(printable(tag.label) for tag in tags), "bold")

    def _score(self, score: float) -> str:
        return f"{score:.1%}" if self._config.output_type == "prob" else f"{score:.2f}"

    def _fitted(self, file: str) -> str:
        """The end of a path that is too long for its column: the name is there, the folders are known."""
        from rich.cells import cell_len

        if cell_len(file) <= self._name_width:
            return file
        while cell_len(file) >= self._name_width:
            file = file[1:]
        return f"…{file}"

    @staticmethod
    def _text(text: str, style: str = "") -> "Text":
        from rich.text import Text

        return Text(text, style=style)
