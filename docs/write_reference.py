"""Write docs/reference.md: the help of every command, as the app gives it. A test holds that it is current.

Run it after a change of an option: .venv/bin/python docs/write_reference.py
"""

from pathlib import Path
from typing import Any

import typer

from resnext.app import COMMANDS, app

PAGE = Path(__file__).parent / "reference.md"
WIDTH = 98  # columns

HEAD = """# Reference

Every command's help, written by `docs/write_reference.py`: change the options, not this page. Where an option is
explained at length: [inputs.md](inputs.md), [output.md](output.md), [features.md](features.md), [models.md](models.md).
"""


def reference() -> str:
    """Give the page's text."""
    group: Any = typer.main.get_command(app)
    root = group.context_class(group, info_name="resnext", terminal_width=WIDTH)
    parts = [HEAD, _block("resnext", group.get_help(root))]
    for name in COMMANDS:
        command = group.commands[name]
        context = command.context_class(command, info_name=name, parent=root, terminal_width=WIDTH)
        parts.append(_block(f"resnext {name}", command.get_help(context)))
    return "\n".join(parts)


def _block(title: str, text: str) -> str:
    lines = [line.rstrip() for line in text.splitlines()]
    return "\n".join([f"## {title}", "", "```text", *lines, "```", ""])


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
