"""410 broken and odd files of other projects' test suites, all in one run of the program."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from resnext.errors import FailureCode
from resnext.images.formats import PLUGINS
from support.program import HOSTILE, RunResnext

ALLOWED = {*PLUGINS, "MPO"}


class Answers(NamedTuple):
    """What Pillow alone says of each file, in the order of the arguments, and what one run said."""

    truth: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    done: "subprocess.CompletedProcess[str]"
    ghostscript_ran: bool


@pytest.fixture(params=[(), ("--frames", "all")], ids=["first frame", "all frames"])
def answers(
    request: pytest.FixtureRequest, resnext: RunResnext, tmp_path: Path, tiny_model: Path, tiny_cache: Path
) -> Answers:
    if not (HOSTILE / "truth.jsonl").is_file():
        pytest.skip(f"the hostile set is not at {HOSTILE}")
    truth = [json.loads(line) for line in (HOSTILE / "truth.jsonl").read_text().splitlines()]
    mark, programs = tmp_path / "ghostscript-ran", tmp_path / "bin"
    programs.mkdir()
    for name in ("gs", "gswin32c", "gswin64c"):
        (programs / name).write_text(f"#!/bin/sh\n: > '{mark}'\n")
        (programs / name).chmod(0o755)
    assert subprocess.run([programs / "gs"]).returncode == 0
    assert mark.exists(), "the trap does not work"
    mark.unlink()
    done = resnext(
        *("classify", "-m", tiny_model, "-k", "1", "-f", "jsonl", "-j", "4", *request.param),
        *(row["file"] for row in truth),
        cwd=HOSTILE,
        cache=tiny_cache,
        env={"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        timeout=300,
    )
    return Answers(truth, [json.loads(line) for line in done.stdout.splitlines()], done, mark.exists())


def test_every_hostile_file_has_its_row_and_only_what_loads_a_prediction(answers: Answers) -> None:
    assert len(answers.truth) > 400
    assert answers.done.returncode == 1
    assert not answers.ghostscript_ran
    strange = [line for line in answers.done.stderr.splitlines() if not re.match(r"resnext: .*\d+ labelled", line)]
    assert strange == [], "something else than our one line was on stderr"

    given: dict[str, list[dict[str, Any]]] = {}
    for row in answers.rows:
        given.setdefault(re.sub(r"#frame=\d+$", "", row["file"]), []).append(row)
    assert list(given) == [truth["file"] for truth in answers.truth]
    for row in answers.rows:
        assert (row["status"] == "ok") == (row["error"] == row["error_code"] == "") == bool(row["predictions"])
    codes = {row["error_code"] for row in answers.rows if row["error"]}
    assert codes <= set(FailureCode)
    assert {FailureCode.TRUNCATED, FailureCode.CORRUPT, FailureCode.NOT_AN_IMAGE, FailureCode.TOO_LARGE} <= codes

    seen = {truth["file"]: truth["outcome"] == "ok" and truth["format"] in ALLOWED for truth in answers.truth}
    assert sum(seen.values()) > 150
    # The first row of a file is that of its first frame, which is all that Pillow was asked for.
    # One holds a whole picture, which Pillow refuses for a text of 64 MB beside it.
    seen["files/44a0c3a701.png"] = True
    assert [file for file, rows in given.items() if (rows[0]["status"] == "ok") != seen[file]] == []
