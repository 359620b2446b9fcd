"""The store of compiled models: what was stored comes back, and nothing else is ever believed."""

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resnext.errors import DamagedEntry, OutputError
from resnext.records import Label, PreprocessingConfig
from resnext.store import digests
from resnext.store.entries import GRAPH, GRAPH_WEIGHTS, LABELS, CompiledModel, Provenance
from resnext.store.store import Store, cache_root

PROVENANCE = Provenance("resnet18.a1_in1k", "ab" * 32, "1.0.31", "2026.4.1")
OTHER = PROVENANCE._replace(weights_digest="cd" * 32)
PREPROCESSING = PreprocessingConfig((3, 160, 160), "bilinear", 0.95, "center", (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
CLASSES = (Label(0, "cat", "cat, house cat", "n1", "a small feline"), Label(1, "Möwe", "Möwe"))
STORED_FILES = (GRAPH, GRAPH_WEIGHTS, LABELS, "entry.json")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "root")


def put(store: Store, provenance: Provenance = PROVENANCE, graph: bytes = b"<net/>") -> CompiledModel:
    with store.new_folder() as folder:
        (folder / GRAPH).write_bytes(graph)
        (folder / GRAPH_WEIGHTS).write_bytes(bytes(range(256)) * 9000)  # more than one chunk of reading
        draft = CompiledModel(folder, provenance, "file x.pth", "Apache-2.0", PREPROCESSING, {"crop_pct": 0.95}, 2, 512)
        return store.put(folder, draft, CLASSES)


def leftovers(store: Store) -> list[str]:
    """What stands among the entries and is none."""
    return [path.name for path in (store.root / "compiled").iterdir() if path.name.startswith(".")]


# -- what comes back -------------------------------------------------------------------------------------------------


def test_what_was_put_is_loaded(store: Store) -> None:
    assert store.load(PROVENANCE) is None
    assert put(store) == store.load(PROVENANCE)
    loaded = Store(store.root).load(PROVENANCE)
    assert loaded is not None
    assert (loaded.preprocessing, loaded.labels()) == (PREPROCESSING, CLASSES)
    assert (loaded.weights_origin, loaded.licence, loaded.pretrained_cfg) == (
        "file x.pth",
        "Apache-2.0",
        {"crop_pct": 0.95},
    )
    assert (loaded.num_classes, loaded.num_features) == (2, 512)
    assert loaded.graph.read_bytes() == b"<net/>"
    assert store.load(OTHER) is None
    assert leftovers(store) == []


@pytest.mark.parametrize("field", ["timm_name", "weights_digest", "timm_version", "openvino_version", "format_version"])
def test_every_part_of_the_provenance_makes_another_entry(store: Store, field: str) -> None:
    put(store)
    changed = PROVENANCE._replace(**{field: 99 if field == "format_version" else "other"})
    assert changed.key != PROVENANCE.key
    assert store.load(changed) is None
    put(store, changed)
    assert store.load(changed) is not None
    assert store.load(PROVENANCE) is not None


@pytest.mark.parametrize("name", ["../../evil", "/etc/x", "..", "a/b\\c:d", "n" * 500, "Möwe\n"])
def test_no_name_leads_out_of_the_store(store: Store, name: str) -> None:
    folder = put(store, PROVENANCE._replace(timm_name=name)).folder
    assert folder.resolve().parent == (store.root / "compiled").resolve()
    assert store.load(PROVENANCE._replace(timm_name=name)) is not None


def test_the_folders_are_the_users_alone(store: Store) -> None:
    previous = os.umask(0)
    try:
        compiled = put(store)
        store.remember("request", PROVENANCE)
        with store.building(PROVENANCE):
            pass
    finally:
        os.umask(previous)
    folders = [store.root, *(path for path in store.root.rglob("*") if path.is_dir())]
    assert compiled.folder in folders
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}


def test_a_second_put_keeps_the_first(store: Store) -> None:
    first = put(store)
    assert put(store, graph=b"<another/>") == first
    assert first.graph.read_bytes() == b"<net/>"
    assert leftovers(store) == []


def test_a_build_that_fails_leaves_nothing(store: Store) -> None:
    with pytest.raises(RuntimeError), store.new_folder() as folder:
        (folder / GRAPH).write_bytes(b"half")
        raise RuntimeError("out of memory")
    assert list((store.root / "compiled").iterdir()) == []


