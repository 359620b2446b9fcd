r"""`--template '{file}\t{label}\t{score:.2f}'`: a line a photo in the user's own form.

Fields are plain names with a format specification; whatever else Python's formatting can do (attributes, indices,
conversions) is refused, never evaluated.
"""

import re
import string
from typing import Any, TextIO

from resnext.console.terminal import printable
from resnext.errors import UsageError
from resnext.outputs.writers.rows import TAG_CELLS, OutputConfig, base64_name, row_of, tag_cells
from resnext.records import Classified, Failure

# Each field with a value of its type, on which a specification is tried before the run begins.
_FIELDS: dict[str, str | int | float] = {
    **{"file": "", "file_b64": "", "status": "", "model": "", "label": "", "synset": "", "error": "", "error_code": ""},
    **{"score": 0.5, "index": 0, "rank": 1, "tag": "", "tag_score": 0.5, "tag_path": ""},
}
_ESCAPES = {"t": "\t", "n": "\n", "0": "\0", "\\": "\\"}
_MAX_WIDTH_DIGITS = 3  # a width of a billion would be a gigabyte a line
_BREAKS_A_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")

Part = str | tuple[str, str]  # literal text, or a field and its specification


def parse_template(template: str, *, tags: bool = False) -> tuple[Part, ...]:
    """Check a template and take it apart. `tags`: whether rows have tags.

    Raises:
        UsageError: it has an unknown field, an unknown escape, or asks for more than a field and its format, or for a
            tag where there are none.
    """
    parts: list[Part] = []
    try:
        for literal, field, specification, conversion in string.Formatter().parse(template):
            if literal:
                parts.append(_unescaped(literal))
            if field is not None:
                parts.append(_checked(field, specification or "", conversion))
    except ValueError as error:
        raise UsageError(f"--template: {error}") from error
    if not parts:
        raise UsageError("--template: is empty")
    for part in parts:
        if not tags and not isinstance(part, str) and part[0] in TAG_CELLS:
            raise UsageError(f"--template: {{{part[0]}}} needs --tags")
    return tuple(parts)


class TemplateWriter:
    """A line a photo, of its best class; where the template has {rank}, a line a class. A field without value is empty.

    What would break the line or command a terminal is escaped; {file_b64} gives the exact name.
    """

    def __init__(self, stream: TextIO, config: OutputConfig) -> None:
        self._stream, self._config = stream, config
        self._parts = parse_template(config.template, tags=config.tags)
        self._each_class = any(not isinstance(part, str) and part[0] == "rank" for part in self._parts)
        last = self._parts[-1]
        self._end = "" if isinstance(last, str) and last.endswith(("\n", "\0")) else "\n"

    def begin(self) -> None:
        return

    def write(self, record: Classified | Failure) -> None:
        row = row_of(record, self._config)
        values = {**row, "file_b64": base64_name(record.source.file), **(tag_cells(row) if self._config.tags else {})}
        predictions = row["predictions"] or [{}]
        for rank, prediction in enumerate(predictions if self._each_class else predictions[:1], start=1):
            self._line({**values, **prediction, "rank": rank if prediction else None})

    def end(self) -> None:
        return

    def _line(self, values: dict[str, Any]) -> None:
        texts = [part if isinstance(part, str) else self._value(values.get(part[0]), part[1]) for part in self._parts]
        self._stream.write("".join(texts) + self._end)

    def _value(self, value: Any, specification: str) -> str:
        if value is None:
            return ""
        if not isinstance(value, str):
            return format(value, specification)
        if self._config.terminal:
            return format(printable(value), specification)
        return format(_BREAKS_A_LINE.sub(lambda match: printable(match[0]), value), specification)


def _checked(field: str, specification: str, conversion: str | None) -> Part:
    if field not in _FIELDS:
        raise UsageError(f"--template: {{{field}}} is no field; there are {', '.join(_FIELDS)}")
    if conversion is not None:
        raise UsageError(f"--template: {{{field}!{conversion}}}: conversions are not possible")
    if "{" in specification or re.search(rf"\d{{{_MAX_WIDTH_DIGITS + 1}}}", specification):
        raise UsageError(f"--template: {{{field}:{specification}}}: too large or nested a format")
    if specification.endswith("c"):  # a number as the character of that code: any control character
        raise UsageError(f"--template: {{{field}:{specification}}}: no such format")
    try:
        format(_FIELDS[field], specification)
    except ValueError as error:
        raise UsageError(f"--template: {{{field}:{specification}}}: {error}") from error
    return field, specification


def _unescaped(literal: str) -> str:
    def replaced(match: re.Match[str]) -> str:
        if match[1] not in _ESCAPES:
            raise UsageError(rf"--template: {match[0]}: the escapes are \t, \n, \0 and \\")
        return _ESCAPES[match[1]]

    return re.sub(r"\\(.|$)", replaced, literal, flags=re.DOTALL)
