"""What was named on the command line -> an ordered, lazy stream of inputs."""

import os
from collections.abc import Iterable, Iterator

from resnext.records import Failure, Source
from resnext.sources.folders import FolderConfig, walk


def find(arguments: Iterable[str], config: FolderConfig) -> Iterator[Source | Failure]:
    """Give the inputs in the order named; a file is taken as it is, whatever its name.

    What can't be found or listed comes as a Failure in its place: every argument gives at least one item.
    """
    for argument in arguments:
        if os.path.isdir(argument):  # noqa: PTH112 - a name is kept to the byte as it was given
            yield from walk(argument, config)
        else:
            yield Source(argument)
