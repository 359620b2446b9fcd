"""Features on stdout: one .npy, for one step of a pipeline.

The number of rows stands at the front of a .npy and is known at its end: rows gather in a temporary file and are
written when the last one is there.
"""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from resnext.console.terminal import say
from resnext.errors import OutputError, ResnextError, UsageError
from resnext.outputs.done import DoneInputs
from resnext.outputs.places import check_folder
from resnext.outputs.run_note import Settings
from resnext.outputs.stdout import ReaderGone, Stdout
from resnext.outputs.vectors.feature_file import FeatureFile, FeatureLayout
from resnext.records import Answer, Failure

_COPY_BYTES = 1 << 20


class FeatureStream:
    """`-o -`. The index goes to a file of its own, if one was named."""

    def __init__(self, layout: FeatureLayout, index: Path | None, *, overwrite: bool) -> None:
        self.layout, self._index, self._overwrite = layout, index, overwrite
        self._stdout = Stdout("npy")
        self._failures = self._saved = 0

    def check(self) -> None:
        """Refuse an output that can't be.

        Raises:
            UsageError: stdout is a terminal; the index's file exists.
            OutputError: stdout is closed; the index's folder can't be written.
        """
        self._stdout.check()
        if self._stdout.is_terminal:
            raise UsageError("features are no text for a terminal; give --output NAME.npy, or pipe them on")
        if self._index is not None:
            if str(self._index) == "-":
                raise UsageError("--index -: stdout has the features; give --index FILE")
            if self._index.exists() and not self._overwrite:
                raise UsageError(f"{self._index}: exists already; give --overwrite, or --index another name")
            check_folder(str(self._index), self._index)

    def prepare(self, settings: Settings | None) -> DoneInputs:
        """Nothing is done before; see FeatureFile."""
        return DoneInputs()

    def written_paths(self) -> Iterator[tuple[str, Path]]:
        """What a run may write, each file as what it is and its path."""
        if self._index is not None:
            yield "its index", self._index

    def __enter__(self) -> "FeatureStream":
        self._folder = tempfile.TemporaryDirectory(prefix="resnext-")
        self._file = FeatureFile(replace(self.layout, path=Path(self._folder.name, "features.npy")))
        self._file.__enter__()
        return self

    def write(self, record: Answer | Failure) -> None:
        """Keep one record for the end.

        Raises:
            OutputError: the disk of temporary files is full.
        """
        self._failures += isinstance(record, Failure)
        self._saved += not isinstance(record, Failure)
        self._file.write(record)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        with self._folder:
            self._file.__exit__(kind, error, trace)
            if isinstance(error, OutputError) or (isinstance(error, Exception) and not isinstance(error, ResnextError)):
                return
            try:
                self._hand_on()
            except (ReaderGone, OutputError):
                self._stdout.abandon()
                raise

    def _hand_on(self) -> None:
        layout = self._file.layout
        if self._index is not None and layout.index is not None:
            try:
                shutil.copyfile(layout.index, self._index)
            except OSError as error:
                raise OutputError(f"{self._index}: can't write the index: {error.strerror or error}") from error
        elif self._failures:
            say("warning: rows are those of the inputs that worked; --index FILE tells which is whose")
        if not self._saved:
            say("warning: no input worked: nothing is written to stdout")
            return
        with layout.path.open("rb") as file:
            while chunk := file.read(_COPY_BYTES):
                self._stdout.write(chunk)
