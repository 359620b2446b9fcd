"""`resnext info`: the models of the shelf, one model's card, the store, and this installation's health."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import typer
import typer.core

from resnext.commands import options
from resnext.console.terminal import printable
from resnext.errors import ExitCode, UsageError, report_errors

if TYPE_CHECKING:
    from resnext.console.terminal import ColorChoice, Notices
    from resnext.info.page import Page
    from resnext.store.store import Store

    Show = Callable[[dict[str, Any], Page], None]

ALL_LABELS = "*"
AUTO = "auto"


class InfoCommand(typer.core.TyperCommand):
    """`--labels` may stand alone: then it means all of them. Typer has no options with an optional value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Fill in the value that `--labels` lacks, then parse as always."""
        filled = []
        for position, arg in enumerate(args):
            filled.append(arg)
            following = args[position + 1] if position + 1 < len(args) else "-"
            if arg == "--labels" and "--" not in args[:position] and following.startswith("-"):
                filled[-1] = f"--labels={ALL_LABELS}"
        return super().parse_args(ctx, filled)


COMMAND_CLASS = InfoCommand


@dataclass(frozen=True, slots=True)
class InfoRequest:
    """All that one run was asked for. At most one of the questions is not None or True."""

    model: str | None
    weights: Path | None
    bibtex: bool
    labels: str | None
    search: str | None
    download: tuple[str, ...]
    cache: bool
    prune: bool
    clear: bool
    check: bool
    yes: bool
    offline: bool
    json: bool


def info(
    model: options.InfoModel = None,
    weights: options.InfoWeights = None,
    bibtex: options.Bibtex = False,
    labels: options.LabelsPattern = None,
    search: options.Search = None,
    download: options.Download = None,
    cache: options.Cache = False,
    prune: options.Prune = False,
    clear: options.Clear = False,
    yes: options.Yes = False,
    check: options.Check = False,
    json: options.JsonDocument = False,
    offline: options.Offline = False,
    color: options.Color = "auto",
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    debug: options.Debug = False,
) -> None:
    """Show the models of the shelf; with MODEL, the card of one.

    How good, how large, under which licence, and how near at hand each model is; what is stored; whether this
    installation is sound. Exit status: 0 answered, 1 --check found something broken, 2 wrong usage, 3 could not run.
    """
    with report_errors(debug):
        from resnext.console.terminal import ColorChoice, Notices
        from resnext.store.store import Store, cache_root

        if color not in get_args(ColorChoice):
            raise UsageError(f"--color {color}: not one of {', '.join(get_args(ColorChoice))}")
        request = InfoRequest(
            model=model,
            weights=weights,
            bibtex=bibtex,
            labels=labels,
            search=search,
            download=tuple(download or ()),
            cache=cache,
            prune=prune,
            clear=clear,
            check=check,
            yes=yes,
            offline=offline,
            json=json,
        )
        _check_question(request)
        chosen: ColorChoice = color  # type: ignore[assignment]  # checked above
        code = _answer(request, Store(cache_root()), Notices(quiet=quiet, verbose=verbose), chosen)
    raise typer.Exit(int(code))


def _check_question(request: InfoRequest) -> None:
    """One question at a time; --labels and --bibtex may be asked of MODEL or of --weights."""
    questions = {
        "--labels": request.labels is not None,
        "--bibtex": request.bibtex,
        "--search": request.search is not None,
        "--download": bool(request.download),
        "--cache": request.cache,
        "--prune": request.prune,
        "--clear": request.clear,
        "--check": request.check,
    }
    asked = [option for option, given in questions.items() if given]
    if len(asked) > 1:
        raise UsageError(f"{asked[0]} and {asked[1]} are two questions; ask one at a time")
    if asked and asked[0] not in ("--labels", "--bibtex"):
        if request.model is not None:
            raise UsageError(f"{asked[0]} takes no MODEL ({request.model})")
        if request.weights is not None:
            raise UsageError(f"{asked[0]} takes no --weights")
    if request.bibtex and request.weights is not None:
        raise UsageError("--bibtex is of a published model, not of --weights")
    if request.yes and not request.clear:
        raise UsageError("--yes answers the question of --clear alone")


def _answer(request: InfoRequest, store: "Store", notices: "Notices", color: "ColorChoice") -> ExitCode:
    """Ask the room that knows, and write its report; gives the exit code.

    Raises:
        ResnextError: there is no answer.
    """
    found, show = _ask(request, store, notices)
    if request.json:
        from resnext.info.page import write_json

        write_json(found)
    else:
        from resnext.console.terminal import use_color
        from resnext.info.page import Page
        from resnext.outputs import terminal_width

        page = Page(terminal_width(), use_color(sys.stdout, color))
        show(found, page)
        page.write()
    return ExitCode.SOME_FAILED if request.check and found["broken"] else ExitCode.OK


def _ask(request: InfoRequest, store: "Store", notices: "Notices") -> "tuple[dict[str, Any], Show]":
    """The report that answers the request, and the room's way to lay it out."""
    if request.check:
        from resnext.info.health import doctor

        return doctor.report(store, notices, request.offline), doctor.show
    if request.download:
        from resnext.info import fetch

        return fetch.report(request.download, store, notices, request.offline), fetch.show
    if request.cache or request.prune or request.clear:
        return _ask_storage(request, store)
    if request.search is not None:
        from resnext.info import search

        return search.report(request.search, store), search.show
    if request.labels is not None:
        from resnext.info import classes

        model = request.model or (AUTO if request.weights is None else None)
        return classes.report(request.labels, model, request.weights, store, request.offline), classes.show
    if request.weights is not None:
        from resnext.info import checkpoint_card

        return checkpoint_card.report(request.weights, request.model, store), checkpoint_card.show
    if request.bibtex:
        from resnext.info import citation

        return citation.report(request.model, store, request.offline), citation.show
    if request.model is not None:
        from resnext.info import card

        return card.report(card.named(request.model, store, request.offline), store), card.show
    from resnext.info import shelf_table

    return shelf_table.report(store, request.offline), shelf_table.show


def _ask_storage(request: InfoRequest, store: "Store") -> "tuple[dict[str, Any], Show]":
    from resnext.info import storage

    if request.prune:
        return storage.prune(store), storage.show_removed
    if request.clear:
        if not request.yes:
            _confirm(f"remove all compiled models in {store.root}? They can be built again from their weights.")
        return storage.clear(store), storage.show_removed
    return storage.report(store), storage.show


def _confirm(question: str) -> None:
    """Ask on the terminal; anything but yes is no.

    Raises:
        UsageError: nobody can be asked, or the answer is no.
    """
    if not (sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("--clear removes every compiled model; without a terminal to ask on, say --yes")
    sys.stderr.write(f"resnext: {printable(question)} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().casefold() not in ("y", "yes"):
        raise UsageError("nothing was removed")
