"""The Typer app: registers the commands, answers --version."""

from typing import Annotated

import typer

from resnext import __version__
from resnext.commands.classify import classify
from resnext.commands.features import features
from resnext.commands.info import InfoCommand, info

app = typer.Typer(
    name="resnext",
    help="Label photos with timm's semi-supervised ResNeXts: compiled once, then fast and offline.",
    no_args_is_help=True,
    add_completion=True,
    # Plain help: rich would double the time that --help takes, and its boxes cut long options short.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
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


app.command()(classify)
app.command()(features)
app.command(cls=InfoCommand)(info)
