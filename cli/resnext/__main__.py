"""`resnext` and `python -m resnext`."""

import os
import sys

from resnext.errors import ExitCode
from resnext.interrupts import Interrupted, die_of, ending_on_signals
from resnext.terminal import keep_stderr_for_our_own_lines, printable


def main() -> None:
    """Run the app; whatever ends it, no traceback reaches a user who did not ask for it with --debug."""
    debug = "--debug" in sys.argv or bool(os.environ.get("RESNEXT_DEBUG"))
    if not debug:
        keep_stderr_for_our_own_lines()
    try:
        with ending_on_signals():
            from resnext.app import app

            app()
    except Interrupted as interrupt:
        sys.stderr.write("resnext: interrupted; the rows that were written stay\n")
        die_of(interrupt.number)
    except Exception as error:
        if debug:
            raise
        # A fault of ours: everything that a user can cause is a ResnextError and was reported where it belongs.
        sys.stderr.write(
            f"resnext: internal error: {type(error).__name__}: {printable(str(error))[:300]};"
            " please report it with the output of --debug\n"
        )
        sys.exit(int(ExitCode.CANNOT_RUN))


if __name__ == "__main__":
    main()
