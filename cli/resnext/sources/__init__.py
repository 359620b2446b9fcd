"""What was named on the command line -> an ordered, lazy stream of inputs."""

import errno
import functools
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from resnext.errors import FailureCode, InputError, UsageError, cant_read
from resnext.records import Failure, Source
from resnext.sources import stdin
from resnext.sources.config import FetchConfig, SourceConfig
from resnext.sources.folders import walk
from resnext.sources.skipped import SkippedFiles

if TYPE_CHECKING:
    from resnext.sources.archives import Members
    from resnext.sources.urls import Fetcher

_WEB = ("http", "https")


def check(arguments: tuple[str, ...], config: SourceConfig) -> SourceConfig:
    """Refuse what can't be, before a model is loaded for it. Where nothing is named, the list is what stdin holds.

    Raises:
        UsageError: there is nothing to read, or it can't be read as asked.
    """
    files_from = config.files_from
    if not arguments and not files_from:
        if not stdin.is_offered():
            raise UsageError("nothing to do: name photos, folders, patterns or addresses, or pipe in a list of them")
        files_from = (stdin.NAME,)
    if config.lists.null and config.lists.column is not None:
        raise UsageError("--null and --column contradict each other")
    if (config.lists.null or config.lists.column is not None) and not files_from:
        raise UsageError("--null and --column say how --files-from is read; there is no list")
    if [*arguments, *files_from].count(stdin.NAME) > 1:
        raise UsageError("stdin can be read only once: as one image (-) or as one list (--files-from -)")
    if files_from:
        from resnext.sources import lists

        for name in files_from:
            lists.check(name, config.lists)
    return config._replace(files_from=files_from)


def find(
    arguments: Iterable[str], config: SourceConfig, skipped: SkippedFiles | None = None
) -> Iterator[Source | Failure]:
    """Give the inputs in the order named, those of lists last; a file is taken as it is, whatever its name.

    What can't be found or listed comes as a Failure in its place: every argument gives at least one item. What folders
    hold besides pictures is counted in `skipped`, as the inputs are taken.

    Raises:
        UsageError: a list can't be read.
    """
    finder, shard, number = _Finder(config, skipped or SkippedFiles()), config.shard, -1
    for number, argument in enumerate(arguments):
        if argument == stdin.NAME:
            found: Iterable[Source | Failure] = [_from_stdin(config)]
        else:
            found = finder.find(argument)
        if shard is not None:
            from resnext.sources.shards import share

            found = share(found, shard, number, argument)
        yield from found
    if not config.files_from:
        return
    from resnext.sources import lists

    for name in config.files_from:
        for entry in lists.entries(name, config.lists):
            number += 1
            if shard is not None and not shard.has(number):
                continue
            if isinstance(entry, Failure):
                yield entry
            else:
                yield from finder.find(entry)


def _from_stdin(config: SourceConfig) -> Source | Failure:
    read: Callable[[], bytes] = functools.partial(stdin.read_image, config.max_bytes)
    if config.elsewhere:
        try:
            read = functools.partial(bytes, read())
        except InputError as error:
            return Failure(Source(stdin.NAME), error.code, str(error))
    return Source(stdin.NAME, read=read, remote=True)


def without_missing(items: Iterable[Source | Failure]) -> Iterator[Source | Failure]:
    """Give the same items, but a Failure for each file that is not there: for a listing, which opens none."""
    for item in items:
        problem = None
        if isinstance(item, Source) and item.read is None:
            problem = _missing(item)
        yield problem or item


def _missing(source: Source) -> Failure | None:
    try:
        os.stat(source.file)  # noqa: PTH116 - a name is kept to the byte as it was given
    except (OSError, ValueError) as error:  # ValueError: an embedded NUL
        problem = cant_read((isinstance(error, OSError) and error.errno) or errno.ENOENT)
        return Failure(source, problem.code, str(problem))
    return None


class _Finder:
    def __init__(self, config: SourceConfig, skipped: SkippedFiles) -> None:
        self._config, self._skipped = config, skipped

    def find(self, name: str) -> Iterator[Source | Failure]:
        """One argument, or one entry of a list."""
        if "://" not in name:
            return self._local(name)
        from resnext.sources.addresses import local_path, scheme_of, shown

        scheme = scheme_of(name)
        if scheme is None:
            return self._local(name)
        if scheme == "file":
            try:
                return self._local(local_path(name))
            except InputError as error:
                return iter([Failure(Source(name), error.code, str(error))])
        if self._config.offline:
            failure = Failure(Source(shown(name)), FailureCode.NETWORK, "the network is switched off (--offline)")
            return iter([failure])
        if scheme in _WEB:
            return iter([self._fetcher.source(name)])
        from resnext.sources import stores

        return stores.sources(name, self._bounds)

    def _local(self, path: str) -> Iterator[Source | Failure]:
        if "\0" in path:  # no file bears such a name; decoding says so
            return iter([Source(path)])
        if os.path.isdir(path):  # noqa: PTH112 - a name is kept to the byte as it was given
            return walk(path, self._config.folders, self._skipped)
        if os.path.lexists(path):
            return self._file(path)
        if "!/" in path:
            from resnext.sources import archives

            parts = archives.split(path)
            if parts is not None:
                return iter([self._members.source(*parts)])
        from resnext.sources import globs

        if globs.is_pattern(path):
            return self._matches(globs.expand(path, self._config.folders, self._skipped))
        return iter([Source(path)])

    def _file(self, path: str) -> Iterator[Source | Failure]:
        if path[-4:].lower() not in _PICTURE_ENDINGS:  # spares most files the import and the look at their names
            from resnext.sources import archives

            if archives.is_archive(path) and os.path.isfile(path):  # noqa: PTH113
                config = self._config
                return archives.pictures(path, config.folders, config.max_bytes, elsewhere=config.elsewhere)
        return iter([Source(path)])

    def _matches(self, matches: Iterator[str | Failure]) -> Iterator[Source | Failure]:
        for match in matches:
            if isinstance(match, Failure):
                yield match
            elif os.path.isdir(match):  # noqa: PTH112
                yield from walk(match, self._config.folders, self._skipped)
            else:
                yield from self._file(match)

    @property
    def _bounds(self) -> FetchConfig:
        return FetchConfig(self._config.timeout, self._config.retries, self._config.max_bytes)

    @functools.cached_property
    def _members(self) -> "Members":
        from resnext.sources.archives import Members

        return Members(self._config.max_bytes)

    @functools.cached_property
    def _fetcher(self) -> "Fetcher":
        from resnext.sources.urls import Fetcher

        return Fetcher(self._bounds)


_PICTURE_ENDINGS = frozenset({".jpg", "jpeg", ".png", "webp", ".tif", "tiff", ".gif", ".bmp"})
