"""The life of a result: created, continued after any interruption, and after every failure whole or as it was.

Beside `FILE` stands its note, `FILE.run.json`; features have an index, `FILE.jsonl`, too. A new file to which rows can
be added grows in its own place. Where a file is to be replaced, and where the format is made of all rows at once, rows
go into parts, `FILE.part...`, which have a note of their own, and `FILE` comes into its place at the end, whole. The
order of the steps is such that a kill between any two of them leaves something that `--resume` understands:

    begin   the parts, empty and locked, then their note. While an old file is unfolded into them it says that they
            hold nothing yet ("begun"), then that they grow. What stands there without a note is none of ours.
    end     the file under another name where it is made of parts; the parts' note says "ended", from where on a later
            run only ends the moves: no old index; the file; its index; no parts; the note

What failed, and a file that changed since, is done again: its row is taken out before the first new one is written.
"""

import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from resnext.errors import OutputError
from resnext.outputs.done import DoneInputs
from resnext.outputs.places import HeldFiles, check_folder, temporary_of
from resnext.outputs.results.growing_rows import Growing
from resnext.outputs.results.standing import Standing
from resnext.outputs.run_note import RunNote, Settings, State, check_note, note_of, read_note, write_note
from resnext.outputs.stdout import ReaderGone


class Result(ABC):
    """One `--output FILE`. Call `check`, `prepare`, `begin`; add records; at the end `end` or `abandon`."""

    earlier_versions: tuple[int, ...] = ()  # of notes that are understood

    def __init__(
        self, name: str, path: Path, index: Path | None, in_place: Growing | None, parts: Growing,
        *, overwrite: bool, resume: bool,
    ) -> None:  # fmt: skip
        self.name, self.path, self.index = name, path, index
        self.part = path.with_name(f"{path.name}.part")
        self.in_place, self.parts = in_place, parts
        self.overwrite, self.resume = overwrite, resume
        self.growing: Growing | None = None  # what the run adds to, once that is known
        self._standing = Standing(name, path, index, self.part, parts.paths)
        self._held = HeldFiles(name)
        self._note = RunNote(Settings("", {}))
        self._since = 0.0
        self._moves_due = self._goes_on = self._begun_here = False

    # -- what differs ------------------------------------------------------------------------------------------------

    @abstractmethod
    def stored(self) -> Iterator[tuple[bytes, bool]]:
        """Name and "has an answer" of all rows of a finished file that can't grow; raises UsageError if not ours."""

    @abstractmethod
    def logged(self, path: Path) -> Iterator[tuple[bytes, bool]]:
        """The same of the last file of complete parts."""

    @abstractmethod
    def unfold(self, done: DoneInputs) -> None:
        """Make parts, which are open and empty, of those rows of the finished file that stay."""

    @abstractmethod
    def finish(self, target: Path) -> None:
        """Make the file of closed parts, where it is none of them; raises OSError."""

    @abstractmethod
    def understand(self, note: RunNote) -> None:
        """Learn from a note what an earlier version did otherwise."""

    # -- before the run ----------------------------------------------------------------------------------------------

    def written_paths(self) -> Iterator[tuple[str, Path]]:
        """What a run may write, each file as what it is and its path."""
        yield "the output", self.path
        if self.index is not None:
            yield "its index", self.index
        for path in self.parts.paths:
            yield f"the output's part {path.name}", path
        for path in (self.path, self.part):
            yield f"the note {note_of(path).name}", note_of(path)

    def check(self) -> None:
        """Refuse an output that can't be, before a model is loaded for it.

        Raises:
            UsageError: the file exists and nothing was said of that, or what stands in the way is none of ours.
            OutputError: its folder does not exist or can't be written.
        """
        with self._errors():
            check_folder(self.name, self.path)
            self._standing.check(overwrite=self.overwrite, resume=self.resume)
            if self.in_place is None or (self.path.exists() and self.overwrite):
                self._standing.check_parts()

    def prepare(self, settings: Settings | None) -> DoneInputs:
        """Give the inputs that are done already: none, or with `resume` those of the file. Nothing is changed yet.

        Other runs are kept off from here on. Without `settings` they are not, and it is not asked whether the file was
        made with the same: for a look, not for a run.

        Raises:
            UsageError: it was made with other settings, or not by us.
            OutputError: it can't be read, or another run is writing it.
        """
        done = DoneInputs()
        try:
            with self._errors():
                if settings is not None:
                    self._note = RunNote(settings, began=time.time())
                    self._hold()
                if self.resume:
                    self._find(done, settings)
                return done
        except BaseException:
            self._held.close()
            raise

    def _hold(self) -> None:
        own = [] if self.in_place is None else self.in_place.paths
        foreign = self._standing.foreign_parts()
        for path in dict.fromkeys([self.path, *own, *self.parts.paths]):
            if path not in foreign:
                self._held.take(path)

    def _find(self, done: DoneInputs, settings: Settings | None) -> None:
        note = read_note(self.part)
        if note is not None and note.state != "begun":
            self._accept(done, note, self.part, settings)
            self._moves_due = note.state == "ended"
            if not self._moves_due:
                self.growing = self.parts
                self.parts.read_back(done)
                return
            if self.parts.paths[-1].exists():
                done.add_all(self.logged(self.parts.paths[-1]))
                return
        elif self._finished():
            self._accept(done, read_note(self.path), self.path, settings)
        if self._finished():
            self._read_finished(done)

    def _accept(self, done: DoneInputs, note: RunNote | None, path: Path, settings: Settings | None) -> None:
        if settings is not None:
            note = check_note(path, note, settings, versions=self.earlier_versions)
        if note is not None:
            self.understand(note)
            self._since = done.since = note.began

    def _read_finished(self, done: DoneInputs) -> None:
        self._goes_on = True
        if self.in_place is not None:
            self.in_place.read_back(done)
        else:
            done.add_all(self.stored())

    def _finished(self) -> bool:
        """Whether there is a result; a file whose run was killed at once has neither rows nor a note."""
        if self.in_place is not None and not note_of(self.path).exists():
            return self.in_place.holds_rows()
        return self.path.exists() or (self.index is not None and self.index.exists())

    # -- the run -----------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Create the files, or prepare them for more rows.

        Raises:
            OutputError: they can't be written. What stood there is as it was.
        """
        try:
            with self._errors():
                self._begin()
        except BaseException:
            self._let_go()
            raise

    def _begin(self) -> None:
        if self._moves_due:
            self._end_moves()
            self._held.close()  # they are other files now
            self._hold()
            self._read_finished(DoneInputs(self._since))
        if self.growing is self.parts:
            self.parts.begin(self._held)
            self._write_note(self.part, "growing")
        elif self._goes_on and self.in_place is not None and not self.in_place.must_unfold:
            self._grow(self.in_place)
            self._write_note(self.path, "growing")
        elif self.in_place is None or self._finished():
            self._begin_parts(unfold=self._goes_on)
        else:
            for path in self.in_place.paths:
                self._held.descriptor(path)
            self._write_note(self.path, "growing")
            self._grow(self.in_place)

    def _grow(self, growing: Growing) -> None:
        self.growing = growing
        if growing is not self.parts and self._standing.parts_state() == "begun":
            self._discard_parts()  # their run was killed before they held anything
        growing.begin(self._held)

    def _begin_parts(self, *, unfold: bool) -> None:
        self._standing.check_parts()
        self._begun_here = True
        stale = self.parts.holds_rows()
        for path in self.parts.paths:
            self._held.descriptor(path)
            with suppress(FileNotFoundError):
                shutil.copymode(self.path, path)
        self._write_note(self.part, "begun" if unfold or stale else "growing")
        self._grow(self.parts)
        if unfold:
            self.unfold(DoneInputs(self._since))
        if unfold or stale:
            self._write_note(self.part, "growing")

    def end(self, *, useful: bool = True) -> None:
        """Every orderly end: the records that there are become the result. A run that is not `useful` changes nothing.

        Raises:
            OutputError: it can't be written. What stood there is as it was.
        """
        try:
            with self._errors():
                assert self.growing is not None
                self.growing.trim()
                self.growing.sync()
                if self.growing is self.parts:
                    if useful:
                        self._put_in_place()
                    elif self._begun_here:
                        self._discard_parts()
        finally:
            self._let_go()

    def abandon(self) -> None:
        """End a run whose output failed: whole records stay in their files, an old file is unchanged."""
        with suppress(OSError):
            if self.growing is not None:
                self.growing.trim()
        self._let_go()

    def _let_go(self) -> None:
        self.growing = None  # its descriptors may be those of other files from here on
        self._held.close()

    # -- steps -------------------------------------------------------------------------------------------------------

    def _put_in_place(self) -> None:
        if self.in_place is None:
            new = temporary_of(self.path)
            try:
                self.finish(new)
                with suppress(FileNotFoundError):
                    shutil.copymode(self.parts.paths[-1], new)
            except OSError:
                new.unlink(missing_ok=True)
                raise
        self._write_note(self.part, "ended")
        self._end_moves()

    def _end_moves(self) -> None:
        """The last steps of a run that came to its end, also when it was killed amid them."""
        parts = self.parts.paths
        if self.index is not None and parts[-1].exists():
            self.index.unlink(missing_ok=True)  # rather no index for a moment than that of other rows
        finished = parts[0] if self.in_place is not None else temporary_of(self.path)
        if finished.exists():
            finished.replace(self.path)
        if self.index is not None and parts[-1].exists():
            parts[-1].replace(self.index)
        self.parts.remove()
        note_of(self.part).replace(note_of(self.path))

    def _discard_parts(self) -> None:
        self._write_note(self.part, "begun")  # they hold nothing any more
        self.parts.remove()
        note_of(self.part).unlink()

    def _write_note(self, path: Path, state: State) -> None:
        write_note(path, self._note._replace(state=state))

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError as error:
            raise ReaderGone from error
        except OSError as error:
            message = f"{self.name}: can't write the results: {error.strerror or error}"
            if self.growing is self.parts and self._standing.unfinished():
                message += f"; the rows so far are in {self.part.name}, --resume goes on with them"
            raise OutputError(message) from error
