"""Results for other programs: formats, templates, hostile names, whole files."""

import base64
import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.hostile_names import paths_in
from support.program import PATIENT, SAMPLES, RunResnext, all_printed, clean_environment
from support.tables import read_tsv
from support.tiny_model import CLASSES

COFFEE, CAMERA, CHINA = SAMPLES / "coffee.png", SAMPLES / "camera.tif", SAMPLES / "china.jpg"


def rows_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "tsv", "parquet", "jsonl.gz"])
def test_every_row_leads_back_to_its_file(
    resnext: RunResnext, tmp_path: Path, tiny_model: Path, tiny_cache: Path, hostile_folder: bytes, ending: str
) -> None:
    """Also through --resume, which finds by those rows what is done."""
    output = tmp_path / f"out.{ending}"
    run = partial(resnext, "classify", "-m", tiny_model, "-k", "1", "-o", output, "--resume", cache=tiny_cache)
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    first = run(hostile_folder)
    assert (first.returncode, first.stdout) == (0, ""), first.stderr
    if ending == "parquet":
        import pyarrow.parquet

        rows = pyarrow.parquet.read_table(output).to_pylist()
    elif ending == "tsv":
        rows = read_tsv(output.read_bytes().decode())
    elif ending == "csv":
        rows = list(csv.DictReader(io.StringIO(output.read_bytes().decode(), newline=""), strict=True))
    elif ending.endswith(".gz"):
        rows = rows_of(gzip.decompress(output.read_bytes()).decode())
    else:
        rows = json.loads(output.read_bytes()) if ending == "json" else rows_of(output.read_text())
    names = [base64.b64decode(row["file_b64"]) if row.get("file_b64") else os.fsencode(row["file"]) for row in rows]
    assert sorted(names) == paths_in(hostile_folder)
    for name in names:
        assert Path(os.fsdecode(name)).read_bytes()[:4] == b"\x89PNG"
    labels = {row["label_1"] if "label_1" in row else row["predictions"][0]["label"] for row in rows}
    assert len(labels) == 1 and labels <= {*CLASSES}
    before = output.read_bytes()
    second = run(hostile_folder)
    assert second.returncode == 0 and f"{len(rows)} done before" in second.stderr
    assert second.stderr.startswith("resnext: 0 labelled")
    if ending != "parquet":
        assert output.read_bytes() == before


