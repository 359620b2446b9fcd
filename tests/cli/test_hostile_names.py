"""80 hostile names through everything that can name a file: found, labelled, their exact bytes given back."""

import base64
import io
import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from support.hostile_names import fill
from support.program import SAMPLES, RunResnext, all_printed, clean_environment
from support.tiny_model import CLASSES

CLASSIFY = ("classify", "-m", "lite0", "-k", "1")
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@pytest.fixture
def run(resnext: RunResnext, tiny_model: Path, tiny_cache: Path) -> RunResnext:
    """A run of a model that is done with a photo in a moment: what counts here are names."""
    return partial(resnext, "classify", "-k", "1", "-m", tiny_model, cache=tiny_cache)


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """A small photo under every name."""
    small = io.BytesIO()
    with Image.open(SAMPLES / "coffee.png") as photo:
        photo.resize((300, 200)).save(small, "PNG")
    paths = fill(os.fsencode(tmp_path_factory.mktemp("names")), small.getvalue())
    assert len(paths) >= (80 if sys.platform == "linux" else 60)
    return paths


def strict_rows(text: str) -> list[dict[str, Any]]:
    """Rows as a strict parser reads them: every line an object on its own, no NaN, valid UTF-8."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    assert not OBEYED.search(text)
    return [json.loads(line.encode(), parse_constant=refuse) for line in text.split("\n")[:-1]]


def exact(row: dict[str, Any]) -> bytes:
    """The bytes of a row's name, and that `file_b64` stands there where it is needed and nowhere else."""
    if not row["file_b64"]:
        return bytes(row["file"].encode())
    name = base64.b64decode(row["file_b64"], validate=True)
    with pytest.raises(UnicodeDecodeError):
        name.decode()
    return name


def check(done: "subprocess.CompletedProcess[str]", names: list[bytes]) -> None:
    assert done.returncode == 0, done.stderr
    assert not OBEYED.search(done.stderr)
    rows = strict_rows(done.stdout)
    assert sorted(map(exact, rows)) == sorted(names)
    (label,) = {row["predictions"][0]["label"] for row in rows}  # it is one photo
    assert label in CLASSES


def folder_of(names: list[bytes]) -> bytes:
    return os.path.commonpath(names)


def test_as_arguments(run: RunResnext, names: list[bytes]) -> None:
    check(run(*names), names)
    bare = [os.path.relpath(name, folder_of(names)) for name in names]
    check(run("--", *bare, cwd=folder_of(names)), bare)


def test_in_a_folder(run: RunResnext, names: list[bytes]) -> None:
    check(run(folder_of(names)), names)


def test_by_a_pattern(run: RunResnext, names: list[bytes]) -> None:
    check(run(folder_of(names) + b"/**/*.png"), names)


def test_in_lists(run: RunResnext, tmp_path: Path, names: list[bytes]) -> None:
    listed = tmp_path / "list"
    listed.write_bytes(b"\0".join(names))
    check(run("-0", "--files-from", listed), names)
    lines = [name for name in names if b"\n" not in name and not name.endswith(b"\r")]
    listed.write_bytes(b"\n".join(lines))
    check(run("--files-from", listed), lines)


def test_in_rows_of_a_run_and_through_resume(run: RunResnext, tmp_path: Path, names: list[bytes]) -> None:
    """The rows of one run are the list of the next, and tell --resume what is done."""
    output = tmp_path / "labels.jsonl"
    assert run("-o", output, "--resume", *names[::2]).returncode == 0
    assert run("-o", output, "--resume", folder_of(names)).returncode == 0
    done = run("--files-from", output)
    check(done, names)
    again = run("-o", output, "--resume", folder_of(names))
    assert again.returncode == 0 and f"{len(names)} done before" in again.stderr
    assert sorted(map(exact, strict_rows(output.read_text()))) == sorted(names)


def test_that_are_not_there(resnext: RunResnext, tmp_path: Path, names: list[bytes]) -> None:
    """The path of errors: rows and lines for people."""
    missing = [os.fsencode(tmp_path) + b"/" + name.rpartition(b"/")[2] for name in names]
    done = resnext(*CLASSIFY, "-f", "jsonl", *missing)
    assert done.returncode == 1 and not OBEYED.search(done.stderr)
    rows = strict_rows(done.stdout)
    assert [exact(row) for row in rows] == missing
    # One that holds a wildcard is a pattern where no file bears it.
    assert {row["error_code"] for row in rows} == {"not_found", "no_images"}
    for option in ("--weights", "--labels", "--files-from", "--output", "--summary-file"):
        for name in missing[::16]:
            refused = resnext(*CLASSIFY, option, name + b"/x/y.jsonl", SAMPLES / "coffee.png")
            assert refused.returncode in (2, 3) and refused.stderr.count("\n") == 1, refused.stderr
            assert not OBEYED.search(refused.stderr), refused.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(
    "options", [(), ("-f", "csv"), ("-f", "tsv"), ("-f", "json"), ("--template", "{file}: {label}"), ("--dry-run",)]
)
def test_a_terminal_is_never_commanded(
    tmp_path: Path, tiny_model: Path, tiny_cache: Path, names: list[bytes], options: tuple[str, ...]
) -> None:
    import pty

    master, slave = pty.openpty()
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "resnext",
            "classify",
            "-k",
            "1",
            "-m",
            tiny_model,
            "--color",
            "never",
            *options,
            *names,
            b"missing\x1b(0.jpg",
        ],
        env=clean_environment(tmp_path / "home", tiny_cache),
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=slave,
    ) as process:
        os.close(slave)
        printed = all_printed(master)
        assert process.wait(60) == 1  # for the one that is missing
    os.close(master)
    text = printed.decode().replace("\r\n", "\n")
    assert sum(map(text.count, CLASSES)) == (0 if "--dry-run" in options else len(names))
    assert not OBEYED.search(text.replace("\t", "") if "tsv" in options else text)
