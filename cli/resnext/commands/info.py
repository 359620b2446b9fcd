"""`resnext info`: the models of the shelf, one model's card, the store, and this installation's health."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from resnext.commands.groups import Argument, MessageOptions, Option, OptionGroup, command
from resnext.commands.options import model_names
from resnext.console.terminal import printable
from resnext.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from resnext.info.page import Page
    from resnext.store.store import Store

    Show = Callable[[dict[str, Any], Page], None]

ALL_LABELS = "*"
AUTO = "auto"


class QuestionOptions(OptionGroup):
    """What is asked; of these and the StoreOptions one at a time, but for --weights."""

    title = "Questions"

    model: Annotated[
        str | None,
        Argument(
            metavar="[MODEL]", offers=model_names,
            help="A model of the shelf, any timm classifier, or auto."
        ),
    ] = None  # fmt: skip
    weights: Annotated[
        Path | None,
        Option(metavar="FILE", help="Show what a checkpoint holds, without running anything from it."),
    ] = None
    labels: Annotated[
        str | None,
        Option(
            metavar="[PATTERN]", show_default=False,
            help="List the classes of MODEL or --weights: all, or those that PATTERN finds (*, ?).",
        ),
    ] = None  # fmt: skip
    bibtex: Annotated[bool, Option("--bibtex", help="Print how to cite MODEL, as BibTeX.")] = False
    search: Annotated[
        str | None,
        Option(metavar="PATTERN", show_default=False, help="Find timm's pretrained models by name (*, ?)."),
    ] = None
    download: Annotated[
        list[str] | None,
        Option(
            metavar="NAME",
            show_default=False,
            offers=model_names,
            help="Fetch and compile a model ahead; may be repeated.",
        ),
    ] = None
    vocabulary: Annotated[
        bool, Option("--vocabulary", help="Print the words of tags, to edit them and give back to --tags.")
    ] = False
    check: Annotated[
        bool,
        Option("--check", help="Check this installation, with one photo against the reference, and its speed."),
    ] = False


class StoreOptions(OptionGroup):
    """What is stored on this machine, and removing it."""

    title = "Stored models"

    cache: Annotated[bool, Option("--cache", help="Show what is stored on this machine, its sizes and ages.")] = False
    prune: Annotated[bool, Option("--prune", help="Remove what nothing can use any more.")] = False
    clear: Annotated[
        bool, Option("--clear", help="Remove all compiled models, and what training keeps; asks first.")
    ] = False
    yes: Annotated[bool, Option("--yes", "-y", help="Do not ask.")] = False


class AnswerOptions(OptionGroup):
    """How the answer is found and given."""

    title = "Answer"

    json: Annotated[bool, Option("--json", help="Print one JSON document.")] = False
    offline: Annotated[bool, Option("--offline", help="Use only what is on this machine.")] = False


def fill_in_labels(words: Sequence[str]) -> list[str]:
    """Let `--labels` stand alone: then it means all of them. Typer has no options with an optional value."""
    filled = []
    for position, word in enumerate(words):
        filled.append(word)
        following = words[position + 1] if position + 1 < len(words) else "-"
        if word == "--labels" and "--" not in words[:position] and following.startswith("-"):
            filled[-1] = f"--labels={ALL_LABELS}"
    return filled


@command(
    prepare=fill_in_labels,
    examples=[
        "resnext info",
        "resnext info ssl_resnext50_32x4d",
        "resnext info --labels 'crane*'",
        "resnext info --check --json",
        "resnext info --vocabulary > mine.txt",
    ],
)
def info(question: QuestionOptions, stored: StoreOptions, answer: AnswerOptions, messages: MessageOptions) -> ExitCode:
    """Show the models of the shelf; with MODEL, the card of one.

    How good, how large, under which licence, and how near at hand each model is; what is stored; whether this
    installation is sound. Exit status: 0 answered, 1 --check found something broken, 2 wrong usage, 3 could not run.
    """
    from resnext.store.store import Store, cache_root

    _check_question(question, stored)
    if question.vocabulary:
        return _print_vocabulary(answer)
    store = Store(cache_root())
    if stored.cache or stored.prune or stored.clear:
        found, show = _ask_storage(stored, store)
    elif question.check:
        from resnext.info.health import doctor

        found, show = doctor.report(store, messages.notices(), answer.offline), doctor.show
    elif question.download:
        from resnext.info import fetch

        found = fetch.report(tuple(question.download), store, messages.notices(), answer.offline)
        show = fetch.show
    else:
        found, show = _ask(question, store, answer.offline)
    if answer.json:
        from resnext.info.page import write_json

        write_json(found)
    else:
        from resnext.console.terminal import use_color
        from resnext.info.page import Page
        from resnext.outputs import terminal_width

        page = Page(terminal_width(), use_color(sys.stdout, messages.color))
        show(found, page)
        page.write()
    return ExitCode.SOME_FAILED if question.check and found["broken"] else ExitCode.OK


def _check_question(question: QuestionOptions, stored: StoreOptions) -> None:
    """One question at a time; --labels and --bibtex may be asked of MODEL or of --weights."""
    questions = {
        "--labels": question.labels is not None,
        "--bibtex": question.bibtex,
        "--search": question.search is not None,
        "--download": bool(question.download),
        "--cache": stored.cache,
        "--prune": stored.prune,
        "--clear": stored.clear,
        "--check": question.check,
        "--vocabulary": question.vocabulary,
    }
    asked = [option for option, given in questions.items() if given]
    if len(asked) > 1:
        raise UsageError(f"{asked[0]} and {asked[1]} are two questions; ask one at a time")
    if asked and asked[0] not in ("--labels", "--bibtex"):
        if question.model is not None:
            raise UsageError(f"{asked[0]} takes no MODEL ({question.model})")
        if question.weights is not None:
            raise UsageError(f"{asked[0]} takes no --weights")
    if question.bibtex and question.weights is not None:
        raise UsageError("--bibtex is of a published model, not of --weights")
    if stored.yes and not stored.clear:
        raise UsageError("--yes answers the question of --clear alone")


def _print_vocabulary(answer: AnswerOptions) -> ExitCode:
    from resnext.answers.vocabulary import built_in_text
    from resnext.outputs import ReaderGone, Stdout

    if answer.json:
        raise UsageError("--vocabulary is plain text, for you to edit; there is none as JSON")
    stdout = Stdout()
    stdout.check()
    try:
        stdout.write(built_in_text().encode())
    except ReaderGone:
        stdout.abandon()
    return ExitCode.OK


def _ask(question: QuestionOptions, store: "Store", offline: bool) -> "tuple[dict[str, Any], Show]":
    """The report on models that answers the question, and the room's way to lay it out.

    Raises:
        ResnextError: there is no answer.
    """
    if question.search is not None:
        from resnext.info import search

        return search.report(question.search, store), search.show
    if question.labels is not None:
        from resnext.info import classes

        model = question.model or (AUTO if question.weights is None else None)
        return classes.report(question.labels, model, question.weights, store, offline), classes.show
    if question.weights is not None:
        from resnext.info import checkpoint_card

        return checkpoint_card.report(question.weights, question.model, store), checkpoint_card.show
    if question.bibtex:
        from resnext.info import citation

        return citation.report(question.model, store, offline), citation.show
    if question.model is not None:
        from resnext.info import card
        from resnext.shelf.choice import named

        return card.report(named(question.model, store, offline), store), card.show
    from resnext.info import shelf_table

    return shelf_table.report(store, offline), shelf_table.show


def _ask_storage(stored: StoreOptions, store: "Store") -> "tuple[dict[str, Any], Show]":
    from resnext.info import storage

    if stored.prune:
        return storage.prune(store), storage.show_removed
    if stored.clear:
        if not stored.yes:
            _confirm(f"remove all compiled models in {store.root}, and what training keeps? All can be built again.")
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
