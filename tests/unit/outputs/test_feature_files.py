"""Features and their index, killed between any two steps and cut at any byte: row and file never drift apart."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnext.errors import FailureCode, InputError, OutputError, UsageError
from resnext.outputs.run_note import Settings, note_of
from resnext.outputs.vectors.feature_file import FeatureFile, FeatureLayout
from resnext.outputs.vectors.parquet import read_vectors
from resnext.pipeline.features_job import checked
from resnext.records import Failure, Features, Source

SETTINGS = Settings("features", {"--model": "m", "--kind": "pooled"})
INPUTS = ["a.jpg", "bad.jpg", os.fsdecode(b"caf\xe9.jpg"), "a.jpg", "bad.jpg", "d.jpg"]
LEVELS = {"npy": ("pooled",), "npz": ("level1", "level2"), "parquet": ("pooled",)}
FORMATS = list(LEVELS)


class Killed(BaseException):
    """What a kill does to a test: nothing after it runs."""


@pytest.fixture(autouse=True)
def _no_waiting_for_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def layout_of(folder: Path, format: str) -> FeatureLayout:
    if format == "parquet":
        pytest.importorskip("pyarrow")
    return FeatureLayout(folder / f"out.{format}", format, LEVELS[format], "float32")


def record_of(name: str, layout: FeatureLayout) -> Features | Failure:
    if name.startswith("bad"):
        return Failure(Source(name), FailureCode.CORRUPT, "broken")
    value = np.arange(3, dtype=np.float32) + len(name)
    return Features(Source(name), {level: value + number for number, level in enumerate(layout.arrays)})


def run(layout: FeatureLayout, inputs: list[str] = INPUTS, settings: Settings = SETTINGS, **options: Any) -> None:
    target = FeatureFile(layout, **options)
    target.check()
    try:
        done = target.prepare(settings)
        with target:
            for source in done.remaining(Source(name) for name in inputs):
                assert isinstance(source, Source)
                target.write(record_of(source.file, layout))
    except Killed:
        target._held.close()  # as the system does for a process that is gone
        raise


def contents(folder: Path) -> dict[str, Any]:
    """All files: arrays bit by bit, rows in their order; failures, which are done again, in any place."""
    return {path.name: content(path) for path in folder.iterdir()}


def content(path: Path) -> Any:
    if path.name.endswith(".run.json"):
        note = json.loads(path.read_bytes())
        return note["command"], note["settings"]
    if path.suffix == ".jsonl":
        lines = path.read_bytes().splitlines(keepends=True)
        return [line for line in lines if b'"ok"' in line], sorted(line for line in lines if b'"ok"' not in line)
    if path.suffix == ".parquet":
        rows = [
            (row["file"], row["file_b64"], row["status"], vector) for row, vector in read_vectors(path, vectors=True)
        ]
        return [(*texts, v.tobytes()) for *texts, v in rows if v is not None], sorted(t for *t, v in rows if v is None)
    return path.read_bytes()


def rows_of(layout: FeatureLayout) -> np.ndarray[Any, Any]:
    found: np.ndarray[Any, Any] = np.load(layout.path, mmap_mode="r")
    return found


def test_each_line_of_the_index_names_its_row(tmp_path: Path) -> None:
    layout = layout_of(tmp_path, "npy")
    run(layout)
    assert layout.index is not None
    lines = [json.loads(line) for line in layout.index.read_bytes().splitlines()]
    assert [line["row"] for line in lines] == [0, None, 1, 2, None, 3]
    assert (lines[1]["error_code"], lines[1]["error"]) == ("corrupt", "broken") and lines[2]["file_b64"]
    assert [row[0] for row in rows_of(layout)] == [len(name) for name in INPUTS if not name.startswith("bad")]
    assert layout.path.stat().st_size == 128 + 4 * 3 * 4


def test_it_can_be_mapped_at_any_moment(tmp_path: Path) -> None:
    layout = layout_of(tmp_path, "npy")
    with FeatureFile(layout) as target:
        for number, name in enumerate(["bad.jpg", *"abc"]):
            assert len(rows_of(layout)) == max(0, number - 1)
            target.write(record_of(name, layout))
    assert rows_of(layout).shape == (3, 3)


@pytest.mark.parametrize("existing", ["nothing", "unended", "replaced"])
@pytest.mark.parametrize("format", FORMATS)
def test_killed_between_any_two_steps_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str, existing: str
) -> None:
    """After every single system call that changes files; then --resume: bit by bit the arrays of one run."""
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    run(layout_of(undisturbed, format))
    expected = contents(undisturbed)
    steps = 0
    while True:
        folder = tmp_path / str(steps)
        folder.mkdir()
        layout = layout_of(folder, format)
        if existing == "replaced":
            run(layout, ["old.jpg"])
        elif existing == "unended":
            kill_after(monkeypatch, 13, lambda layout=layout: run(layout))
        options = {"overwrite": True} if existing == "replaced" else {"resume": True}
        killed = kill_after(monkeypatch, steps, lambda layout=layout, options=options: run(layout, **options))
        if killed:
            for line in lines_of(layout):
                assert line["row"] is None or line["row"] < len(INPUTS)
            if existing == "replaced" and contents(folder).keys() >= expected.keys() and not unfinished(layout):
                run(layout, overwrite=True)  # nothing of the new run was there yet: the old files stand
            else:
                run(layout, resume=True)
        assert contents(folder) == expected, f"after step {steps}"
        if not killed:
            break
        steps += 1
    assert steps > 10


def unfinished(layout: FeatureLayout) -> bool:
    return note_of(layout.part).exists() and any(layout.part.parent.glob(f"{layout.part.name}.*.npy"))


def lines_of(layout: FeatureLayout) -> list[dict[str, Any]]:
    index = layout.index
    if index is None or not index.exists():
        return []
    return [json.loads(line) for line in index.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def kill_after(monkeypatch: pytest.MonkeyPatch, steps: int, action: Callable[[], None]) -> bool:
    """Do something in which the `steps`-th change of a file is the last one; gives whether it came to that."""
    left = [steps]
    with monkeypatch.context() as patched:

        def counted(function: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any, **options: Any) -> Any:
                left[0] -= 1
                if left[0] < 0:
                    raise Killed
                return function(*arguments, **options)

            return call

        for name in ("write", "ftruncate"):
            patched.setattr(os, name, counted(getattr(os, name)))
        for name in ("replace", "unlink"):
            patched.setattr(Path, name, counted(getattr(Path, name)))
        try:
            action()
        except Killed:
            return True
    return False


def test_cut_at_any_byte_both_files_are_repaired(tmp_path: Path) -> None:
    """Also as a power cut leaves them: either file shorter than the other."""
    layout = layout_of(tmp_path, "npy")
    run(layout)
    expected = contents(tmp_path)
    whole = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for name in ("out.npy", "out.npy.jsonl"):
        for size in range(0, len(whole[tmp_path / name]), 7):
            for path, data in whole.items():
                path.write_bytes(data[:size] if path.name == name else data)
            run(layout, resume=True)
            assert contents(tmp_path) == expected, (name, size)


@pytest.mark.parametrize("format", FORMATS)
def test_after_an_end_failures_are_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str) -> None:
    layout = layout_of(tmp_path, format)
    run(layout, INPUTS[:3])
    monkeypatch.setattr(f"{__name__}.record_of", lambda name, layout, real=record_of: real(f"x{name}", layout))
    target = FeatureFile(layout, resume=True)
    done = target.prepare(SETTINGS)
    assert [item.file for item in done.remaining(map(Source, INPUTS[:3])) if isinstance(item, Source)] == ["bad.jpg"]
    with target:
        target.write(Features(Source("bad.jpg"), {name: np.ones(3, np.float32) for name in layout.arrays}))
    again = FeatureFile(layout, resume=True)
    done = again.prepare(SETTINGS)
    with again:
        assert not list(done.remaining(map(Source, INPUTS[:3])))
    if layout.index is not None:
        assert [line["row"] for line in lines_of(layout)] == [0, 1, 2]


def test_a_full_disk_leaves_whole_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = layout_of(tmp_path, "npy")
    real = os.write

    def full(descriptor: int, data: Any) -> int:
        if len(data) == 12 and os.fstat(descriptor).st_size >= 128 + 2 * 12:
            real(descriptor, bytes(data)[:5])
            raise OSError(28, "No space left on device")
        return real(descriptor, data)

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OutputError, match="No space left"):
            run(layout)
    assert rows_of(layout).shape == (2, 3) and layout.path.stat().st_size == 128 + 24
    run(layout, resume=True)
    assert rows_of(layout).shape == (4, 3)


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    layout = layout_of(tmp_path, "npy")
    assert layout.index is not None
    layout.index.write_text('{"file": "a.jpg", "status": "ok", "predictions": []}\n')
    for options in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(UsageError, match="is no index of"):
            run(layout, **options)
    layout.index.unlink()
    np.save(layout.path, np.zeros((2, 3)))
    with pytest.raises(UsageError, match="exists already"):
        run(layout)
    with pytest.raises(UsageError, match="beside it to say how it was made"):
        run(layout, resume=True)


def test_rows_out_of_order_and_foreign_arrays_are_refused(tmp_path: Path) -> None:
    layout = layout_of(tmp_path, "npy")
    run(layout)
    assert layout.index is not None
    index, array = layout.index.read_bytes(), layout.path.read_bytes()
    layout.index.write_bytes(index.replace(b'"row": 1', b'"row": 2'))
    with pytest.raises(UsageError, match="not written by resnext"):
        run(layout, resume=True)
    layout.index.write_bytes(index)
    for damaged in (array.replace(b"<f4", b"<f8"), b"x" * 200, array.replace(b"NUMPY\x01", b"NUMPY\x02")):
        layout.path.write_bytes(damaged)
        with pytest.raises(UsageError, match="not written by resnext"):
            run(layout, resume=True)


def test_other_settings_and_a_second_run_are_refused(tmp_path: Path) -> None:
    layout = layout_of(tmp_path, "npy")
    run(layout)
    other = Settings("features", {"--model": "m", "--kind": "logits"})
    with pytest.raises(UsageError, match="--kind pooled, not logits"):
        run(layout, settings=other, resume=True)
    first = FeatureFile(layout, resume=True)
    first.prepare(SETTINGS)
    with first, pytest.raises(OutputError, match="another run is writing it"):
        FeatureFile(layout, resume=True).prepare(SETTINGS)


def test_numbers_that_are_none_are_failures() -> None:
    ones = np.ones(4, np.float32)
    for array, normalize, dtype, words in (
        (ones * np.nan, False, "float32", "not a finite number"),
        (ones * 0, True, "float32", "zero"),
        (ones * 1e5, False, "float16", "too large for float16"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            checked(array, normalize, dtype)  # type: ignore[arg-type]
        assert caught.value.code == FailureCode.NON_FINITE
    for scale in (1e-38, 1.0, 1e38):
        unit = checked(ones * np.float32(scale), True, "float32")
        np.testing.assert_allclose(unit, 0.5, rtol=1e-6)
    assert checked(ones, True, "float16").dtype == np.float16
