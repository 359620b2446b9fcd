"""The table for people: what stands in it is fitted to the terminal, and nothing in it is obeyed by one."""

from typing import TYPE_CHECKING, Any, TextIO

from resnext.console.terminal import printable
from resnext.outputs.writers.rows import OutputConfig, label_text
from resnext.records import Classified, Failure, Tag

if TYPE_CHECKING:
    from rich.table import Table

_FILE_SHARE = 0.4  # of the terminal's width, at most


class TableWriter:
    """For people: a photo's classes with their probabilities, in columns that fit the terminal; rows as they come."""

    def __init__(self, stream: TextIO, config: OutputConfig) -> None:
        from rich.console import Console

        self._config = config
        self._file_width = max(12, int(config.width * _FILE_SHARE) - 2)
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
        table = self._table(show_header=self._header_due)
        self._header_due = False
        file = self._fitted(printable(record.source.file))
        if isinstance(record, Failure):
            self._add(table, file, self._styled(f"{record.code}: {printable(record.message)}", "red"))
        elif not record.predictions:
            self._add(table, file, self._styled("no class reaches the threshold", "dim"), tags=record.tags)
        else:
            for rank, prediction in enumerate(record.predictions):
                style = "bold" if rank == 0 else ""
                label = printable(label_text(prediction.label, self._config.label_type))
                self._add(
                    table,
                    file if rank == 0 else "",
                    self._styled(label, style),
                    self._score(prediction.score),
                    record.tags if rank == 0 else (),
                )
        self._console.print(table)

    def end(self) -> None:
        return

    def _add(self, table: "Table", file: str, label: Any, score: str = "", tags: tuple[Tag, ...] = ()) -> None:
        cells = [file, label, score]
        if self._config.tags:
            cells.append(self._styled(", ".join(printable(tag.label) for tag in tags), "bold"))
        table.add_row(*cells)

    def _table(self, show_header: bool) -> "Table":
        from rich.table import Table

        # Fixed widths, so that tables printed one after another stand in line.
        score_width = 6
        rest = self._config.width - self._file_width - score_width - 4
        tag_width = rest // 3 if self._config.tags else 0
        label_width = max(12, rest - tag_width - (2 if tag_width else 0))
        table = Table(box=None, show_header=show_header, padding=(0, 2, 0, 0), pad_edge=False)
        table.add_column("file", width=self._file_width, overflow="fold")
        table.add_column("label", width=label_width, overflow="fold")
        table.add_column("score", width=score_width, justify="right")
        if self._config.tags:
            table.add_column("tag", width=max(8, tag_width), overflow="fold")
        return table

    def _score(self, score: float) -> str:
        return f"{score:.1%}" if self._config.output_type == "prob" else f"{score:.2f}"

    def _fitted(self, file: str) -> str:
        """The end of a path that is too long for its column: the name is there, the folders are known."""
        from rich.cells import cell_len

        if cell_len(file) <= self._file_width:
            return file
        while cell_len(file) >= self._file_width:
            file = file[1:]
        return f"…{file}"

    @staticmethod
    def _styled(text: str, style: str) -> Any:
        from rich.text import Text

        return Text(text, style=style)
