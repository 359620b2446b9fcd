"""The settings of the sources. Named tuples: a start makes them in a sixth of the time that dataclasses take."""

from typing import NamedTuple

from resnext.records import Shard

# Folders of other programs: version control, packages, thumbnails of NAS systems and photo managers, rubbish bins.
DEFAULT_EXCLUDED_DIRS = (
    *(".git", ".hg", ".svn", "node_modules", "__pycache__"),
    *("@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found", "__MACOSX"),
)


class FolderConfig(NamedTuple):
    """What a walk through a folder takes: `excluded_dirs` by name; files and folders that begin with a dot, or not."""

    excluded_dirs: frozenset[str] = frozenset(DEFAULT_EXCLUDED_DIRS)
    include_hidden: bool = False


class ListConfig(NamedTuple):
    """How lists are read: `null` says that NUL separates the entries, `column` names that of a table."""

    null: bool = False
    column: str | None = None


class FetchConfig(NamedTuple):
    """`timeout`: seconds for one address in all, retries included. `max_bytes` counts what was unpacked."""

    timeout: float
    retries: int
    max_bytes: int


class SourceConfig(NamedTuple):
    """Where inputs come from besides the arguments, and within what bounds.

    `files_from`: lists, read after the arguments. `timeout`: seconds for one address in all. `max_bytes` bounds what
    comes from elsewhere: downloads, members of archives, stdin. `offline` leaves addresses alone. `shard`: of all these
    inputs only its own. `elsewhere`: they are read on other machines, so that each can be pickled.
    """

    folders: FolderConfig = FolderConfig()
    files_from: tuple[str, ...] = ()
    lists: ListConfig = ListConfig()
    timeout: float = 30.0
    retries: int = 2
    max_bytes: int = 100_000_000
    offline: bool = False
    shard: Shard | None = None
    elsewhere: bool = False
