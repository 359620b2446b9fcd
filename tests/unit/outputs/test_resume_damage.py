"""Any bytes in a result file or its note: understood, or refused in our own words with the file left as it is."""

import json
import os
import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resnext.errors import FailureCode, UsageError
from resnext.outputs import Output
from resnext.outputs.results import stored as stored_module
from resnext.outputs.results.result_file import ResultFile
from resnext.outputs.results.whole import WHOLE_FORMATS
from resnext.outputs.run_note import Settings, check_note, note_of, read_note
from resnext.outputs.writers import WRITERS, OutputConfig
from resnext.outputs.writers.rows import exact_name
from resnext.records import Classified, Failure, Label, Prediction, Source

SETTINGS = Settings("classify", {"--model": "m", "--top-k": 1})
NAMES = ["a.jpg", 'b",\n.jpg', os.fsdecode(b"caf\xe9.jpg"), "bad.jpg", "d.jpg", *(f"{n}.jpg" for n in range(20))]
ENDINGS = ["jsonl", "csv", "tsv", "json", "parquet"]


@pytest.fixture(autouse=True)
def _no_waiting_for_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def record_of(name: str) -> Classified | Failure:
    if name == "bad.jpg":
        return Failure(Source(name), FailureCode.EMPTY, "the file is empty")
    return Classified(Source(name), (Prediction(Label(1, name, name), 0.5),))


def run(path: Path, *, resume: bool = False) -> list[str]:
    """One run; gives the names that it did."""
    target = ResultFile(path, path.suffix[1:], resume=resume)
    target.check()
    done = target.prepare(SETTINGS)
    config = OutputConfig(model="m", top_k=1)
    did = []
    with Output(target, lambda stream: WRITERS[target.format](stream, config)) as out:
        for item in done.remaining(Source(name) for name in NAMES):
            assert isinstance(item, Source)
            out.write(record_of(item.file))
            did.append(item.file)
    return did


def names_in(path: Path) -> list[bytes]:
    """The names of the rows that there are."""
    format = path.suffix[1:]
    if format in WHOLE_FORMATS:
        return sorted(name for name, _, _ in WHOLE_FORMATS[format].rows(path))
    with path.open("rb") as stream:
        rows = stored_module.stored_rows(stream, path, format)
        return sorted(row.name for row in rows if row.name is not None)


