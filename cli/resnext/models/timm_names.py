"""The names that the installed timm knows, read from its sources: importing timm takes two seconds and torch.

timm registers each architecture with a decorator and lists its weights in dictionaries of literal names; a few dozen
names of weights are put together by code, and are not found here.
"""

import difflib
import re
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import NamedTuple

from resnext.errors import UsageError
from resnext.models.catalog import known_names

# A dictionary's line: a name of weights, or an old name and the one that it was replaced by.
_KEY = re.compile(r"""['"](?P<name>\w+(?:\.\w+)?)['"] ?:(?P<renamed> ?['"]\w)?""")
_FILE = re.compile(r"/([\w.-]+-[0-9a-f]{8}\.pth)")
# Of 1371 today: with fewer the sources are written in another way, and prove nothing.
_FEWEST = 500


class TimmNames(NamedTuple):
    """`weights` are "architecture.tag"; `files` the names of published checkpoints. All empty: nothing is known."""

    architectures: frozenset[str]
    weights: frozenset[str]
    files: frozenset[str]

    def lack(self, name: str) -> bool:
        """Whether timm certainly knows no such name; where in doubt, it does."""
        architecture, _, tag = name.partition(".")
        if not self.architectures:
            return False
        if architecture not in self.architectures:
            return True
        listed = any(each.startswith(f"{architecture}.") for each in self.weights)
        return bool(tag) and listed and name not in self.weights


@cache
def timm_names() -> TimmNames:
    """Read the sources of the installed timm, in about 0.1 s; none are known where timm can't be found."""
    spec = PathFinder.find_spec("timm")
    architectures, weights, files = set[str](), set[str](), set[str]()
    for location in (spec.submodule_search_locations or ()) if spec else ():
        for source in Path(location, "models").glob("*.py"):
            decorated = False
            for line in source.read_text(encoding="utf-8", errors="replace").split("\n"):
                text = line.lstrip()
                if decorated and text.startswith("def "):
                    architectures.add(text[4 : text.index("(")])
                elif text[:1] in ("'", '"') and (key := _KEY.match(text)):
                    name = key["name"]
                    if "." in name:
                        weights.add(name)
                    elif key["renamed"]:
                        architectures.add(name)
                if ".pth" in text and (file := _FILE.search(text)):
                    files.add(file[1])
                decorated = text == "@register_model"
    if len(architectures) < _FEWEST:
        architectures = set()
    return TimmNames(frozenset(architectures), frozenset(weights), frozenset(files))


def check_name(name: str) -> None:
    """Refuse a name that neither the shelf nor timm knows, with the nearest names.

    Raises:
        UsageError: there is no such model.
    """
    if timm_names().lack(name):
        raise UsageError(unknown_name(name))


def near_names(name: str) -> list[str]:
    """Give up to three names of models that are like `name`, of the shelf and of timm."""
    known = timm_names()
    # What was read besides may be no model at all: of architectures those that have weights are proposed.
    with_weights = sorted({each.partition(".")[0] for each in known.weights} & known.architectures)
    names = dict.fromkeys([*known_names(), *with_weights, *sorted(known.weights)])
    return difflib.get_close_matches(name[:200], names, 3, 0.5)


def unknown_name(name: str) -> str:
    """Say that no model is called `name`, and which names are like it."""
    near = near_names(name)
    advice = f"did you mean {', '.join(near)}?" if near else "'resnext info' lists the models"
    return f"no model is called {name[:80]!r}; {advice}"
