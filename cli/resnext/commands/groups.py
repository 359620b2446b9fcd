"""Groups of options: each is declared once, and a command lists those that it takes.

An option is an Annotated field of a class that extends OptionGroup; `@command` makes a Command of a function whose
parameters are groups. From that `help_page` writes the help, and `parser` what Typer needs to parse a command line.
"""

import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self, dataclass_transform, get_args, get_origin

from resnext.console.terminal import ColorChoice, Notices
from resnext.errors import ExitCode, OutputError

_SHOWN = 60  # characters of a wrong value
_LONGEST_NAME = 255  # bytes, of the file systems that people have


class WrongValue(Exception):
    """What an option can't take, in words that follow the option's name."""


class Argument:
    """A value that a command takes without an option's name; `offers` gives what a shell completes it with."""

    def __init__(self, *, metavar: str, help: str, offers: Callable[[], list[str]] | None = None) -> None:
        self.metavar, self.help, self.offers = metavar, help, offers


class Option:
    """An option of a command.

    `names` are its spellings, "--flat/--no-flat" for one that can be switched off; without any it is spelled as its
    field. `metavar` stands for the value in --help, and `parser` reads it or raises WrongValue; of texts, files and
    choices both are known. `count`: the value is how often it is given. `offers` gives what a shell completes it with.
    """

    def __init__(
        self,
        *names: str,
        help: str,
        metavar: str | None = None,
        parser: Callable[[str], Any] | None = None,
        offers: Callable[[], list[str]] | None = None,
        count: bool = False,
        show_default: bool = True,
    ) -> None:
        self.names, self.help, self.metavar = names, help, metavar
        self.parser, self.offers, self.count, self.show_default = parser, offers, count, show_default


class HelpOption(Option):
    """The option that prints the help and ends the command, whatever else is asked."""


class Field(NamedTuple):
    """One field of a group: `kind` is the type of its values."""

    name: str
    kind: Any
    option: Option | Argument
    default: Any

    @property
    def spellings(self) -> tuple[str, ...]:
        """How it is written on a command line: "-m", "--model"."""
        assert isinstance(self.option, Option)
        return self.option.names or (f"--{self.name.replace('_', '-')}",)

    @property
    def choices(self) -> tuple[str, ...]:
        """What it may be, where that is one of a few words."""
        return get_args(self.kind) if get_origin(self.kind) is Literal else ()

    @property
    def metavar(self) -> str:
        """The name of its value in the help; empty for an option without a value."""
        return self.option.metavar or "|".join(self.choices)

    @property
    def offers(self) -> Callable[[], list[str]] | None:
        """What a shell completes its value with."""
        return (lambda: list(self.choices)) if self.choices else self.option.offers

    @property
    def parser(self) -> Callable[[str], Any] | None:
        """The function that reads its value; None for an option without a value."""
        kinds = {self.kind, *get_args(self.kind)}
        if self.choices:
            return _choice(self.choices)
        if Path in kinds:
            return _file
        if isinstance(self.option, Option) and self.option.parser is not None:
            return self.option.parser
        return _text if kinds & {str, list[str]} else None


@dataclass_transform(frozen_default=True)
class OptionGroup:
    """Options that belong together: `name: Annotated[kind, Option(...)] = default` for each.

    Used like a frozen dataclass. It is none: each of those takes a millisecond of every start.
    """

    title: ClassVar[str]  # the section's heading in --help

    def __init__(self, **values: Any) -> None:
        vars(self).update({field.name: field.default for field in self.fields()} | values)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def replace(self, **values: Any) -> Self:
        """Give the same options but for these."""
        return type(self)(**{**vars(self), **values})

    @classmethod
    def fields(cls) -> Iterator[Field]:
        """Give what the group declares, in its order; then what the group declares that it extends."""
        for group in cls.__mro__[: cls.__mro__.index(OptionGroup)]:
            for name, annotation in group.__annotations__.items():
                kind, option = get_args(annotation)
                yield Field(name, kind, option, vars(group)[name])


class MessageOptions(OptionGroup):
    """What is said to people. Every command has these."""

    title = "Messages"

    color: Annotated[ColorChoice, Option(help="Colour in tables.")] = "auto"
    quiet: Annotated[bool, Option("--quiet", "-q", help="Only warnings and errors on stderr.")] = False
    verbose: Annotated[int, Option("--verbose", "-v", count=True, help="Say more on stderr.", show_default=False)] = 0
    debug: Annotated[bool, Option("--debug", help="Show the traceback of an error.")] = False
    help: Annotated[bool, HelpOption("--help", "-h", help="Show this message and exit.")] = False

    def notices(self) -> Notices:
        """Make the object that tells people, as loudly as they wish."""
        return Notices(quiet=self.quiet, verbose=self.verbose)


class Command(NamedTuple):
    """A command as it is declared. `prepare` changes the words of a command line before they are parsed."""

    function: Callable[..., ExitCode]
    examples: Sequence[str]
    prepare: Callable[[Sequence[str]], list[str]]

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def groups(self) -> dict[str, type[OptionGroup]]:
        """The groups that it takes, by the names of the function's parameters."""
        return {name: group for name, group in self.function.__annotations__.items() if name != "return"}

    def run(self, values: dict[str, Any]) -> ExitCode:
        """Run it with checked values, by the names of the options' fields.

        Raises:
            ResnextError: it can't do what it was asked for.
        """
        return self.function(
            **{
                name: group(**{field.name: values[field.name] for field in group.fields()})
                for name, group in self.groups.items()
            }
        )


def command(
    examples: Sequence[str], prepare: Callable[[Sequence[str]], list[str]] = list
) -> Callable[[Callable[..., ExitCode]], Command]:
    """Make a function whose parameters are groups of options a command of the same name.

    One group must be MessageOptions. A ResnextError that the function raises is reported, and what it returns is the
    exit status.
    """
    return lambda function: Command(function, examples, prepare)


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
    # What is still buffered can't be written either: the last flush leads nowhere.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


# -- values: every option that takes one has a function that reads it, or says in words what is wrong with it


def whole(least: int, most: int) -> Callable[[str], int]:
    """Give a reader of whole numbers within these bounds, both of them allowed."""

    def read(value: str) -> int:
        try:
            number = int(value)
        except ValueError:  # also of more digits than Python reads
            number = least - 1
        if not least <= number <= most:
            raise WrongValue(f"{shown(value)}: not a whole number from {least} to {most}")
        return number

    return read


def number(least: float, most: float) -> Callable[[str], float]:
    """Give a reader of numbers within these bounds, both of them allowed; inf and nan are refused."""

    def read(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not least <= number <= most:
            raise WrongValue(f"{shown(value)}: not a number from {least:g} to {most:g}")
        return number

    return read


def shown(value: object) -> str:
    """Give a value as an error line repeats it: of a long one the beginning."""
    text = str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def name_of_file(value: str) -> str:
    """Check the name of a file as `Path` options are, and leave it as it is: it may be an address."""
    return value if "://" in value else str(_file(value))


def _choice(choices: tuple[str, ...]) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in choices:
            raise WrongValue(f"{shown(value)}: not one of {', '.join(choices)}")
        return value

    return read


def _text(value: str) -> str:
    if not value or "\0" in value:
        raise WrongValue(f"'{shown(value)}': {'it holds a NUL' if value else 'empty'}")
    return value


def _file(value: str) -> Path:
    path = Path(_text(value))
    if max(map(len, map(os.fsencode, path.parts or [""]))) > _LONGEST_NAME:
        raise WrongValue(f"{shown(value)}: longer than the name of a file can be")
    return path
