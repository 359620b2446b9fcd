"""Every error that a user can meet, the exit codes, and the one place that reports them.

ResnextError
├── UsageError         wrong options, or nothing to do           exit 2
├── ModelError         the model can't be had or can't run       exit 3
│   ├── HubUnreachable the hub did not answer in time
│   └── DamagedEntry   a compiled model is not what was stored
├── NothingTrained     too few photos can be used                exit 3
├── OutputError        the results can't be written              exit 3
├── ClusterError       the cluster can't be had, or has no worker     exit 3
├── NoResources        the system gives no thread, process or memory   exit 3
├── TooManyFailures    --strict or --max-errors ended the run    exit 3
└── InputError         one input can't be labelled: a row with status "error", the run goes on
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum, StrEnum

from resnext.console.terminal import say

_LONGEST_LINE = 1000  # characters


class ExitCode(IntEnum):
    """The contract with scripts; an interrupted run ends with the signal's own status instead."""

    OK = 0
    SOME_FAILED = 1
    USAGE = 2
    CANNOT_RUN = 3


class FailureCode(StrEnum):
    """Why one input has no answer: the closed set that stands in the rows' `error_code`."""

    NOT_FOUND = "not_found"
    PERMISSION = "permission"
    NOT_A_FILE = "not_a_file"
    NO_IMAGES = "no_images"
    EMPTY = "empty"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED_FORMAT = "unsupported_format"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    TOO_LARGE = "too_large"
    READ_ERROR = "read_error"
    ARCHIVE = "archive"
    TIMEOUT = "timeout"
    NETWORK = "network"
    HTTP = "http"
    BAD_ENTRY = "bad_entry"
    MISSING_PACKAGE = "missing_package"
    NON_FINITE = "non_finite"
    SIDECAR = "sidecar"
    DECODER_CRASHED = "decoder_crashed"
    WORKER_DIED = "worker_died"


class ResnextError(Exception):
    """Base of all errors that are reported in one line: what, where, what to do."""

    exit_code: ExitCode = ExitCode.CANNOT_RUN


class UsageError(ResnextError):
    """The command was asked for something that makes no sense."""

    exit_code = ExitCode.USAGE


class ModelError(ResnextError):
    """The model can't be had or can't run here."""


class HubUnreachable(ModelError):
    """The hub did not answer within the time that it is given."""


class DamagedEntry(ModelError):
    """A compiled model on disk is not what was stored; it is rebuilt, never used."""


class NothingTrained(ResnextError):
    """Of the photos with labels too few can be used to train a model."""


class OutputError(ResnextError):
    """The results can't be written."""


class ClusterError(ResnextError):
    """The cluster can't be had, or none of its machines can work."""


class NoResources(ResnextError):
    """The system gives no more threads, processes or memory."""


class TooManyFailures(ResnextError):
    """As many inputs failed as the user wants to bear; rows that were written stay."""


class InputError(ResnextError):
    """One input can't be labelled."""

    exit_code = ExitCode.SOME_FAILED

    def __init__(self, code: FailureCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def too_large(what: str) -> InputError:
    """Make the error of an input that is more than the bounds allow; `what` says how much, and of what."""
    return InputError(FailureCode.TOO_LARGE, what)


def cant_read(number: int) -> InputError:
    """Say in words that the system refused to open or read a file, by its error number."""
    return InputError(*_REFUSALS.get(number, (FailureCode.READ_ERROR, f"can't read it: {os.strerror(number)}")))


_NO_PERMISSION = (FailureCode.PERMISSION, "no permission to read it")
_REFUSALS = {
    errno.ENOENT: (FailureCode.NOT_FOUND, "no such file"),
    errno.ENOTDIR: (FailureCode.NOT_FOUND, "no such file"),
    errno.ENAMETOOLONG: (FailureCode.NOT_FOUND, "no such file: the name is too long"),
    errno.ELOOP: (FailureCode.NOT_FOUND, "a loop of symbolic links"),
    errno.EACCES: _NO_PERMISSION,
    errno.EPERM: _NO_PERMISSION,
    errno.ENXIO: (FailureCode.NOT_A_FILE, "not a regular file"),
}


def first_line(error: BaseException, lines: int = 1, skip: str = "\n") -> str:
    """Give what a library's error says first, or its class where it says nothing; at most 200 characters.

    Lines that begin with `skip` say nothing.
    """
    said = [line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith(skip)]
    return " ".join(said[:lines])[:200] if said else type(error).__name__


def say_error(error: object) -> None:
    """Say in one line what went wrong; of a very long text, which repeats what was typed, the beginning."""
    text = str(error)
    say(f"error: {text if len(text) <= _LONGEST_LINE else f'{text[:_LONGEST_LINE]}…'}")


@contextmanager
def report_errors(debug: bool = False) -> Iterator[None]:
    """Turn a ResnextError into one line on stderr and its exit code; with `debug` the traceback goes first."""
    try:
        yield
    except ResnextError as error:
        if debug:
            import traceback

            traceback.print_exc()
        say_error(error)
        raise SystemExit(int(error.exit_code)) from None
