"""The files of `features`: NAME.npy or NAME.npz with the index NAME.npy.jsonl, or NAME.parquet with both in one.

How they begin, go on and end is said in results/result.py; here is what they are made of.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from resnext.errors import OutputError, ResnextError, UsageError
from resnext.outputs.done import DoneInputs
from resnext.outputs.results.result import Result
from resnext.outputs.run_note import RunNote
from resnext.outputs.vectors.bundles import BUNDLES
from resnext.outputs.vectors.gathering import Gathering, gone
from resnext.outputs.vectors.index import index_rows, of_today
from resnext.outputs.writers.rows import exact_name
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
        """The path of the index; a .parquet holds its index itself."""
        return None if self.format == "parquet" else self.path.with_name(f"{self.path.name}.jsonl")

    @property
    def part(self) -> Path:
        return self.path.with_name(f"{self.path.name}.part")

    def in_place(self) -> Gathering | None:
        """The files of the result, where they themselves grow."""
        if self.format != "npy" or self.index is None:
            return None
        return Gathering({self.arrays[0]: self.path}, self.index, self.dtype, unfolds=True)

    def parts(self) -> Gathering:
        part = self.part
        arrays = {each: part.with_name(f"{part.name}.{each}.npy") for each in self.arrays}
        return Gathering(arrays, part.with_name(f"{part.name}.jsonl"), self.dtype, unfolds=False)


class FeatureFile(Result):
    """One `--output FILE` of features. Call `check`, `prepare`, then use it in a `with` block and `write` into it."""

    earlier_versions = (1,)

    def __init__(self, layout: FeatureLayout, *, overwrite: bool = False, resume: bool = False) -> None:
        self.layout = layout
        self._bundle = BUNDLES[layout.format]
        self._gatherings = layout.in_place(), layout.parts()
        in_place, parts = self._gatherings
        super().__init__(
            str(layout.path), layout.path, layout.index, in_place, parts, overwrite=overwrite, resume=resume
        )
        self._old_index: Path | None = None
        self._wrote = False

    def check(self) -> None:
        """Refuse an output that can't be, before a model is loaded for it; raises as Result.check."""
        self._bundle.check()
        if self.path.exists() and not self.path.is_file() and not self.path.is_dir():
            raise UsageError(f"{self.name}: is not a regular file; features are saved in one, or with -o - on stdout")
        super().check()

    def understand(self, note: RunNote) -> None:
        """Notes of version 1 belong to an index of another form, which had the name that a file of rows has now."""
        if note.version != 1 or self.index is None:
            return
        old = self.path.with_suffix(".jsonl")
        self._old_index = old if old.exists() and not self.index.exists() else None
        for each in self._gatherings:
            if each is not None:
                each.index.convert = of_today
        in_place, _ = self._gatherings
        if in_place is not None:
            in_place.index.old_path = self._old_index

    def stored(self) -> Iterator[tuple[bytes, bool]]:
        index = self._old_index or self.index
        if index is None:
            return ((name, True) for name in self._bundle.names(self.path))
        if not (self.path.exists() and index.exists()):
            raise gone(*((index, self.path) if self.path.exists() else (self.path, index)))
        return self.logged(index)

    def logged(self, path: Path) -> Iterator[tuple[bytes, bool]]:
        with path.open("rb") as stream:
            for row in index_rows(stream, path):
                assert row.name is not None
                yield row.name, row.ok

    def unfold(self, done: DoneInputs) -> None:
        _, parts = self._gatherings
        for record in self._bundle.records(self.path, self._old_index or self.index, self.layout.arrays):
            if done.add(exact_name(record.source.file)):
                parts.write(record)

    def finish(self, target: Path) -> None:
        _, parts = self._gatherings
        self._bundle.make(parts, target)

    def __enter__(self) -> "FeatureFile":
        """Open the files; raises as Result.begin."""
        self.begin()
        return self

    def write(self, record: Answer | Failure) -> None:
        """Save one record at once.

        Raises:
            OutputError: the disk is full, or whatever else keeps it from its place.
        """
        with self._errors():
            assert isinstance(self.growing, Gathering)
            self.growing.write(record)
        self._wrote = True

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Every end but a failing output and a fault of ours is an orderly one: the rows so far become the result."""
        unexpected = isinstance(error, Exception) and not isinstance(error, ResnextError)
        if unexpected or isinstance(error, OutputError):
            self.abandon()
            return
        self.end(useful=error is None or self._wrote)
        if self._old_index is not None:
            self._old_index.unlink(missing_ok=True)
