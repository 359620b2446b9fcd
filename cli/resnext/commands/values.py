"""Values of options that are more than a number or a word: how each is written, and what is wrong with it if it is."""

from collections.abc import Callable
from typing import NamedTuple

from resnext.commands.groups import WrongValue, number, shown, whole
from resnext.records import Shard


class Size(NamedTuple):
    """An input size as timm writes it."""

    channels: int
    height: int
    width: int


class Channels(NamedTuple):
    """A number for each channel."""

    red: float
    green: float
    blue: float


def size(value: str) -> Size:
    """Read the side of a square input, its height and width, or timm's three numbers."""
    numbers = [whole(1, 1024)(each.strip()) for each in value.split(",", 3)]
    if len(numbers) == 3 and numbers[0] == 3:
        numbers.pop(0)
    if len(numbers) > 2:
        raise WrongValue(f"{shown(value)}: neither a number of pixels nor a height and a width")
    return Size(3, numbers[0], numbers[-1])


def channels(least: float, most: float) -> Callable[[str], Channels]:
    """Give a reader of one number for each channel, within bounds; a single number counts for all three."""

    def read(value: str) -> Channels:
        numbers = [number(least, most)(each.strip()) for each in value.split(",", 3)]
        if len(numbers) not in (1, 3):
            raise WrongValue(f"{shown(value)}: neither one number nor three")
        return Channels(numbers[0], numbers[len(numbers) // 2], numbers[-1])

    return read


def read_frames(value: str) -> int | None:
    """How many frames of each file; None for all."""
    return None if value == "all" else whole(1, 10**9)(value)


def read_shard(value: str) -> Shard:
    """Which of how many parts of the inputs."""
    number, _, of = value.partition("/")
    if not (number.isdecimal() and of.isdecimal() and len(of) < 8 and 1 <= int(number) <= int(of)):
        raise WrongValue(f"{shown(value)}: not I/N, part I of N, with I from 1 to N")
    return Shard(int(number), int(of))
