"""What a run finds in the place of its result: a result, an unfinished run, or a file of another program."""

import os
from pathlib import Path

from resnext.errors import OutputError, UsageError
from resnext.outputs.run_note import State, note_of, read_note


class Standing:
    """What is found at `path` and `index`, and as their parts: the files `part_paths` with the note of `part`."""

    def __init__(self, name: str, path: Path, index: Path | None, part: Path, part_paths: list[Path]) -> None:
        self._name, self._path, self._index = name, path, index
        self._part, self._part_paths = part, part_paths

    def check(self, *, overwrite: bool, resume: bool) -> None:
        """Refuse a file that can be neither replaced nor continued.

        Raises:
            UsageError: something exists and nothing was said of that, or is none of ours.
            OutputError: it can't be written.
        """
        path, index = self._path, self._index
        if path.is_dir():
            raise UsageError(f"{self._name}: is a folder; name a file in it")
        known = note_of(path).exists() or note_of(self._part).exists()
        if index is not None and not known and index.exists() and index.stat().st_size:
            raise UsageError(f"{index}: exists already and is no index of {path.name}; give another name")
        if not (overwrite or resume):
            for each in (path, index):
                if each is not None and each.exists():
                    raise UsageError(f"{each}: exists already; give --resume, --overwrite, or another name")
            if self.unfinished():
                raise UsageError(f"{self._part}: holds the rows of an unfinished run; give --resume or --overwrite")
        if not path.exists():
            self._check_note()
        elif not os.access(path, os.W_OK | os.R_OK):
            raise OutputError(f"{self._name}: can't write the results: no permission")

    def _check_note(self) -> None:
        """Refuse to write over a file in the place of the note that is none. Raises UsageError."""
        try:
            read_note(self._path)
        except UsageError as error:
            raise UsageError(
                f"{note_of(self._path)}: exists already and can't be read as the note of a run; move it away, or give"
                " another name"
            ) from error

    def unfinished(self) -> bool:
        """Whether parts hold rows of a run that did not come to its end."""
        return self.parts_state() not in (None, "begun")

    def parts_state(self) -> State | None:
        """What the note of the parts says of them; None where there is none of ours."""
        try:
            note = read_note(self._part)
        except UsageError:
            return None
        return None if note is None else note.state

    def foreign_parts(self) -> list[Path]:
        """Give the files in the place of parts that no run made; a run killed early leaves empty files, and no note."""
        if self.parts_state() is not None:
            return []
        paths = [*self._part_paths, note_of(self._part)]
        return [path for path in paths if path.exists() and path.stat().st_size]

    def check_parts(self) -> None:
        """Refuse to write over files in the place of parts that are no parts. Raises UsageError."""
        for path in self.foreign_parts():
            raise UsageError(f"{path}: exists already and is none of ours; move it away, or give another name")
