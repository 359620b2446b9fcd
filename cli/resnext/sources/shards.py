"""`--shard I/N`: which inputs are this run's, where N runs share them. All N cut the same way, whatever else they see.

Entries of lists, with all that one names, and files among the arguments are cut by their numbers, which are the same
wherever the list is read. What a folder, a pattern, an archive or a store among the arguments holds is cut by a digest
of its name below what was named: its number would be another one where a file has come meanwhile, and its whole path
where the folder is mounted elsewhere.
"""

import hashlib
from collections.abc import Iterable, Iterator

from resnext.records import Failure, Shard, Source


def share(found: Iterable[Source | Failure], shard: Shard, number: int, named: str) -> Iterator[Source | Failure]:
    """Give what is in the shard of what was found for the argument `named`, the one with this number."""
    for item in found:
        file = item.source.file if isinstance(item, Failure) else item.file
        if shard.has(number if file == named else _digest(_below(named, file))):
            yield item


def _digest(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def _below(named: str, file: str) -> str:
    """The part of a name behind the folders that it has in common with what was named."""
    names = file.split("/")
    below = 0
    for ours, theirs in zip(named.split("/"), names[:-1], strict=False):
        if ours != theirs:
            break
        below += 1
    return "/".join(names[below:])
