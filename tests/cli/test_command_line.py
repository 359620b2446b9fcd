"""What is no right command line: a path in the command's place, typos, names that a terminal would obey; and Tab."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.imports import modules_of
from support.program import RunResnext, clean_environment

HEAVY = {"torch", "timm", "torchvision", "openvino", "PIL", "numpy", "rich"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sample_images"], "to label photos: resnext classify sample_images"),
        (["no/such/photo.jpg"], "resnext classify no/such/photo.jpg"),
        (["https://example.org/x"], "resnext classify https://example.org/x"),
        (["clasify"], "did you mean classify?"),
        (["version"], "did you mean --version?"),
        (["qqq"], "there are classify,"),
        (["help", "qqq"], "no command is called qqq"),
        (["-m", "lite0"], "no option is called -m, before a command"),
        (["classify", "--modle", "x"], "did you mean --model? (resnext classify --help)"),
        (["classify", "-m"], "option '-m' requires an argument"),
        (["classify", "--\u202egpj.exe"], r"no option is called --\u202egpj.exe"),
        (["\u202egpj\x1b[2J"], r"no command is called \u202egpj\x1b[2J"),
        (["classify", "-k", "\u202e5"], r"--top-k \u202e5: not a whole number"),
        (["info", "lite0", "second"], "unexpected extra argument"),
    ],
)
def test_a_wrong_command_line_is_one_line_that_helps(resnext: RunResnext, arguments: list[str], words: str) -> None:
    done = resnext(*arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("resnext: error: ") and words in done.stderr


def test_help_is_had_by_every_name_that_people_try(resnext: RunResnext) -> None:
    shown = resnext("--help")
    assert shown.returncode == 0 and shown.stderr == "" and "classify" in shown.stdout
    assert all(resnext(name).stdout == shown.stdout for name in ("-h", "help"))
    assert resnext("help", "info").stdout == resnext("info", "-h").stdout
    assert resnext("-V").stdout == resnext("--version").stdout
    nothing = resnext()
    assert (nothing.returncode, nothing.stdout) == (2, "") and nothing.stderr == shown.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [("--help",), ("help",), ("classify", "--help"), ("-V",)])
def test_a_help_that_can_not_be_written_is_no_success(resnext: RunResnext, arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        done = resnext(*arguments, stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (3, "resnext: error: stdout: can't write: No space left on device\n")


def test_a_reader_that_has_gone_is_no_failure(tmp_path: Path) -> None:
    import os

    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "resnext", "classify", "--help"],
        env=clean_environment(tmp_path, tmp_path), stdout=writing, stderr=subprocess.PIPE, timeout=60,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


# -- Tab


def offered(resnext: RunResnext, line: str) -> list[str]:
    """What bash is offered for the last word of the line."""
    words = line.split(" ")
    tab = {"_RESNEXT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = resnext(env=tab)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("resnext cl", ["classify"]),
        ("resnext classify --prec", ["--precision"]),
        ("resnext classify --precision ", ["auto", "fp32", "bf16", "int8"]),
        ("resnext classify -f j", ["jsonl", "json"]),
        ("resnext features --kind m", ["multiscale"]),
        ("resnext classify --engine t", ["torch"]),
        ("resnext classify -m tf_", ["tf_efficientnet_lite0"]),
        ("resnext info ssl_resnext50", ["ssl_resnext50_32x4d"]),
        ("resnext classify sample", []),  # the shell's own: files
        ("resnext classify -o lab", []),
    ],
)
def test_a_shell_is_offered_what_can_stand_there(resnext: RunResnext, line: str, values: list[str]) -> None:
    assert offered(resnext, line) == values


def test_tab_imports_no_more_than_help_and_the_parser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helped = modules_of(tmp_path, "classify", "--help")
    for line in ("resnext c", "resnext classify --precision ", "resnext classify -m "):
        tab = {
            "_RESNEXT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1),
        }  # fmt: skip
        for name, value in tab.items():
            monkeypatch.setenv(name, value)
        offering = modules_of(tmp_path)
        assert {name for name in offering - helped if name.startswith("resnext.")} <= {
            "resnext.app", "resnext.commands.parser", "resnext.models", "resnext.models.catalog"
        }  # fmt: skip
        assert not {name.split(".")[0] for name in offering} & HEAVY
