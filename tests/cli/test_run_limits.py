"""What a run is told besides its inputs: when to stop, what to sum up, to list alone; and what makes no sense."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from support.hostile_names import paths_in
from support.program import SAMPLES, RunResnext

COFFEE, CAMERA, CHINA = SAMPLES / "coffee.png", SAMPLES / "camera.tif", SAMPLES / "china.jpg"


def rows_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_strict_and_max_errors_stop_and_keep_the_rows(resnext: RunResnext, tmp_path: Path) -> None:
    output, summary = tmp_path / "out.jsonl", tmp_path / "summary.json"
    inputs = [COFFEE, "missing-1.jpg", CAMERA, "missing-2.jpg", CHINA]
    strict = resnext("classify", "-m", "lite0", "--strict", "-o", output, "--summary-file", summary, *inputs)
    assert strict.returncode == 3
    assert strict.stderr.splitlines()[-1].startswith("resnext: error: stopped at the first failure: missing-1.jpg")
    assert [row["status"] for row in rows_of(output.read_text())] == ["ok", "error"]
    assert json.loads(summary.read_text())["complete"] is False
    second = resnext("classify", "-m", "lite0", "--max-errors", "2", *inputs)
    assert second.returncode == 3 and len(rows_of(second.stdout)) == 4
    enough = resnext("classify", "-m", "lite0", "--max-errors", "3", *inputs)
    assert enough.returncode == 1 and len(rows_of(enough.stdout)) == 5


def test_a_summary_says_what_the_run_did(resnext: RunResnext, tmp_path: Path) -> None:
    output, summary = tmp_path / "out.csv", tmp_path / "summary.json"
    options = ("-m", "lite0", "-o", output, "--resume", "--summary-file", summary, "--threshold", "0.6")
    first = resnext("classify", *options, COFFEE, CHINA, "missing.jpg")
    assert first.returncode == 1
    assert first.stderr.startswith("resnext: 2 labelled (1 below the threshold), 1 failed (not_found 1) in ")
    again = resnext("classify", *options, COFFEE, CHINA, "missing.jpg", CAMERA)
    assert "1 labelled, 1 failed (not_found 1), 2 done before" in again.stderr
    figures = json.loads(summary.read_text())
    assert figures["seconds"] > 0 and figures["photos_per_second"] > 0
    expected = {
        "labelled": 1,
        "abstained": 0,
        "failed": 1,
        "failures": {"not_found": 1},
        "skipped": 2,
        "complete": True,
    }
    assert {key: figures[key] for key in expected} == expected
    assert figures["model"] == "tf_efficientnet_lite0"


def test_a_summary_replaces_nothing_but_a_summary(resnext: RunResnext, tmp_path: Path) -> None:
    precious = tmp_path / "precious.json"
    precious.write_text("[1]")
    done = resnext("classify", "-m", "lite0", "--summary-file", precious, COFFEE)
    assert (done.returncode, done.stdout, precious.read_text()) == (2, "", "[1]")


def test_a_dry_run_lists_and_needs_no_model(resnext: RunResnext, tmp_path: Path, hostile_folder: bytes) -> None:
    cold = tmp_path / "no-cache"
    listed = resnext("classify", "-m", "no-such-model", "--dry-run", SAMPLES, "missing.jpg", cache=cold)
    photos = [str(path) for path in sorted(SAMPLES.iterdir()) if path.suffix != ".md"]
    assert (listed.returncode, listed.stdout.splitlines()) == (1, [*photos, "missing.jpg"])
    assert not cold.exists()
    rows = rows_of(resnext("classify", "--dry-run", "-f", "jsonl", hostile_folder, cache=cold).stdout)
    names = [base64.b64decode(row["file_b64"]) if row["file_b64"] else os.fsencode(row["file"]) for row in rows]
    assert sorted(names) == paths_in(hostile_folder)
    empty = tmp_path / "empty"
    empty.mkdir()
    nothing = resnext("classify", "--dry-run", empty, cache=cold)
    assert nothing.returncode == 1 and "no images" in nothing.stderr


def test_a_dry_run_of_a_resumed_run_lists_what_is_left(resnext: RunResnext, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    resnext("classify", "-m", "lite0", "-o", output, COFFEE, "missing.jpg")
    before = output.read_bytes()
    done = resnext("classify", "--dry-run", "-o", output, "--resume", COFFEE, "missing.jpg", CAMERA)
    assert done.stdout.splitlines() == ["missing.jpg", str(CAMERA)]
    assert output.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--resume",), 2, "--output"),
        (("--resume", "--overwrite", "-o", "x.jsonl"), 2, "contradict"),
        (("--resume", "-o", "x.txt"), 2, "table"),
        (("-f", "parquet"), 2, "--output"),
        (("--template", "{file}", "--json"), 2, "contradict"),
        (("--template", "{nothing}"), 2, "no field"),
        (("--output-type", "percent"), 2, "--output-type"),
        (("--max-errors", "0"), 2, "--max-errors"),
        (("--summary-file", "/nowhere/s.json"), 3, "/nowhere/s.json"),
    ],
)
def test_wrong_usage_is_said_before_a_model_is_loaded(
    resnext: RunResnext, tmp_path: Path, options: tuple[str, ...], code: int, words: str
) -> None:
    done = resnext("classify", "-m", "no-such-model", *options, COFFEE, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr and "no-such-model" not in done.stderr and "Traceback" not in done.stderr
