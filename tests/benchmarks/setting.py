"""What every benchmark is given: where to work, how often to run, clean environments, and the commands to run."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from measure import Timing, run

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
SAMPLES = REPOSITORY / "sample_images"
# Settings of the caller that would reach into a measurement. The proxies, too: nothing here leaves the machine.
DROPPED = ("RESNEXT_", "HF_", "HUGGINGFACE_", "TIMM_", "XDG_CACHE_HOME")
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy")


@dataclass(frozen=True)
class Setting:
    """One run of the benchmark. `photos` and `large` are flat folders of the two sets, the sizes are for the report."""

    work: Path
    photos: Path
    large: Path
    small_size: str
    large_size: str
    runs: int
    quick: bool
    labelled: Path | None = None  # a folder with train/ and test/, folders of folders

    @property
    def short_runs(self) -> int:
        """How often to run what takes seconds only: there a single hiccup weighs more."""
        return self.runs if self.quick else max(self.runs, 5)

    def env(self, cache: Path, **more: str) -> dict[str, str]:
        """The caller's environment without settings of ours, with a cache and a hub folder below `work`."""
        env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(DROPPED) and name.lower() not in PROXIES
        }
        if resnext_command() == [sys.executable, "-m", "resnext"]:
            env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(REPOSITORY / "cli"), env.get("PYTHONPATH")]))
        env |= {
            "RESNEXT_CACHE": str(cache),
            "XDG_CACHE_HOME": str(self.work / "xdg"),
            "HF_HOME": str(self.work / "hub"),
            "HF_HUB_OFFLINE": "1",
        }
        return env | more

    def script(self, name: str, *arguments: str | Path) -> Timing:
        """Run one of the scripts beside this file as a process of its own."""
        command = [sys.executable, str(HERE / name), *map(str, arguments)]
        return run(command, self.env(self.work / "unused"), self.work / "logs" / f"{name}.log")

    def classify(self, cache: Path, *arguments: str | Path, log: str = "resnext", **more: str) -> Timing:
        """Run `resnext classify` with the compiled models of `cache`; its rows go to the log."""
        command = [*resnext_command(), "classify", *map(str, arguments), "-q"]
        return run(command, self.env(cache, **more), self.work / "logs" / f"{log}.log")

    def classify_to(self, out: Path, cache: Path, *arguments: str | Path) -> Timing:
        """Run `resnext classify` with its rows written to `out`."""
        return self.classify(cache, *arguments, "-k", "5", "-f", "jsonl", "-o", out, "--overwrite")


def resnext_command() -> list[str]:
    """The installed console script of this Python, or the module."""
    script = Path(sys.executable).with_name("resnext")
    return [str(script)] if script.exists() else [sys.executable, "-m", "resnext"]


def read_rows(path: Path) -> list[dict[str, object]]:
    """The JSON Lines in a file; other lines, which a log may hold beside them, are passed over."""
    return [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{")]


def check_rows(path: Path, expected: int) -> None:
    """A run counts only if it labelled every photo. Raises RuntimeError otherwise."""
    rows = read_rows(path)
    good = [row for row in rows if not row["error"] and row["predictions"]]
    if len(rows) != expected or len(good) != expected:
        raise RuntimeError(f"{path}: {expected} photos, {len(rows)} rows, {len(good)} of them labelled")


def emptied(folder: Path) -> Path:
    """The folder, fresh and empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
