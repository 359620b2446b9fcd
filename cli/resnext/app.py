"""The Typer app: its commands, each imported when it is asked for, and what is said of a wrong command line."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

# Typer's own copy of Click has no public names for these.
from typer._click.exceptions import NoSuchOption
from typer._click.shell_completion import CompletionItem
from typer.core import TyperCommand, TyperGroup

from resnext import __version__
from resnext.commands import COMMANDS, declared
from resnext.commands.groups import print_page, shown
from resnext.commands.parser import PLAIN, parser_of, print_help
from resnext.errors import ExitCode, UsageError, report_errors, say_error


class _Commands(Mapping[str, TyperCommand]):
    """The commands by name, each imported when it is asked for."""

    def __getitem__(self, name: str) -> TyperCommand:
        if name not in COMMANDS:
            raise KeyError(name)
        return parser_of(declared(name))

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class _Group(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands()  # type: ignore[assignment]  # nothing is added to it

    def main(self, args: Sequence[str] | None = None, *more: Any, **extra: Any) -> Any:
        """Run the command line; what is wrong with it is said in one line."""
        words = sys.argv[1:] if args is None else args
        try:
            # As `python -m resnext` it bears the same name: completion and examples are of `resnext`.
            with report_errors():
                sys.exit(super().main(args, *more, **{**extra, "prog_name": "resnext", "standalone_mode": False}))
        except typer.TyperException as error:
            command = next((word for word in words[:2] if word in COMMANDS), None)
            say_error(_explained(error, command))
            sys.exit(int(ExitCode.USAGE))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Answer an empty command line with the help, which is no success."""
        if not args and not ctx.resilient_parsing:
            typer.echo(self.get_help(ctx), err=True)
            raise typer.Exit(int(ExitCode.USAGE))
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command; `help` is one too. A path in its place is answered with what to type."""
        name, *rest = args
        if name == "help":
            if not rest:
                print_page(self.get_help(ctx))
                raise typer.Exit
            name, rest = rest[0], ["--help"]
        if name not in COMMANDS and not ctx.resilient_parsing:
            raise UsageError(f"{_no_command(name)} (resnext --help)")
        return super().resolve_command(ctx, [name, *rest])

    def shell_complete(self, ctx: Any, incomplete: str) -> list[CompletionItem]:
        """Offer the commands without an import of them, then the options."""
        found = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return [*found, *super(TyperGroup, self).shell_complete(ctx, incomplete)]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page that is written without Typer too."""
        from resnext.commands.help_page import app_page

        formatter.write(app_page(COMMANDS, formatter.width))


def _no_command(name: str) -> str:
    """What to do about a first word that is no command."""
    if os.path.lexists(name) or "://" in name or any(sign in name for sign in "/\\.*"):
        return f"{shown(name)} is no command; to label photos: resnext classify {shown(name)}"
    from difflib import get_close_matches

    near = get_close_matches(name.casefold(), [*COMMANDS, "help", "--version"])
    meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(COMMANDS)}"
    return f"no command is called {shown(name)}; {meant}"


def _explained(error: typer.TyperException, command: str | None) -> str:
    """The error with the option that it is about, and where to read on."""
    message = error.format_message().rstrip(".")
    message = message[:1].lower() + message[1:]
    if isinstance(error, typer.BadParameter) and error.message and error.param is not None:
        message = f"{max(error.param.opts, key=len)} {error.message}"
    elif isinstance(error, NoSuchOption):
        message = f"no option is called {shown(error.option_name)}"
        if error.possibilities:
            message += f"; did you mean {error.possibilities[0]}?"
        elif command is None:
            message += ", before a command; those of a command follow it"
    return f"{message} ({' '.join(['resnext', *([command] if command else [])])} --help)"


app = typer.Typer(
    name="resnext",
    cls=_Group,
    add_completion=True,
    context_settings={"help_option_names": [], "max_content_width": 100},
    **PLAIN,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print_page(f"resnext {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
    help: Annotated[
        bool, typer.Option("--help", "-h", is_eager=True, callback=print_help, help="Show this message and exit.")
    ] = False,
) -> None:
    """The options before a command."""
