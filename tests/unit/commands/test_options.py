"""Every option of every command, found by asking the app: odd values are one clear line, choices are one list."""

import unicodedata
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.core import TyperArgument, TyperCommand, TyperOption

from resnext.app import COMMANDS, app
from resnext.commands import classify
from resnext.console.terminal import ColorChoice
from resnext.engines import EngineName, Precision
from resnext.outputs.writers import FORMATS
from resnext.records import DType, Kind, LabelType, OutputType
from support.program import SAMPLES

# What no number and no choice is, in any option that takes one.
NO_NUMBERS = ["nan", "inf", "-inf", "-1", "1e400", "9" * 20, "9" * 5000, "", " ", "0x10", "1,5", "None"]
ODD_TEXTS = [
    "",
    " ",
    ".",
    "/",
    "-",
    "nan",
    "x" * 5000,
    "a\u202eb",
    "\x1b[2J",
    "a\0b",
    "\udcff",
    "💥",
    "{",
    "*",
    "a/../b",
]
SENSIBLE = {("--mean", "-1")}  # of these, one that is none elsewhere
# These ask timm, which takes seconds; what they make of names is tested where timm is imported.
ASK_TIMM = {"search", "download"}


def commands() -> dict[str, TyperCommand]:
    import typer

    group: Any = typer.main.get_command(app)
    return {name: group.commands[name] for name in COMMANDS}


def options(command: TyperCommand, *, with_value: bool = True) -> list[TyperOption]:
    found = [param for param in command.params if isinstance(param, TyperOption)]
    return [param for param in found if not (param.is_flag or param.count)] if with_value else found


def spelled(option: TyperOption) -> str:
    return max(option.opts, key=len)


def cases() -> list[tuple[str, str]]:
    """Command and option; what two commands take of one group is tried with the first."""
    found = {(spelled(each), each.help): name for name in reversed(COMMANDS) for each in options(commands()[name])}
    return [(name, option) for (option, _), name in found.items()]


CASES = cases()


def is_parsed(name: str, spelling: str) -> bool:
    """Whether the option takes a number or a choice, not a text."""
    option = next(each for each in options(commands()[name]) if spelled(each) == spelling)
    return option.type.name.startswith("read")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit status and stderr. Whatever is not reported in words comes out as an exception, and fails the test."""
    with pytest.raises(SystemExit) as ended:
        app(list(arguments))
    said = capsys.readouterr().err
    assert ended.value.code in (0, 1, 2, 3)
    harmful = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    for line in said.splitlines():
        assert line.startswith("resnext: ") and len(line) < 1100
        assert not [char for char in line if unicodedata.category(char) in harmful]
    return int(ended.value.code or 0), said


def target(name: str) -> list[str]:
    """A question that is answered without a model, however long the rest of the command line lets it get."""
    photo = str(SAMPLES / "coffee.png")
    return {"classify": ["--dry-run", photo], "features": ["--dry-run", photo], "tag": ["--undo", photo]}.get(name, [])


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.mark.parametrize(("name", "option"), CASES)
def test_an_odd_value_is_one_clear_line(capsys: pytest.CaptureFixture[str], name: str, option: str) -> None:
    parsed = is_parsed(name, option)
    texts = [] if option.removeprefix("--") in ASK_TIMM else ODD_TEXTS
    for value in [*NO_NUMBERS, *ODD_TEXTS] if parsed else texts:
        code, said = run(capsys, name, f"{option}={value}", *target(name))
        if (parsed and (option, value) not in SENSIBLE) or value == "":
            assert code == 2, f"{option}={value[:20]!r}: {code}"
            assert said.startswith(f"resnext: error: {option} ") and said.count("\n") == 1, said
        elif code == 2:
            assert said.startswith("resnext: error: ") and said.count("\n") == 1, said


def test_nothing_is_written_for_an_odd_name(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name, option in CASES:
        if option in ("--output", "--index", "--summary-file"):
            for value in ODD_TEXTS:
                run(capsys, name, f"{option}={value}", *target(name))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_examples_and_every_option_a_section_and_a_help(name: str) -> None:
    command = commands()[name]
    assert command.epilog and all("resnext" in line for line in command.epilog.splitlines())
    assert all(len(line) <= 90 for line in command.epilog.splitlines())
    assert command.get_short_help_str(200) == COMMANDS[name], "the list of commands says what the command says"
    for param in command.params:
        assert isinstance(param, TyperOption | TyperArgument)
        assert param.help and param.help.rstrip().endswith((".", "'"))
        assert isinstance(param, TyperArgument) or param.rich_help_panel


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_every_option_under_the_heading_of_its_group(capsys: pytest.CaptureFixture[str], name: str) -> None:
    with pytest.raises(SystemExit):
        app([name, "--help"])
    shown = capsys.readouterr().out
    for option in options(commands()[name], with_value=False):
        before = shown.split(f"  {', '.join(sorted(option.opts, key=len))}", 1)
        assert len(before) == 2, option.opts
        headings = [line for line in before[0].splitlines() if line.endswith(":") and not line.startswith(" ")]
        assert headings[-1] == f"{option.rich_help_panel}:"
    assert max(map(len, shown.split("\nExamples:")[0].splitlines())) <= 80


def test_choices_are_those_of_the_rooms() -> None:
    assert tuple(classify.FORMATS.split("|")) == FORMATS
    metavars = {spelled(each): each.metavar for command in commands().values() for each in options(command)}
    literals = {
        "--color": ColorChoice, "--engine": EngineName, "--precision": Precision, "--output-type": OutputType,
        "--label-type": LabelType, "--kind": Kind, "--dtype": DType,
    }  # fmt: skip
    for option, literal in literals.items():
        assert metavars[option] == "|".join(get_args(literal))


def test_commands_offer_only_what_they_honor() -> None:
    from resnext.commands import declared

    def fields(name: str) -> set[str]:
        return {field.name for group in declared(name).groups.values() for field in group.fields()}

    assert not fields("train") & {"files_from", "null", "frames", "shard", "paths"}
    assert {"folder", "exclude_dir", "max_file_size", "timeout", "column"} <= fields("train")
    assert "frames" not in fields("quantize") | fields("tag")
    assert {"paths", "files_from", "exclude_dir", "shard"} <= fields("quantize") & fields("tag")
    assert {"paths", "files_from", "exclude_dir", "frames", "shard"} <= fields("classify") & fields("evaluate")