@pytest.fixture(params=ENDINGS)
def good(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A finished file with its note."""
    if request.param == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"out.{request.param}"
    run(path)
    return path


def refused_or_understood(path: Path) -> bool:
    """Go on with a file; gives whether that was refused, in which case nothing has changed."""
    before = {each: each.read_bytes() for each in (path, note_of(path))}
    try:
        run(path, resume=True)
    except UsageError as error:
        assert str(error).count("\n") == 0
        assert {each: each.read_bytes() for each in (path, note_of(path))} == before
        assert {each.name for each in path.parent.iterdir()} == {path.name, note_of(path).name}
        return True
    found = names_in(path)
    assert set(found) >= {exact_name(name) for name in NAMES}, "an input has no row"
    return False


def mutated(content: bytes, generator: random.Random) -> bytes:
    """Flip, cut out, double, insert or swap some bytes, at one to three places."""
    for _ in range(generator.randint(1, 3)):
        at, length = generator.randrange(len(content) + 1), generator.choice([1, 1, 1, 2, 7, 40])
        piece = content[at : at + length]
        put = [
            bytes(byte ^ 1 << generator.randrange(8) for byte in piece),
            b"",
            piece * 2,
            generator.choice([b'"', b"\n", b"\0", b",", b"\t", b"}", b"[" * 3, b"\r", b"\xff"]) + piece,
            content[generator.randrange(len(content) + 1) :][:length],
        ]
        content = content[:at] + generator.choice(put) + content[at + length :]
    return content


def damage(good: Path, which: Callable[[Path], Path], rounds: int, seed: int) -> tuple[int, int]:
    """Damage one of the files in so many ways; gives how many were refused and understood."""
    whole = {each: each.read_bytes() for each in (good, note_of(good))}
    refused = 0
    for number in range(rounds):
        for path, content in whole.items():
            path.write_bytes(content)
        which(good).write_bytes(mutated(whole[which(good)], random.Random(f"{seed} {number}")))
        try:
            refused += refused_or_understood(good)
        except BaseException:
            print(f"seed {seed}, round {number}: {which(good).read_bytes()!r}")
            raise
    return refused, rounds - refused


def test_a_damaged_file(good: Path) -> None:
    refused, understood = damage(good, lambda path: path, 60, seed=1)
    assert refused and (understood or good.suffix == ".parquet")


def test_a_damaged_note(good: Path) -> None:
    assert damage(good, note_of, 40, seed=2)[0]


@pytest.mark.slow
def test_thousands_of_damaged_files(good: Path, amount: Callable[[int, int], int]) -> None:
    """RESUME_SEED=N damages others."""
    rounds, seed = amount(3000, 100), int(os.environ.get("RESUME_SEED", "3"))
    for which in (lambda path: path, note_of):
        refused, understood = damage(good, which, rounds, seed)
        print(f"{which(good).name}: {refused} refused, {understood} understood, 0 faults")


@pytest.mark.parametrize("good", ["csv"], indirect=True)
def test_a_stray_quote_does_not_swallow_the_rows_behind_it(good: Path) -> None:
    content = good.read_bytes()
    at = content.index(b"\nd.jpg") + 1
    good.write_bytes(content[:at] + b'"' + content[at + 1 :])
    assert refused_or_understood(good)


@pytest.mark.parametrize("good", ["jsonl", "csv"], indirect=True)
def test_an_endless_row_does_not_swallow_what_follows(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_module, "MAX_ROW_BYTES", 2000)
    good.write_bytes(good.read_bytes() + b"x" * 3000 + b"\n" + b"precious\n")
    assert refused_or_understood(good)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    note=st.binary(max_size=80)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["version", "command", "settings", "x"]), inner, max_size=4)
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_a_note_of_any_kind(tmp_path: Path, note: bytes) -> None:
    path = tmp_path / "out.jsonl"
    note_of(path).write_bytes(note)
    with pytest.raises(UsageError):
        check_note(path, read_note(path), SETTINGS)


@pytest.mark.parametrize("note", [b"[" * 100_000, b'{"version": 1' + b"0" * 5000 + b"}", b" " * (2 << 20), b"\xff"])
def test_a_note_that_is_none(tmp_path: Path, note: bytes) -> None:
    path = tmp_path / "out.jsonl"
    note_of(path).write_bytes(note)
    with pytest.raises(UsageError, match="not readable"):
        check_note(path, read_note(path), SETTINGS)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_note_that_would_block_or_never_end(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    for make in (lambda note: os.mkfifo(note), lambda note: note.symlink_to("/dev/zero"), lambda note: note.mkdir()):
        make(note_of(path))
        outcome: list[object] = []

        def check(outcome: list[object] = outcome) -> None:
            try:
                check_note(path, read_note(path), SETTINGS)
            except UsageError as error:
                outcome.append(error)

        thread = threading.Thread(target=check, daemon=True)
        thread.start()
        thread.join(20)
        assert len(outcome) == 1
        note_of(path).rmdir() if note_of(path).is_dir() else note_of(path).unlink()


@pytest.mark.parametrize("good", ["csv"], indirect=True)
def test_nor_does_it_where_the_header_is_damaged_too(good: Path) -> None:
    """Round 2779 of seed 3: rows behind the quote have one cell more than the header."""
    content = mutated(good.read_bytes(), random.Random("3 2779"))
    good.write_bytes(content)
    assert refused_or_understood(good)