def test_a_full_disk_is_an_error_of_the_output(store: Store) -> None:
    with pytest.raises(OutputError, match="RESNEXT_CACHE"), store.new_folder():
        raise OSError(28, "No space left on device")


# -- damage ----------------------------------------------------------------------------------------------------------


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 0x01
    path.write_bytes(content)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "first byte": lambda path: flip(path, 0),
    "middle byte": lambda path: flip(path, path.stat().st_size // 2),
    "last byte": lambda path: flip(path, -1),
    "cut by one": lambda path: os.truncate(path, path.stat().st_size - 1),
    "cut in half": lambda path: os.truncate(path, path.stat().st_size // 2),
    "emptied": lambda path: os.truncate(path, 0),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"}"),
    "missing": Path.unlink,
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a link to nothing": lambda path: (path.unlink(), path.symlink_to("nowhere")),
    "a FIFO": lambda path: (path.unlink(), os.mkfifo(path)),
    "a device without end": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
}


@pytest.mark.parametrize("name", STORED_FILES)
@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_told_and_a_new_build_replaces_it(store: Store, name: str, damage: str) -> None:
    DAMAGE[damage](put(store).folder / name)
    with pytest.raises(DamagedEntry):
        store.load(PROVENANCE)
    again = put(store)
    assert store.load(PROVENANCE) == again
    assert again.labels() == CLASSES
    assert leftovers(store) == []


def test_damage_in_any_piece_of_a_large_file_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are checked in pieces, by two threads: none is left out, and none may stand in another's place."""
    piece = 100_000
    monkeypatch.setattr(digests, "_PIECE_BYTES", piece)
    path = put(store).folder / GRAPH_WEIGHTS
    whole = path.read_bytes()
    assert store.load(PROVENANCE) is not None and len(whole) % piece and len(whole) > 20 * piece
    places = range(0, len(whole), piece)
    damaged = [whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :] for place in places]
    damaged += [whole[piece : 2 * piece] + whole[:piece] + whole[2 * piece :], whole[piece:] + whole[:piece]]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(DamagedEntry):
            Store(store.root).load(PROVENANCE)


def test_any_flipped_bit_of_the_metadata_is_told(store: Store) -> None:
    path = put(store).folder / "entry.json"
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 7]) + whole[place + 1 :])
        with pytest.raises(DamagedEntry):
            store.load(PROVENANCE)


@pytest.mark.parametrize(
    "content",
    [b"[]", b"null", b"5", b"{}", b'{"digest": 1, "body": 2}', b"\xff", b"[" * 100_000],
    ids=["list", "null", "number", "object", "wrong parts", "no text", "nested without end"],
)
def test_other_json_in_place_of_the_metadata_is_told(store: Store, content: bytes) -> None:
    (put(store).folder / "entry.json").write_bytes(content)
    with pytest.raises(DamagedEntry):
        store.load(PROVENANCE)


def test_swapped_entries_are_told(store: Store) -> None:
    mine, others = put(store).folder, put(store, OTHER, graph=b"<other/>").folder
    mine.rename(mine.with_name("aside"))
    others.rename(mine)
    mine.with_name("aside").rename(others)
    for provenance in (PROVENANCE, OTHER):
        with pytest.raises(DamagedEntry, match="another model"):
            store.load(provenance)


@pytest.mark.parametrize("obstacle", ["file", "empty folder", "link to nothing", "link to a folder"])
def test_what_stands_in_an_entrys_place_gives_way(store: Store, tmp_path: Path, obstacle: str) -> None:
    place = put(store).folder
    shutil.rmtree(place)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").touch()
    make: dict[str, Callable[[], Any]] = {
        "file": lambda: place.write_bytes(b"x"),
        "empty folder": place.mkdir,
        "link to nothing": lambda: place.symlink_to("nowhere"),
        "link to a folder": lambda: place.symlink_to(tmp_path / "elsewhere"),
    }
    make[obstacle]()
    assert put(store) == store.load(PROVENANCE)
    assert (tmp_path / "elsewhere" / "kept").exists()
    assert leftovers(store) == []


