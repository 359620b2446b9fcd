"""What a run of the program imports."""

import subprocess
import sys
from pathlib import Path

from support.program import clean_environment

_REPORT_IMPORTS = """
import sys
sys.argv[0] = "resnext"
from resnext.__main__ import run
try:
    run()
finally:
    print(" ".join(sorted(name for name in sys.modules if sys.modules[name])), file=sys.stderr)
"""


def imported_by(cache: Path, *arguments: str, status: int = 0) -> set[str]:
    """The packages that a run imports, which ends with this status."""
    return {name.split(".")[0] for name in modules_of(cache, *arguments, status=status)}


def modules_of(cache: Path, *arguments: str, status: int = 0) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", _REPORT_IMPORTS, *arguments],
        env=clean_environment(cache.parent, cache),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == status, done.stderr
    return set(done.stderr.splitlines()[-1].split())
