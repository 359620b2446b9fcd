"""What Typer parses: a command's flat signature, made of its groups of options."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from resnext.commands.groups import Argument, Command, Field, HelpOption, WrongValue, print_page
from resnext.errors import report_errors

# Without rich: its import takes as long as Typer's.
PLAIN: dict[str, Any] = {"rich_markup_mode": None, "pretty_exceptions_enable": False}


class _Parser(TyperCommand):
    declared: Command

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Let the command change its words first."""
        return super().parse_args(ctx, self.declared.prepare(args))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page that is written without Typer too."""
        from resnext.commands.help_page import command_page

        formatter.write(command_page(self.declared, formatter.width))


def parser_of(command: Command) -> TyperCommand:
    """Give what parses the command's lines, runs it and ends the process with its status."""
    alone = typer.Typer(add_completion=False, **PLAIN)
    alone.command(command.name, cls=_Parser, epilog="\n".join(command.examples))(_flat(command))
    made = typer.main.get_command(alone)
    assert isinstance(made, _Parser)
    made.declared = command
    return made


def print_help(ctx: typer.Context, wanted: bool) -> None:
    """Print the help where it is asked for, and end.

    Typer's own option takes a full disk for a fault of ours, and a reader that has gone for a failure.
    """
    if wanted:
        with report_errors():
            print_page(ctx.get_help())
        raise typer.Exit


def _flat(command: Command) -> Callable[..., None]:
    """A function with the options themselves as parameters."""

    def run(**values: Any) -> None:
        with report_errors(values["debug"]):
            code = command.run(values)
        raise typer.Exit(int(code))

    parameters = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=Annotated[field.kind, _told(field, group.title)],
            default=field.default,
        )
        for group in command.groups.values()
        for field in group.fields()
    ]
    run.__name__, run.__doc__ = command.name, command.function.__doc__
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run


def _told(field: Field, title: str) -> Any:
    """Give Typer's own declaration of an option or argument."""
    told: dict[str, Any] = {"help": field.option.help, "parser": _reader(field.parser), "autocompletion": field.offers}
    if isinstance(field.option, Argument):
        return typer.Argument(metavar=field.metavar, rich_help_panel=title, **told)
    if isinstance(field.option, HelpOption):
        return typer.Option(*field.spellings, is_eager=True, callback=print_help, rich_help_panel=title, **told)
    count = field.option.count
    return typer.Option(*field.spellings, metavar=field.metavar or None, count=count, rich_help_panel=title, **told)


def _reader(parser: Callable[[str], Any] | None) -> Callable[[str], Any] | None:
    """Give the reader with Typer's own error for a wrong value."""
    if parser is None:
        return None

    @functools.wraps(parser)
    def read(value: str) -> Any:
        try:
            return parser(value)
        except WrongValue as error:
            raise typer.BadParameter(str(error)) from None

    return read
