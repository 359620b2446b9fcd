"""Groups of options: each is declared once, and a command lists those that it takes.

An option is an Annotated field of a frozen dataclass that extends OptionGroup. `@command` reads the groups among a
function's parameters and makes of them the flat signature that Typer knows, and the sections of `--help`.
"""

import inspect
import math
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin

import typer
from typer.core import TyperCommand, TyperOption
from typer.models import OptionInfo

from resnext.console.terminal import ColorChoice, Notices
from resnext.errors import ExitCode, OutputError, report_errors

# Plain help: rich would double the time that --help takes, and its boxes cut long options short.
PLAIN: dict[str, Any] = {"rich_markup_mode": None, "pretty_exceptions_enable": False}
_NAME_WIDTH = 28  # columns of an option's spelling in --help; a longer one has its text on the next line
_SHOWN = 60  # characters of a wrong value
_LONGEST_NAME = 255  # bytes, of the file systems that people have


class OptionGroup:
    """Options that belong together. A subclass is a frozen dataclass: a field an option, Annotated for Typer."""

    title: ClassVar[str]  # the section's heading in --help


def print_page(text: str) -> None:
    """Write a page of text to stdout; a reader that has gone is no error.

    Raises:
        OutputError: it can't be written.
    """
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        pass
    except OSError as error:
        raise OutputError(f"stdout: can't write: {error.strerror}") from error
    else:
        return
    # What is still buffered can't be written either: let the last flush end in nothing.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _print_help(ctx: typer.Context, wanted: bool) -> None:
    if wanted:
        with report_errors():
            print_page(ctx.get_help())
        raise typer.Exit


# Not Typer's own: that takes a full disk for a fault of ours, and a reader that has gone for a failure.
HelpOption = Annotated[
    bool, typer.Option("--help", "-h", is_eager=True, callback=_print_help, help="Show this message and exit.")
]


@dataclass(frozen=True, eq=False, repr=False)
class MessageOptions(OptionGroup):
    """What is said to people. Every command has these."""

    title = "Messages"

    color: Annotated[ColorChoice, typer.Option(help="Colour in tables.")] = "auto"
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors on stderr.")] = False
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, help="Say more on stderr.", show_default=False)
    ] = 0
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False
    help: HelpOption = False

    def notices(self) -> Notices:
        """What tells people, as loudly as they wish."""
        return Notices(quiet=self.quiet, verbose=self.verbose)


class Command(TyperCommand):
    """A command whose help has a section for each group of options, and its examples last."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the sections in the order in which the command lists its groups."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                title = param.rich_help_panel if isinstance(param, TyperOption) else "Arguments"
                name, text = record
                sections.setdefault(title or "Options", []).append((name.ljust(_NAME_WIDTH), text))
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records, col_max=_NAME_WIDTH)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples as they are: a line that is wrapped can't be copied."""
        with formatter.section("Examples"):
            for line in (self.epilog or "").splitlines():
                formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


def command(examples: Sequence[str], cls: type[Command] = Command) -> Callable[[Callable[..., ExitCode]], TyperCommand]:
    """Make a function with groups of options as its parameters a command of the same name.

    A group is built from its options' checked values; other parameters are passed as they are. One group must be
    MessageOptions. A ResnextError that the function raises is reported, and what it returns is the exit status.
    """

    def make(function: Callable[..., ExitCode]) -> TyperCommand:
        alone = typer.Typer(add_completion=False, **PLAIN)
        alone.command(function.__name__, cls=cls, epilog="\n".join(examples))(_flat(function))
        made = typer.main.get_command(alone)
        assert isinstance(made, TyperCommand)
        return made

    return make


def _flat(function: Callable[..., ExitCode]) -> Callable[..., None]:
    """The function with the options themselves as parameters."""
    signature = inspect.signature(function)
    groups: dict[str, Any] = {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if isinstance(parameter.annotation, type) and issubclass(parameter.annotation, OptionGroup)
    }
    flat: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        if name not in groups:
            flat.append(parameter)
            continue
        for field in fields(groups[name]):
            kind, option = get_args(field.type)
            option.rich_help_panel = groups[name].title
            if isinstance(option, OptionInfo):
                _check_values(option, kind)
            flat.append(parameter.replace(name=field.name, annotation=field.type, default=field.default))

    def run(**values: Any) -> None:
        with report_errors(values["debug"]):
            built = {
                name: group(**{field.name: values.pop(field.name) for field in fields(group)})
                for name, group in groups.items()
            }
            code = function(**built, **values)
        raise typer.Exit(int(code))

    run.__name__, run.__doc__ = function.__name__, function.__doc__
    run.__signature__ = signature.replace(parameters=flat, return_annotation=None)  # type: ignore[attr-defined]
    return run


# -- values: every option that takes one has a function that reads it, or says in words what is wrong with it


def _check_values(option: OptionInfo, kind: Any) -> None:
    """Give an option of texts, names of files or choices its reader; one of numbers has it already."""
    kinds = {kind, *get_args(kind)}
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        option.metavar, option.autocompletion = "|".join(choices), lambda: list(choices)
        option.parser = _choice(choices)
    elif Path in kinds:
        option.parser = _file
    elif option.parser is None and kinds & {str, list[str]}:
        option.parser = _text


def whole(least: int, most: int) -> Callable[[str], int]:
    """What reads a whole number within bounds, both of them allowed."""

    def read(value: str) -> int:
        try:
            number = int(value)
        except ValueError:  # also of more digits than Python reads
            number = least - 1
        if not least <= number <= most:
            raise typer.BadParameter(f"{shown(value)}: not a whole number from {least} to {most}")
        return number

    return read


def number(least: float, most: float) -> Callable[[str], float]:
    """What reads a number within bounds, both of them allowed; neither inf nor nan is one."""

    def read(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not least <= number <= most:
            raise typer.BadParameter(f"{shown(value)}: not a number from {least:g} to {most:g}")
        return number

    return read


def shown(value: object) -> str:
    """A value as an error line repeats it: of a long one the beginning."""
    text = str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _choice(choices: tuple[str, ...]) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in choices:
            raise typer.BadParameter(f"{shown(value)}: not one of {', '.join(choices)}")
        return value

    return read


def _text(value: str) -> str:
    if not value or "\0" in value:
        raise typer.BadParameter(f"'{shown(value)}': {'it holds a NUL' if value else 'empty'}")
    return value


def _file(value: str) -> Path:
    path = Path(_text(value))
    if max(map(len, map(os.fsencode, path.parts or [""]))) > _LONGEST_NAME:
        raise typer.BadParameter(f"{shown(value)}: longer than the name of a file can be")
    return path
