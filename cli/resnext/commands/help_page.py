"""The help of a command and of all commands, as text. It is written without Typer, whose import takes longer."""

import textwrap
from collections.abc import Iterable, Mapping

from resnext.commands.groups import Argument, Command, Field, Option

_INDENT = 2
_NAME_WIDTH = 28  # columns of an option's spelling; a longer one has its text on the next line
_WIDEST = 98  # columns of a page
_NARROWEST = 50

_ABOUT = "Label photos with timm's semi-supervised ResNeXts: compiled once, then fast and offline."
# Those of Typer's own completion are among them.
_APP_OPTIONS = {
    "-V, --version": "Print the version and exit.",
    "-h, --help": "Show this message and exit.",
    "--install-completion": "Install completion for the current shell.",
    "--show-completion": "Show completion for the current shell, to copy it or customize the installation.",
}


def page_width(columns: int) -> int:
    """Give the columns of a page on a terminal of so many."""
    return max(min(columns - _INDENT, _WIDEST), _NARROWEST)


def app_page(commands: Mapping[str, str], width: int) -> str:
    """Write the help of the program, with a line about each of its commands."""
    return "\n".join(
        [
            *_head("resnext [OPTIONS] COMMAND [ARGS]...", _ABOUT, width),
            *_section("Options", _APP_OPTIONS.items(), width),
            *_section("Commands", commands.items(), width),
        ]
    )


def command_page(command: Command, width: int) -> str:
    """Write the help of a command: its options under the headings of their groups, and its examples last."""
    sections: dict[str, list[tuple[str, str]]] = {}
    usage = f"resnext {command.name} [OPTIONS]"
    for group in command.groups.values():
        for field in group.fields():
            if isinstance(field.option, Argument):
                usage += f" {field.metavar}"
                title, name = "Arguments", field.metavar
            else:
                title, name = group.title, _name(field, field.option)
            sections.setdefault(title, []).append((name.ljust(_NAME_WIDTH), field.option.help + _default(field)))
    return "\n".join(
        [
            *_head(usage, command.function.__doc__ or "", width),
            *[line for title, rows in sections.items() for line in _section(title, rows, width)],
            "",
            "Examples:",
            *[f"{'':{_INDENT}}{line}" for line in command.examples],  # a line that is wrapped can't be copied
        ]
    )


def _name(field: Field, option: Option) -> str:
    """Give the spellings of an option, short ones first, and the name of its value."""
    by_length = sorted(field.spellings, key=lambda name: len(name) - len(name.lstrip("-")))
    names = ", ".join(by_length).replace("/", " / ")
    return names if field.kind is bool or option.count else f"{names} {field.metavar}"


def _default(field: Field) -> str:
    if not isinstance(field.option, Option) or not field.option.show_default:
        return ""
    if field.default is None or field.default is False:
        return ""
    default = field.spellings[0].split("/")[0].lstrip("-") if field.default is True else field.default
    return f"  [default: {default}]"


def _head(usage: str, about: str, width: int) -> list[str]:
    first, _, rest = about.partition("\n")
    paragraphs = f"{first}\n{textwrap.dedent(rest)}".strip().split("\n\n")
    lines = [f"Usage: {usage}"]
    for paragraph in paragraphs:
        lines += ["", *_wrapped(" ".join(paragraph.splitlines()), width, " " * _INDENT)]
    return lines


def _section(title: str, rows: Iterable[tuple[str, str]], width: int) -> list[str]:
    """Write a heading and its rows in two columns."""
    rows = list(rows)
    column = min(max(len(name) for name, _ in rows), _NAME_WIDTH) + _INDENT
    lines = ["", f"{title}:"]
    for name, text in rows:
        texts = _wrapped(text, max(width - column - _INDENT, 10))
        if len(name) > column - _INDENT:
            lines.append(f"{'':{_INDENT}}{name}")
        else:
            lines.append(f"{'':{_INDENT}}{name.ljust(column)}{texts.pop(0)}")
        lines += [f"{'':{_INDENT + column}}{line}" for line in texts]
    return lines


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent, replace_whitespace=False)
