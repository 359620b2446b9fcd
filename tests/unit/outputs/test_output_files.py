"""A result file killed between any two steps, cut at any byte, failing at any write: nothing lost, nothing twice."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resnext.errors import FailureCode, OutputError, UsageError
from resnext.outputs import Output
from resnext.outputs.results.result_file import ResultFile
from resnext.outputs.results.whole import WHOLE_FORMATS
from resnext.outputs.run_note import Settings, note_of
from resnext.outputs.writers import WRITERS, OutputConfig, format_for
from resnext.records import Classified, Failure, Label, Prediction, Source

SETTINGS = Settings("classify", {"--model": "m", "--top-k": 1})
OTHER = Settings("classify", {"--model": "m", "--top-k": 2})
INPUTS = ["a.jpg", 'b",\n.jpg', os.fsdecode(b"caf\xe9.jpg"), "bad.jpg", "a.jpg", "d.jpg"]
ENDINGS = ["jsonl", "csv", "tsv", "json", "parquet", "jsonl.gz", "csv.gz"]


@pytest.fixture(autouse=True)
def _no_waiting_for_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of runs: what a power cut does is not tested here."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def record_of(file: str) -> Classified | Failure:
    if file == "bad.jpg":
        return Failure(Source(file), FailureCode.EMPTY, "the file is empty")
    return Classified(Source(file), (Prediction(Label(len(file), file, file), 0.5),))


def run(
    path: Path,
    inputs: list[str] = INPUTS,
    *,
    settings: Settings = SETTINGS,
    made: Callable[[str], Classified | Failure] = record_of,
    **options: bool,
) -> list[str]:
    """One run as `classify` does it; gives the inputs that it did."""
    target = ResultFile(path, format_for(path.name), **options)
    target.check()
    done = target.prepare(settings)
    did = []
    config = OutputConfig(model="m", top_k=1)
    with Output(target, lambda stream: WRITERS[target.format](stream, config)) as out:
        for item in done.remaining(Source(file) for file in inputs):
            assert isinstance(item, Source)
            out.write(made(item.file))
            did.append(item.file)
    return did


def content(path: Path) -> list[Any]:
    """The rows, in an order that does not depend on the runs that it took."""
    format = format_for(path.name)
    if format in WHOLE_FORMATS:
        return sorted(data for _, _, data in WHOLE_FORMATS[format].rows(path))
    data = path.read_bytes()
    assert data.endswith(b"\n")
    return sorted(data.splitlines(keepends=True))


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture(params=ENDINGS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "parquet":
        pytest.importorskip("pyarrow")
    return tmp_path / f"out.{request.param}"


@pytest.fixture
def expected(path: Path, tmp_path: Path) -> list[Any]:
    folder = tmp_path / "undisturbed"
    folder.mkdir()
    assert run(folder / path.name) == INPUTS
    return content(folder / path.name)


def test_a_second_run_does_only_what_failed(path: Path, expected: list[Any]) -> None:
    run(path)
    assert run(path, resume=True) == ["bad.jpg"]
    assert content(path) == expected
    healed = [*INPUTS, "new.jpg", "a.jpg"]
    assert run(path, healed, resume=True) == [*("bad.jpg", "new.jpg", "a.jpg")]
    assert len(content(path)) == len(expected) + 2
    assert left(path.parent) == {path.name, f"{path.name}.run.json", "undisturbed"}


class Killed(BaseException):
    """As kill -9: nothing after it runs."""


def killed_at(step: int, monkeypatch: pytest.MonkeyPatch, action: Callable[[], Any]) -> bool:
    """Do `action`, and stop it dead at its nth step that changes the disk; gives whether it came so far."""
    steps = 0
    with monkeypatch.context() as patch:

        def counted(function: Callable[..., Any]) -> Callable[..., Any]:
            def stopped(*arguments: Any, **options: Any) -> Any:
                nonlocal steps
                steps += 1
                if steps > step:
                    raise Killed
                return function(*arguments, **options)

            return stopped

        targets: list[ResultFile] = []
        prepare = ResultFile.prepare
        patch.setattr(ResultFile, "prepare", lambda self, settings: targets.append(self) or prepare(self, settings))
        for name in ("open", "write", "ftruncate", "fsync"):
            patch.setattr(os, name, counted(getattr(os, name)))
        for name in ("replace", "unlink"):
            patch.setattr(Path, name, counted(getattr(Path, name)))
        patch.setattr(Output, "__exit__", lambda self, kind, *rest: REAL_EXIT(self, kind, *rest) if not kind else None)
        try:
            action()
        except Killed:
            return True
        finally:
            for target in targets:
                target._held.close()  # as the kernel does
    return False


REAL_EXIT = Output.__exit__


@pytest.mark.parametrize("begin", ["new", "overwrite", "resume"])
def test_a_kill_between_any_two_steps(
    path: Path, expected: list[Any], begin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in range(200):
        for leftover in path.parent.glob(f"{path.name}*"):
            leftover.unlink()
        options = {}
        if begin == "overwrite":
            run(path, ["old.jpg"], settings=OTHER)
            old = content(path)
            options = {"overwrite": True}
        elif begin == "resume":
            run(path, INPUTS[:4])
            options = {"resume": True}
        killed = killed_at(step, monkeypatch, lambda options=options: run(path, **options))  # type: ignore[misc]
        try:
            run(path, resume=True)
        except UsageError:
            # The new run had not yet begun: the old file, of other settings, stands as it was.
            assert begin == "overwrite" and content(path) == old
            run(path, overwrite=True)
        assert content(path) == expected, step
        assert left(path.parent) == {path.name, f"{path.name}.run.json", "undisturbed"}
        if not killed:
            assert step > 5
            return
    raise AssertionError("it never came to its end")


@pytest.mark.parametrize("ending", ["jsonl", "csv", "tsv"])
def test_a_file_cut_at_any_byte_is_repaired(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out.{ending}"
    run(path)
    whole, expected = path.read_bytes(), content(path)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        run(path, resume=True)
        assert content(path) == expected, length


def test_other_settings_are_refused_in_words(path: Path) -> None:
    run(path)
    before = path.read_bytes()
    with pytest.raises(UsageError, match="--top-k 1, not 2"):
        run(path, resume=True, settings=OTHER)
    with pytest.raises(UsageError, match="resnext classify"):
        run(path, resume=True, settings=Settings("features", SETTINGS.values))
    note_of(path).write_text("{")
    with pytest.raises(UsageError, match="not readable"):
        run(path, resume=True)
    note_of(path).unlink()
    with pytest.raises(UsageError, match=r"there is no out\.[\w.]+\.run\.json beside it"):
        run(path, resume=True)
    assert path.read_bytes() == before


def test_a_file_that_is_not_ours_is_refused_and_kept(path: Path) -> None:
    run(path)
    path.write_bytes(b"precious\n")
    with pytest.raises(UsageError, match="not written by resnext"):
        run(path, resume=True)
    assert path.read_bytes() == b"precious\n"


def test_the_old_file_stays_until_the_new_one_is_complete(path: Path, expected: list[Any]) -> None:
    path.write_bytes(b"precious\n")
    path.chmod(0o640)

    def full_disk(file: str) -> Classified | Failure:
        assert path.read_bytes() == b"precious\n"
        if file == "d.jpg":
            raise OutputError("No space left on device")
        return record_of(file)

    with pytest.raises(OutputError):
        run(path, overwrite=True, made=full_disk)
    assert path.read_bytes() == b"precious\n"
    assert run(path, resume=True) == ["bad.jpg", "d.jpg"]
    assert content(path) == expected
    assert path.stat().st_mode & 0o777 == 0o640


def test_an_interrupt_keeps_the_rows_but_no_rows_replace_nothing(path: Path) -> None:
    class Interrupted(BaseException):
        pass

    def interrupted(at: str) -> Callable[[str], Classified | Failure]:
        def made(file: str) -> Classified | Failure:
            if file == at:
                raise Interrupted
            return record_of(file)

        return made

    run(path, ["old.jpg"])
    before = path.read_bytes()
    with pytest.raises(Interrupted):
        run(path, overwrite=True, made=interrupted("a.jpg"))
    assert path.read_bytes() == before
    with pytest.raises(Interrupted):
        run(path, overwrite=True, made=interrupted("d.jpg"))
    assert len(content(path)) >= 5
    assert run(path, resume=True) == ["bad.jpg", "d.jpg"]


@pytest.mark.parametrize("how", [{}, {"overwrite": True}, {"resume": True}])
def test_what_stands_in_the_place_of_a_note_is_called_what_it_is(path: Path, how: dict[str, bool]) -> None:
    """Without a result beside it nothing is resumed, and --overwrite would not help."""
    note_of(path).write_text("{")
    with pytest.raises(UsageError, match="exists already and can't be read as the note of a run; move it") as refusal:
        run(path, **how)
    assert "resume" not in str(refusal.value) and "overwrite" not in str(refusal.value)
    assert note_of(path).read_text() == "{" and not path.exists()


def test_two_runs_on_one_file_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"

    def second(file: str) -> Classified | Failure:
        with pytest.raises(OutputError, match="another run is writing it"):
            run(path, resume=True)
        return record_of(file)

    run(path, made=second)
    assert len(content(path)) == len(INPUTS)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "real.jsonl", tmp_path / "link.jsonl"
    target.write_text("old\n")
    link.symlink_to(target)
    run(link, overwrite=True)
    assert link.is_symlink() and len(content(target)) == len(INPUTS)


@pytest.mark.parametrize("format", ["table", "template"])
def test_what_can_not_be_read_back_can_not_be_resumed(tmp_path: Path, format: str) -> None:
    with pytest.raises(UsageError, match="--resume"):
        ResultFile(tmp_path / "out.txt", format, resume=True).check()


def test_an_unfinished_run_is_not_thrown_away_unasked(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    with pytest.raises(OutputError):
        run(path, made=lambda file: (_ for _ in ()).throw(OutputError("full")) if file == "d.jpg" else record_of(file))
    assert not path.exists()
    with pytest.raises(UsageError, match="unfinished run"):
        run(path)
    assert run(path, resume=True) == ["bad.jpg", "d.jpg"]
