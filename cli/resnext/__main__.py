"""`resnext` and `python -m resnext`. What is imported before signals are ours is as little as can be."""

import errno
import gc
import os
import sys

from resnext.console.interrupts import Interrupted, die_of, dying_of_signals, say_last


def main() -> None:
    """The process: run the app, then leave at once.

    The system takes a gigabyte of weights back faster than the interpreter and the engine clean up after themselves
    (30 ms of half a second), and no thread that still imports or decodes is waited for.
    """
    try:
        run()
        code = 0
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise
        code = end.code or 0
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        pass
    except OSError as error:
        from resnext.console.terminal import say
        from resnext.errors import ExitCode

        say(f"error: stdout: can't write: {error.strerror}")
        code = int(ExitCode.CANNOT_RUN)
    os._exit(code)


def run() -> None:
    """Run the app; whatever ends it, no traceback reaches a user who did not ask for it with --debug."""
    debug = "--debug" in sys.argv or bool(os.environ.get("RESNEXT_DEBUG"))
    # Imports make a hundred thousand objects that stay: to look through them every 700 takes 3% of a start.
    gc.set_threshold(50_000)
    _occupy_closed_descriptors()
    try:
        with dying_of_signals("interrupted"):
            from resnext.console.terminal import keep_stderr_for_our_own_lines

            if not debug:
                keep_stderr_for_our_own_lines()
            page = _page(sys.argv[1:])
            if page is not None:
                from resnext.commands.groups import print_page
                from resnext.errors import report_errors

                with report_errors():
                    print_page(page)
            else:
                from resnext.app import app

                app()
    except Interrupted as interrupt:
        say_last(f"interrupted; {interrupt.kept}")
        die_of(interrupt.number)
    except Exception as error:
        if debug:
            raise
        from resnext.console.terminal import say
        from resnext.errors import ExitCode

        reason = _outside_reason(error)
        if reason is not None:
            say(f"error: {reason}")
            sys.exit(int(ExitCode.CANNOT_RUN))
        # A fault of ours: everything that a user can cause is a ResnextError and was reported where it belongs.
        say(f"internal error: {type(error).__name__}: {str(error)[:300]}; please report it with the output of --debug")
        sys.exit(int(ExitCode.CANNOT_RUN))


def _page(words: list[str]) -> str | None:
    """Give the help or version, if the command line asks for nothing else: to import Typer takes longer than these."""
    from resnext import __version__
    from resnext.commands import COMMANDS

    match words:
        case ["--version" | "-V"]:
            return f"resnext {__version__}"
        case ["--help" | "-h" | "help"]:
            return _help(None)
        case ["help", name] | [name, "--help" | "-h"] if name in COMMANDS:
            return _help(name)
    return None


def _help(command: str | None) -> str:
    from shutil import get_terminal_size

    from resnext.commands import COMMANDS, declared
    from resnext.commands.help_page import app_page, command_page, page_width

    width = page_width(get_terminal_size().columns)
    return app_page(COMMANDS, width) if command is None else command_page(declared(command), width)


def _outside_reason(error: BaseException | None) -> str | None:
    """Say what the system refused, if that is what an error comes from; None for a fault of ours.

    Such an error may come from any line of any library, under many names.
    """
    while error is not None:
        text, number = str(error), error.errno if isinstance(error, OSError) else None
        if isinstance(error, MemoryError) or number == errno.ENOMEM or "failed to map segment" in text:
            return "not enough memory; what is allowed is less than what it takes (ulimit -v, the container's limit)"
        if text == "can't start new thread" or number == errno.EAGAIN:
            return "the system gives no more threads or processes (ulimit -u, the container's limit of pids)"
        if number in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            return f"can't write: {os.strerror(number)}"
        if number == errno.ENOENT and _is_folder_gone():
            return "the folder that this was started in is gone"
        error = error.__cause__ or error.__context__
    return None


def _is_folder_gone() -> bool:
    try:
        os.getcwd()  # noqa: PTH109 - to import pathlib takes longer
    except FileNotFoundError:
        return True
    return False


def _occupy_closed_descriptors() -> None:
    """Started with a standard stream closed (`>&-`), the first file opened would get its number, and its output."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")


if __name__ == "__main__":
    main()
