"""The files of `features`: NAME.npy or NAME.npz with the index NAME.jsonl, or NAME.parquet with both in one.

Beside each stands its note, `<file>.run.json`. A new .npy grows in its own place. A file that replaces another, and
.npz and .parquet, which are made of all rows at once, grow as `<file>.part…` and come into their place at the end. The
note says whether a run came to an end: then a later one does its failures again, and moves those that turn out
otherwise; after a kill they stay where they are, so that the run that goes on gives the files of an undisturbed one.

    begin   the parts' note, then the parts
    end     the file as `.new` where it is made of parts; the parts' note says that the run came to an end, from where
            on a later run only ends the moves: no old index; the file; its index; the note; no parts
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from resnext.errors import OutputError, ResnextError, UsageError
from resnext.outputs.done import DoneInputs
from resnext.outputs.places import check_folder
from resnext.outputs.run_note import Settings, check_sidecar, has_ended, sidecar_of, write_sidecar
from resnext.outputs.vectors.bundles import BUNDLES
from resnext.outputs.vectors.gathering import Gathering
from resnext.records import Answer, Failure

FORMATS = ("npy", "npz", "parquet")


@dataclass(frozen=True, slots=True)
class FeatureLayout:
    """What is saved, and where: the names of the arrays, their dtype ("float32", "float16"), file and format."""

    path: Path
    format: str
    arrays: tuple[str, ...]
    dtype: str

    @property
    def index(self) -> Path | None:
        """Where the index stands; a .parquet holds it itself."""
        return None if self.format == "parquet" else self.path.with_suffix(".jsonl")

    @property
    def part(self) -> Path:
        return self.path.with_name(f"{self.path.name}.part")

    def gathering(self, *, in_place: bool) -> Gathering:
        """The files that grow: those of the result themselves, or its parts."""
        name = str(self.path)
        if in_place and self.index is not None:
            return Gathering(name, {self.arrays[0]: self.path}, self.index, self.dtype)
        part = self.part
        arrays = {each: part.with_name(f"{part.name}.{each}.npy") for each in self.arrays}
        return Gathering(name, arrays, part.with_name(f"{part.name}.jsonl"), self.dtype)


class FeatureFile:
    """One `--output FILE` of features. Call `check`, `prepare`, then use it in a `with` block and `write` into it."""

    def __init__(self, layout: FeatureLayout, *, overwrite: bool = False, resume: bool = False) -> None:
        self.layout = layout
        self._name, self._overwrite, self._resume = str(layout.path), overwrite, resume
        self._settings = Settings("", {})
        self._in_place = layout.format == "npy"
        self._files = layout.gathering(in_place=self._in_place)
        self._begun_here = True
        self._ended = False  # whether the note says so of the files that grow
        self._wrote = False

    # -- before the run ----------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Refuse an output that can't be, before a model is loaded for it.

        Raises:
            UsageError: a file exists and nothing was said of that, or it is none of ours.
            OutputError: its folder does not exist or can't be written; a package is not installed.
        """
        path, index = self.layout.path, self.layout.index
        bundle = BUNDLES.get(self.layout.format)
        if bundle is not None:
            bundle.check()
        if path.exists() and not path.is_file():
            raise UsageError(f"{self._name}: is not a regular file; features are saved in one, or with -o - on stdout")
        known = sidecar_of(path).exists() or self._unfinished()
        if index is not None and index.exists() and not known:
            raise UsageError(f"{index}: exists already and is no index of {path.name}; give another name")
        if not (self._overwrite or self._resume):
            if path.exists():
                raise UsageError(f"{self._name}: exists already; give --resume, --overwrite, or another name")
            if index is not None and index.exists():
                raise UsageError(f"{index}: exists already; give --resume, --overwrite, or another name")
            if self._unfinished():
                raise UsageError(
                    f"{self.layout.part}: holds the rows of an unfinished run; give --resume or --overwrite"
                )
        if path.exists() and not os.access(path, os.W_OK | os.R_OK):
            raise OutputError(f"{self._name}: can't write the results: no permission")
        check_folder(self._name, path)

    def prepare(self, settings: Settings | None) -> DoneInputs:
        """Give the inputs that are done already: none, or with `resume` those of the file. Nothing is changed yet.

        Without `settings` it is not asked whether they are those of the file: for a look, not for a run.

        Raises:
            UsageError: it was made with other settings, or not by us.
            OutputError: it can't be read, or another run is writing it.
        """
        self._settings = settings or self._settings
        done = DoneInputs()
        path, part = self.layout.path, self.layout.part
        if not self._resume:
            return done
        with self._errors():
            self._end_moves()
            if self._unfinished():
                self._check(part, settings)
                self._use_parts()
                self._begun_here = False
                self._files.read_back(done, failures_too=True)
            elif path.exists() or (self._in_place and self._files.exists()):
                self._check(path, settings)
                if self._in_place:
                    self._begun_here = False
                    self._ended = has_ended(path)
                    self._files.read_back(done, failures_too=not self._ended)
                else:
                    for name in BUNDLES[self.layout.format].names(path, self.layout.index):
                        done.add(name)
        return done

    def _check(self, path: Path, settings: Settings | None) -> None:
        if settings is not None:
            check_sidecar(path, settings)

    # -- the run -----------------------------------------------------------------------------------------------------

    def __enter__(self) -> "FeatureFile":
        """Begin the files, or make them ready for more.

        Raises:
            OutputError: they can't be written. What stood there is as it was.
        """
        try:
            with self._errors():
                self._open(self.layout.path)
        except BaseException:
            self._files.close()
            raise
        return self

    def write(self, record: Answer | Failure) -> None:
        """Save one record at once.

        Raises:
            OutputError: the disk is full, or whatever else keeps it from its place.
        """
        with self._errors():
            self._files.write(record)
            if self._ended and self._files.changed:  # from here on failures stay where they are
                write_sidecar(self._working, self._settings, ended=False)
                self._ended = False
        self._wrote = True

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Every end but a failing output and a fault of ours is an orderly one: the rows so far become the result."""
        unexpected = isinstance(error, Exception) and not isinstance(error, ResnextError)
        if unexpected or isinstance(error, OutputError):
            with suppress(OSError):
                self._files.trim()
            self._files.close()
            return
        useful = error is None or self._wrote
        with self._errors():
            self._files.trim()
            self._files.sync()
            self._files.close()
            if self._in_place:
                write_sidecar(self.layout.path, self._settings, ended=True)
            elif useful:
                self._put_in_place()
            elif self._begun_here:
                sidecar_of(self._working).unlink()
                self._files.remove()

    # -- steps -------------------------------------------------------------------------------------------------------

    @property
    def _working(self) -> Path:
        """The file whose note is that of the growing ones."""
        return self.layout.path if self._in_place else self.layout.part

    def _open(self, path: Path) -> None:
        if self._begun_here and path.exists():  # its replacement grows beside it
            self._use_parts()
        if self._begun_here:
            sidecar_of(self._working).unlink(missing_ok=True)
            self._files.remove()
            if self._resume and path.exists():
                self._take_apart(path)
            if self._in_place:  # a file without a note would be none of ours; a part without one is rubbish
                write_sidecar(self._working, self._settings, ended=False)
        self._files.begin()
        if not self._ended:
            write_sidecar(self._working, self._settings, ended=False)

    def _use_parts(self) -> None:
        self._in_place, self._files = False, self.layout.gathering(in_place=False)

    def _take_apart(self, path: Path) -> None:
        """Make parts of a finished file, to go on with."""
        self._files.begin()
        for record in BUNDLES[self.layout.format].records(path, self.layout.index, self.layout.arrays):
            self._files.write(record)
        self._files.close()
        self._files.read_back(DoneInputs(), failures_too=False)

    def _put_in_place(self) -> None:
        if self.layout.format != "npy":
            new = self._new()
            try:
                BUNDLES[self.layout.format].make(self._files, new)
            except OSError:
                new.unlink(missing_ok=True)
                raise
        write_sidecar(self.layout.part, self._settings, ended=True)
        self._end_moves()

    def _end_moves(self) -> None:
        """The last steps of a run that came to its end, also when it was killed amid them. Else there are none."""
        path, part, index = self.layout.path, self.layout.part, self.layout.index
        if not has_ended(part):
            return
        parts = self.layout.gathering(in_place=False)
        if index is not None and parts.index.exists():
            index.unlink(missing_ok=True)  # rather no index for a moment than that of other rows
        finished = parts.paths[self.layout.arrays[0]] if self.layout.format == "npy" else self._new()
        if finished.exists():
            finished.replace(path)
        if index is not None and parts.index.exists():
            parts.index.replace(index)
        sidecar_of(part).replace(sidecar_of(path))
        parts.remove()

    def _new(self) -> Path:
        return self.layout.path.with_name(f"{self.layout.path.name}.new")

    def _unfinished(self) -> bool:
        return sidecar_of(self.layout.part).exists() and self.layout.gathering(in_place=False).exists()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(f"{self._name}: can't write the results: {error.strerror or error}") from error