def test_the_long_form_has_a_row_a_class(resnext: RunResnext, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    options = ("classify", "-m", "lite0", "--exact", "--long", "-k", "3", "--threshold", "0.02", "-o", output)
    assert resnext(*options, COFFEE, "missing.jpg", CHINA).returncode == 1
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    assert list(rows[0]) == [
        *("file", "status", "model", "rank", "classes", "label", "score", "index", "synset"),
        *("error_code", "error", "file_b64"),
    ]
    assert [(row["rank"], row["classes"], row["error_code"]) for row in rows] == [
        *(("1", "1", ""), ("", "0", "not_found"), ("1", "3", ""), ("2", "3", ""), ("3", "3", "")),
    ]
    assert [row["label"] for row in rows[:2]] == ["espresso", ""]
    # Cut between the classes of a photo, as a power cut may leave it: that photo is done again.
    lines = output.read_bytes().splitlines(keepends=True)
    output.write_bytes(b"".join(lines[:-1]))
    again = resnext(*options, "--resume", COFFEE, "missing.jpg", CHINA)
    assert "1 labelled, 1 failed (not_found 1), 1 done before" in again.stderr
    assert sorted(output.read_bytes().splitlines(keepends=True)) == sorted(lines)
    refused = resnext("classify", "-m", "lite0", "--long", "--json", COFFEE)
    assert refused.returncode == 2 and "--long" in refused.stderr


def test_tabs_and_line_breaks_are_escaped_in_tsv(resnext: RunResnext, tmp_path: Path) -> None:
    name = tmp_path / "a\tb\nc\\d.png"
    done = resnext("classify", "-m", "lite0", "-k", "1", "-f", "tsv", name)
    header, row, *rest = done.stdout.split("\n")
    assert rest == [""] and row.count("\t") == header.count("\t")
    assert row.split("\t")[0] == str(tmp_path / r"a\tb\nc\\d.png")


def test_a_dash_is_stdout(resnext: RunResnext, tmp_path: Path) -> None:
    done = resnext("classify", "-m", "lite0", "-o", "-", "-f", "csv", COFFEE, cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.startswith("file,status,model,label_1")
    assert not (tmp_path / "-").exists()


@pytest.mark.parametrize("ending", ["jsonl.gz", "csv.gz"])
def test_packed_rows_go_on(resnext: RunResnext, tmp_path: Path, ending: str) -> None:
    """Their unpacked rows gather beside them; the packed file is whole whenever it is there."""
    output = tmp_path / f"out.{ending}"
    options = ("classify", "-m", "lite0", "--exact", "-k", "1", "-o", output, "--resume")
    assert resnext(*options, COFFEE, "missing.jpg").returncode == 1
    first = gzip.decompress(output.read_bytes())
    done = resnext(*options, COFFEE, "missing.jpg", CAMERA)
    assert done.returncode == 1 and "1 done before" in done.stderr
    lines = gzip.decompress(output.read_bytes()).splitlines()
    assert len(lines) == 3 + ending.startswith("csv") and set(first.splitlines()) < set(lines)
    assert subprocess.run(["gzip", "-t", output]).returncode == 0
    output.write_bytes(output.read_bytes()[:-5])
    before = output.read_bytes()
    damaged = resnext(*options, COFFEE)
    assert damaged.returncode == 2 and "not written by resnext" in damaged.stderr and output.read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals")
def test_json_on_a_terminal_is_readable_and_harmless(tmp_path: Path, warm_cache: Path) -> None:
    import pty

    leader, follower = pty.openpty()
    name = "猫 \u202e\x1b[31m.jpg"
    done = subprocess.run(
        [sys.executable, "-m", "resnext", "classify", "-m", "lite0", "--json", name],
        env=clean_environment(tmp_path / "home", warm_cache),
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=subprocess.PIPE,
        timeout=60,
    )
    os.close(follower)
    printed = all_printed(leader).decode()
    os.close(leader)
    assert done.returncode == 1 and "猫" in printed
    assert "\x1b" not in printed and "\u202e" not in printed
    assert json.loads(printed)["file"] == name


def test_a_template_makes_lines_of_ones_own(resnext: RunResnext) -> None:
    done = resnext(
        "classify", "-m", "lite0", "--template", r"{label}\t{score:.2f}\t{error_code}", COFFEE, "missing.jpg"
    )
    assert (done.returncode, done.stdout) == (1, "espresso\t0.95\t\n\t\tnot_found\n")
    refused = resnext("classify", "-m", "lite0", "--template", "{file.__class__}", COFFEE)
    assert (refused.returncode, refused.stdout) == (2, "") and refused.stderr.count("\n") == 1


def test_logits_and_thresholds(resnext: RunResnext) -> None:
    def predictions(*options: str) -> list[dict[str, Any]]:
        row: dict[str, Any] = rows_of(resnext("classify", "-m", "lite0", "--exact", *options, CHINA).stdout)[0]
        return row["predictions"]  # type: ignore[no-any-return]

    prob, logit = predictions("-k", "3"), predictions("-k", "3", "--output-type", "logit")
    assert [each["index"] for each in prob] == [each["index"] for each in logit]
    assert logit[0]["score"] > 1 > prob[0]["score"]
    import math

    ratio = math.log(prob[0]["score"] / prob[1]["score"])
    assert logit[0]["score"] - logit[1]["score"] == pytest.approx(ratio, abs=1e-4)
    assert predictions("--output-type", "logit", "--threshold", "0.9") == []


def test_a_json_array_on_stdout_is_whole_also_when_the_run_is_stopped(resnext: RunResnext) -> None:
    done = resnext("classify", "-m", "lite0", "-f", "json", COFFEE, "missing.jpg", CAMERA)
    assert [row["status"] for row in json.loads(done.stdout)] == ["ok", "error", "ok"]
    stopped = resnext("classify", "-m", "lite0", "-f", "json", "--strict", COFFEE, "missing.jpg", CAMERA)
    assert stopped.returncode == 3
    assert [row["status"] for row in json.loads(stopped.stdout)] == ["ok", "error"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")
@pytest.mark.parametrize("ending", ["json", "parquet"])
def test_an_interrupt_leaves_a_whole_file(tmp_path: Path, warm_cache: Path, ending: str) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    output, part = tmp_path / f"out.{ending}", tmp_path / f"out.{ending}.part"
    command = [*PATIENT, "classify", "-m", "lite0", "-o", str(output), *[str(CHINA)] * 5000]
    with subprocess.Popen(command, env=clean_environment(tmp_path, warm_cache), stderr=subprocess.PIPE) as process:
        end = time.monotonic() + 60
        while time.monotonic() < end and not (part.exists() and part.stat().st_size > 2000):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    if ending == "json":
        rows = json.loads(output.read_bytes())
    else:
        import pyarrow.parquet

        rows = pyarrow.parquet.read_table(output).to_pylist()
    assert 0 < len(rows) < 5000 and {row["status"] for row in rows} == {"ok"}
    assert not part.exists()
