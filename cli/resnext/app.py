"""The Typer app: its commands, each imported when it is asked for, and --version."""

import importlib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from resnext import __version__

# Plain help: rich would double the time that --help takes, and its boxes cut long options short.
_PLAIN: dict[str, Any] = {"rich_markup_mode": None, "pretty_exceptions_enable": False}


class _Commands(Mapping[str, Any]):
    """The commands by name. To import all of them and to read their options takes longer than to read a photo."""

    _names = ("classify", "features", "info")

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        return _command(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@cache
def _command(name: str) -> Any:
    module = importlib.import_module(f"resnext.commands.{name}")
    alone = typer.Typer(add_completion=False, **_PLAIN)
    alone.command(name, cls=getattr(module, "COMMAND_CLASS", None))(getattr(module, name))
    return typer.main.get_command(alone)


class _Group(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands()  # type: ignore[assignment]  # nothing is added to it


app = typer.Typer(
    name="resnext",
    cls=_Group,
    help="Label photos with timm's semi-supervised ResNeXts: compiled once, then fast and offline.",
    no_args_is_help=True,
    add_completion=True,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
    **_PLAIN,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"resnext {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Label photos with timm's semi-supervised ResNeXts: compiled once, then fast and offline."""