def test_a_cache_that_cannot_be_made_is_an_error_of_the_output(tmp_path: Path) -> None:
    (tmp_path / "root").write_bytes(b"a file")
    store = Store(tmp_path / "root")
    assert store.load(PROVENANCE) is None
    assert store.recall("request") is None
    for write in (
        lambda: put(store),
        lambda: store.remember("request", PROVENANCE),
        lambda: store.building(PROVENANCE).__enter__(),
    ):
        with pytest.raises(OutputError, match="RESNEXT_CACHE"):
            write()


# -- notes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    ["published a", "file x (1, 2) /home/Möwe.pth", "file " + os.fsdecode(b"/caf\xe9.pth")],
    ids=["hub", "path", "path that is not UTF-8"],
)
def test_what_was_remembered_is_recalled(store: Store, request_: str) -> None:
    assert store.recall(request_) is None
    store.remember(request_, PROVENANCE)
    assert store.recall(request_) == PROVENANCE
    store.remember(request_, OTHER)
    assert Store(store.root).recall(request_) == OTHER
    assert store.recall("published b") is None


PARTS = {"timm_name": "m", "weights_digest": "d", "timm_version": "1", "openvino_version": "2"}
NOTE = {"request": "r", "provenance": PARTS}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"r"',
        b"\xff\xfe\x00",
        b"\x00" * 50,
        b"[" * 100_000,
        json.dumps(NOTE | {"request": "another"}).encode(),
        json.dumps(NOTE | {"provenance": None}).encode(),
        json.dumps(NOTE | {"provenance": {"timm_name": "m"}}).encode(),
        json.dumps(NOTE | {"provenance": PARTS | {"more": 1}}).encode(),
        json.dumps(NOTE | {"provenance": dict.fromkeys(PARTS, 5)}).encode(),
    ],
    ids=[
        *("empty", "cut", "null", "list", "text", "no text", "zeros", "nested without end"),
        *("of another request", "without provenance", "part of it", "more than it", "numbers"),
    ],
)
def test_a_garbled_note_is_no_note(store: Store, content: bytes) -> None:
    store.remember("r", PROVENANCE)
    (note,) = (store.root / "refs").iterdir()
    note.write_bytes(content)
    assert store.recall("r") is None
    store.remember("r", OTHER)
    assert store.recall("r") == OTHER


def test_a_fifo_is_no_note_and_holds_nobody_up(store: Store) -> None:
    store.remember("r", PROVENANCE)
    (note,) = store.refs.iterdir()
    note.unlink()
    os.mkfifo(note)
    assert store.recall("r") is None
    store.remember("r", OTHER)
    assert store.recall("r") == OTHER


def test_a_build_sweeps_what_killed_ones_left_long_ago(store: Store) -> None:
    put(store)
    store.remember("r", PROVENANCE)
    for name in (".building-old", ".building-young", ".damaged-young"):
        (store.compiled / name).mkdir()
        (store.compiled / name / GRAPH).touch()
    (store.refs / ".new-old").touch()
    for path in (store.compiled / ".building-old" / GRAPH, store.compiled / ".building-old", store.refs / ".new-old"):
        os.utime(path, (1, 1))
    put(store, OTHER)
    assert leftovers(store) == [".building-young"]
    assert len(list(store.refs.iterdir())) == 1


def test_the_files_are_the_users_alone(store: Store) -> None:
    previous = os.umask(0)
    try:
        folder = put(store).folder
    finally:
        os.umask(previous)
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_an_entry_that_another_process_discards_as_we_put_it_is_taken_from_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where locks do nothing: what we put is thrown away by one who met a damaged entry, and puts its own."""
    load, calls = Store.load, []

    def disturbed(self: Store, provenance: Provenance) -> CompiledModel | None:
        calls.append(provenance)
        if len(calls) == 1:
            self.discard(provenance)
            put(self, graph=b"<theirs/>")
        return load(self, provenance)

    monkeypatch.setattr(Store, "load", disturbed)
    assert put(store).graph.read_bytes() == b"<theirs/>"
    assert leftovers(store) == []


# -- the root --------------------------------------------------------------------------------------------------------


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_root() == tmp_path / "cache"
    monkeypatch.setenv("RESNEXT_CACHE", "~/elsewhere")
    assert cache_root() == tmp_path / "home" / "elsewhere"
    monkeypatch.delenv("RESNEXT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    if os.name == "posix":
        assert cache_root() == tmp_path / "xdg" / "resnext"
