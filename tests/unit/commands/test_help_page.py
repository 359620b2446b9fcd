"""The help that is written without Typer says what Typer parses."""

from typing import Any

import pytest
import typer

from resnext.app import app
from resnext.commands import COMMANDS, declared
from resnext.commands.groups import Argument
from resnext.commands.help_page import app_page, command_page


def test_the_programs_help_has_the_options_that_are_parsed() -> None:
    group: Any = typer.main.get_command(app)
    parsed = [(", ".join(sorted(param.opts, key=len)), param.help) for param in group.params]
    lines = [
        line.split("  ")
        for line in app_page({"none": "nothing"}, 200).split("Options:\n")[1].split("\n\n")[0].splitlines()
    ]
    assert sorted((words[1], words[-1].strip()) for words in lines) == sorted(parsed)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_help_has_what_is_parsed(name: str) -> None:
    group: Any = typer.main.get_command(app)
    fields = [field for each in declared(name).groups.values() for field in each.fields()]
    parsed = {param.name: param for param in group.commands[name].params}
    assert list(parsed) == [field.name for field in fields]
    for field in fields:
        if not isinstance(field.option, Argument):
            param = parsed[field.name]
            assert [*param.opts, *param.secondary_opts] == "/".join(field.spellings).split("/")
            assert param.metavar == (field.metavar or None) and param.default == field.default


def test_a_page_keeps_to_its_width_and_no_word_is_lost() -> None:
    command = declared("classify")
    wide, narrow = command_page(command, 98), command_page(command, 70)
    assert wide.split() == narrow.split()
    before_examples = narrow.split("Examples:")[0].splitlines()
    assert max(len(line) for line in before_examples if "|" not in line) <= 70
