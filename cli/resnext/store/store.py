"""The store of compiled models: built once, loaded fast, never half-written, never believed unchecked.

    $RESNEXT_CACHE/                      or the user's cache directory (XDG_CACHE_HOME)
      compiled/<model>-<key>/            one compiled model, moved into place whole
        entry.json                       provenance, preprocessing, digests of the files below, a digest of itself
        graph.xml  graph.bin             the OpenVINO graph: pixels -> logits and features
        labels.json                      the classes
        <digest>.blob                    the graph as an engine compiled it for one processor; made again if missing
      refs/<request>.json                what was asked for -> the entry that answered it last time
      locks/
      features/  weights/                see `training_cache`
      hub-unreachable                    when the hub failed last

An entry's key is what it was made from: see `entries.Provenance`.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from resnext.disk import read_regular, replace_file
from resnext.errors import DamagedEntry, ModelError, OutputError
from resnext.records import Label
from resnext.store import leftovers
from resnext.store.digests import digest_of_bytes
from resnext.store.entries import CompiledModel, Provenance, checked_entry, complete_entry

_PUT_ATTEMPTS = 5


def cache_root() -> Path:
    """RESNEXT_CACHE, or `resnext` in the user's cache directory.

    Raises:
        ModelError: nobody knows the user's home.
    """
    override = os.environ.get("RESNEXT_CACHE")
    try:
        if override:
            return Path(override).expanduser()
        import platformdirs

        # XDG on macOS too: people of the terminal look for ~/.cache there.
        if sys.platform == "darwin" and "XDG_CACHE_HOME" not in os.environ:
            return Path("~/.cache/resnext").expanduser()
        root = Path(platformdirs.user_cache_dir("resnext", appauthor=False))
    except RuntimeError as error:
        raise ModelError("this user has no home directory to keep compiled models in; set RESNEXT_CACHE") from error
    if not root.is_absolute():  # "~" as it is
        raise ModelError("this user has no home directory to keep compiled models in; set RESNEXT_CACHE")
    return root


class Store:
    """The compiled models under one cache root. Folders are the user's alone (mode 0700)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.compiled = root / "compiled"
        self.refs = root / "refs"
        self.locks = root / "locks"

    # -- what was asked for -> an entry ------------------------------------------------------------------------------

    def recall(self, request: str) -> Provenance | None:
        """Give the provenance that answered `request` last time; None if never, or if the note can't be read."""
        try:
            noted = json.loads(read_regular(self._ref_path(request)))
            provenance = Provenance(**noted["provenance"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        *texts, version, settings = provenance
        sound = isinstance(version, int) and all(isinstance(text, str) for text in (*texts, settings))
        return provenance if sound and noted["request"] == request else None

    def recall_current(self, request: str) -> Provenance | None:
        """Give the provenance that answers `request` with the installed versions."""
        noted = self.recall(request)
        return noted if noted is not None and noted.is_current else None

    def remember(self, request: str, provenance: Provenance) -> None:
        """Note which entry answers `request`."""
        self._make_folder(self.refs)
        note = json.dumps({"request": request, "provenance": provenance._asdict()})
        try:
            replace_file(self._ref_path(request), [note.encode()], leftovers.NEW_FILE)
        except OSError as error:
            raise OutputError(_unwritable(self.root, error)) from error

    # -- entries -----------------------------------------------------------------------------------------------------

    def load(self, provenance: Provenance, *, with_graph: bool = True) -> CompiledModel | None:
        """Give the checked entry for `provenance`, or None if it was never built.

        Raises:
            DamagedEntry: it is there, and is not what was stored.
        """
        folder = self.folder_of(provenance)
        if not folder.is_dir():
            return None
        return checked_entry(folder, provenance, with_graph=with_graph)

    @contextmanager
    def building(self, provenance: Provenance) -> Iterator[None]:
        """Hold the lock of one entry, so that a second process waits for the first one's build and uses it.

        On a file system whose locks do nothing two may build at once; `put` keeps the first whole one.
        """
        from filelock import FileLock, Timeout

        self._make_folder(self.locks)
        lock = FileLock(self.locks / f"{provenance.key}.lock", timeout=leftovers.LOCK_SECONDS)
        try:
            lock.acquire()
        except Timeout:
            yield  # the holder hangs: build beside it rather than not at all
            return
        except OSError as error:
            raise OutputError(_unwritable(self.root, error)) from error
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def new_folder(self) -> Iterator[Path]:
        """A private folder beside the entries to build one in; gone afterwards unless `put` moved it away.

        What builds that were killed left behind long ago goes first.
        """
        leftovers.sweep(self.compiled, self.refs)
        try:
            self._make_folder(self.compiled)
            import tempfile

            folder = Path(tempfile.mkdtemp(prefix=leftovers.BUILDING, dir=self.compiled))
        except OSError as error:
            raise OutputError(_unwritable(self.root, error)) from error
        try:
            yield folder
        except OSError as error:
            raise OutputError(_unwritable(self.root, error)) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def put(self, folder: Path, model: CompiledModel, labels: tuple[Label, ...]) -> CompiledModel:
        """Complete the graph in `folder` with labels and metadata and move it into place in one step."""
        complete_entry(folder, model, labels)
        return self._move_into_place(folder, model.provenance)

    def adopt(self, provenance: Provenance, digest: str, files: Mapping[str, bytes | memoryview]) -> CompiledModel:
        """Put an entry of another machine's store here, unless it is here already, and give it, checked.

        Raises:
            DamagedEntry: the files are not what was stored under this digest.
            OutputError: the store can't be written.
        """
        with self.building(provenance):
            with suppress(DamagedEntry):
                existing = self.load(provenance)
                if existing is not None and existing.digest == digest:
                    return existing
            with self.new_folder() as folder:
                for name, content in files.items():
                    (folder / name).write_bytes(content)
                    (folder / name).chmod(0o600)
                if checked_entry(folder, provenance).digest != digest:
                    raise DamagedEntry(f"{provenance.timm_name}: not what was sent")
                self.discard(provenance)
                return self._move_into_place(folder, provenance)

    def _move_into_place(self, folder: Path, provenance: Provenance) -> CompiledModel:
        """Move a whole entry to where it belongs, unless another process's whole one is there.

        Where locks do nothing, another process may discard what we put as it replaces a damaged one: then its own
        comes, and is taken.
        """
        target = self.folder_of(provenance)
        for attempt in range(_PUT_ATTEMPTS):
            with suppress(OSError):  # something stands there, or ours was moved already
                folder.rename(target)
            with suppress(DamagedEntry):
                existing = self.load(provenance)
                if existing is not None:
                    return existing
            if folder.is_dir():
                self.discard(provenance)
            else:
                time.sleep(0.2 * (attempt + 1))
        raise OutputError(f"{target}: other processes keep replacing it; run the command again")

    def discard(self, provenance: Provenance) -> None:
        """Remove an entry; moved aside first, so that nobody meets half of it."""
        import tempfile

        folder = self.folder_of(provenance)
        aside = Path(tempfile.mkdtemp(prefix=leftovers.DAMAGED, dir=self.compiled))
        try:
            folder.rename(aside / "entry")
        except FileNotFoundError:
            pass
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def folder_of(self, provenance: Provenance) -> Path:
        """The folder of the entry for `provenance`, which may not exist."""
        # Only the key identifies; the name in front is for people who look, so it is cut to harmless characters.
        name = "".join(c if c.isascii() and (c.isalnum() or c in "_.") else "_" for c in provenance.timm_name)
        return self.compiled / f"{name.strip('.')[:60]}-{provenance.key}"

    def _ref_path(self, request: str) -> Path:
        return self.refs / f"{digest_of_bytes(request.encode(errors='surrogateescape'))}.json"

    def output_claims(self) -> Path:
        """Give the file in which runs claim the outputs that they will write; its folder is made.

        Raises:
            OutputError: it can't be.
        """
        self._make_folder(self.locks)
        return self.locks / "outputs"

    def _make_folder(self, folder: Path) -> None:
        try:
            for part in (self.root, folder):
                part.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(_unwritable(self.root, error)) from error


def _unwritable(root: Path, error: OSError) -> str:
    return f"{root}: can't write the model cache: {error.strerror or error}; set RESNEXT_CACHE to another folder"
