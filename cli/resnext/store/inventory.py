"""Lists the entries of the store and why one is unused; removes unused entries, or all of them."""

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from resnext.disk import read_regular
from resnext.errors import DamagedEntry, OutputError
from resnext.store import request_keys, training_cache
from resnext.store.entries import ENTRY, CompiledModel, Provenance, read_entry
from resnext.store.leftovers import NEW_FILE, REMOVED, leftovers, modified
from resnext.store.store import Store
from resnext.store.training_cache import KeptFile

# The folder may be shared with other things by mistake: only what bears the store's own names is ever touched.
_OUR_ENTRY = re.compile(r".*-[0-9a-f]{20}")


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One folder of the store. `model` is None where it can't be read; `unused` says why nothing can use it, or None.

    `built` is in seconds since 1970.
    """

    folder: Path
    model: CompiledModel | None
    size_bytes: int
    built: float
    unused: str | None


@dataclass(frozen=True, slots=True)
class Removed:
    """Something that was removed from the store, and why."""

    name: str
    size_bytes: int
    reason: str


def find(store: Store, request: str) -> StoredEntry | None:
    """The entry that answers `request`, by its metadata and sizes; the files' digests are checked when it is opened."""
    provenance = store.recall_current(request)
    if provenance is None:
        return None
    folder = store.folder_of(provenance)
    entry = _entry(folder, {provenance}) if folder.is_dir() else None
    return entry if entry is not None and entry.unused is None else None


def entries(store: Store) -> list[StoredEntry]:
    """All entries, by name; half-built ones of other processes are left out."""
    wanted = {provenance for request, provenance in _notes(store) if request_keys.can_come_again(request)}
    return [
        _entry(folder, wanted)
        for folder in sorted(_listed(store.compiled))
        if folder.is_dir() and _OUR_ENTRY.fullmatch(folder.name) and not folder.name.startswith(".")
    ]


def of_training(store: Store) -> list[KeptFile]:
    """What training keeps, by name: features of photos, and weights of bases."""
    models = [entry.model for entry in entries(store)]
    return training_cache.kept_files(store.root, (each.provenance.weights_digest for each in models if each))


def prune(store: Store) -> list[Removed]:
    """Remove what no current model uses: entries of other versions or of vanished checkpoints, damaged ones, leftovers.

    Of what training keeps goes what is unused.

    Raises:
        OutputError: the store can't be changed.
    """
    unused = [(entry, entry.unused) for entry in entries(store) if entry.unused is not None]
    removed = [_remove(store, entry.folder, entry.size_bytes, reason) for entry, reason in unused]
    removed += _remove_leftovers(store)
    kept = {entry.model.provenance for entry in entries(store) if entry.model is not None}
    for path, request, provenance in _readable_notes(store):
        if provenance not in kept or not request_keys.can_come_again(request):
            _unlink(path)
    return removed + _remove_of_training(store, [each for each in of_training(store) if each.unused is not None])


def clear(store: Store) -> list[Removed]:
    """Remove every entry and note, and what training keeps; other files in the folder are not ours and stay.

    Raises:
        OutputError: the store can't be changed.
    """
    removed = [_remove(store, entry.folder, entry.size_bytes, "cleared") for entry in entries(store)]
    removed += _remove_leftovers(store)
    for path in _listed(store.refs):
        if path.suffix == ".json" or path.name.startswith(NEW_FILE):
            _unlink(path)
    return removed + _remove_of_training(store, of_training(store))


def _entry(folder: Path, wanted: set[Provenance]) -> StoredEntry:
    size, built = _size(folder), modified(folder / ENTRY) or modified(folder)
    try:
        model, files = read_entry(folder)
    except DamagedEntry:
        return StoredEntry(folder, None, size, built, "damaged")
    if any(_file_size(folder / name) != expected for name, (_, expected) in files.items()):
        return StoredEntry(folder, model, size, built, "damaged")
    if not model.provenance.is_current:
        return StoredEntry(folder, model, size, built, "made by other versions")
    if model.provenance not in wanted:
        return StoredEntry(folder, model, size, built, "its checkpoint was changed or removed")
    return StoredEntry(folder, model, size, built, None)


def _notes(store: Store) -> Iterator[tuple[str, Provenance]]:
    return ((request, provenance) for _, request, provenance in _readable_notes(store))


def _readable_notes(store: Store) -> Iterator[tuple[Path, str, Provenance]]:
    for path in sorted(_listed(store.refs)):
        with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            noted = json.loads(read_regular(path))
            yield path, str(noted["request"]), Provenance(**noted["provenance"])


def _remove_leftovers(store: Store) -> list[Removed]:
    """What broken-off builds left behind; a build that may still go on is left alone."""
    for folder in (store.refs, *(entry.folder for entry in entries(store))):
        for path in leftovers(folder):
            _unlink(path)
    return [
        _remove(store, path, _size(path), "left over from a build that broke off") for path in leftovers(store.compiled)
    ]


def _remove_of_training(store: Store, files: list[KeptFile]) -> list[Removed]:
    training_cache.remove(store.root, files)
    return [Removed(each.name, each.size_bytes, each.unused or "cleared") for each in files]


def _remove(store: Store, path: Path, size: int, reason: str) -> Removed:
    """Move aside, then remove: nobody meets half an entry."""
    try:
        aside = Path(tempfile.mkdtemp(prefix=REMOVED, dir=store.compiled))
        try:
            path.rename(aside / "entry")
        except FileNotFoundError:
            pass  # another process removed it first
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"{path}: can't be removed: {error.strerror or error}") from error
    return Removed(path.name, size, reason)


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: can't be removed: {error.strerror or error}") from error


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # nothing was stored yet
        return []


def _size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(_file_size(path) or 0 for path in folder.rglob("*") if path.is_file())


def _file_size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
