"""The README tells the truth: its options are those of the program, its tree is that of the folder."""

import re
from pathlib import Path

import pytest

from support.program import REPO, RunResnext

README = (REPO / "README.md").read_text()


@pytest.mark.parametrize("command", ["classify", "features", "info"])
def test_the_help_in_the_readme_is_the_programs_own(resnext: RunResnext, command: str) -> None:
    """To renew it: paste the output of `COLUMNS=100 resnext <command> --help`."""
    shown = README.split(f"$ resnext {command} --help\n")[1].split("```")[0]
    printed = resnext(command, "--help", env={"COLUMNS": "100"}).stdout
    assert shown.strip() == printed.replace("python -m resnext", "resnext").strip()


def test_the_tree_names_every_room() -> None:
    tree = README.split("```\ncli/resnext/")[1].split("```")[0]
    rooms = {path.name for path in (REPO / "cli" / "resnext").rglob("*.py")} - {"__init__.py"}
    assert rooms == set(re.findall(r"(\w+\.py)", tree)) - {"__init__.py"}


def test_every_error_code_stands_in_the_readme() -> None:
    from resnext.errors import FailureCode

    sentence = README.split("the code one of a closed set:")[1].split("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", sentence)) == {str(code) for code in FailureCode}


def test_sample_images_are_all_licensed() -> None:
    folder = REPO / "sample_images"
    listed = set(re.findall(r"^\| `([^`]+)` \|", (folder / "LICENSES.md").read_text(), re.MULTILINE))
    assert listed == {Path(path).name for path in folder.iterdir()} - {"LICENSES.md"}
