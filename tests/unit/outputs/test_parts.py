"""The folder of parts and its manifest: whole files, refusals, records."""

import json
import pickle
from pathlib import Path

import pytest

from resnext.errors import OutputError, UsageError
from resnext.outputs.parts import open_folder
from resnext.outputs.parts.folder import PartFolder
from resnext.outputs.parts.manifest import (
    Manifest,
    PartRecord,
    check_folder,
    check_settings,
    clear,
    read_manifest,
    read_record,
    sweep,
)
from resnext.outputs.run_note import Settings

SETTINGS = Settings("classify", {"--model": "lite0", "weights": "sha256:12", "--top-k": 5})


@pytest.fixture(params=["folder", "store"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> PartFolder:
    if request.param == "store":
        pytest.importorskip("fsspec")
        return open_folder(f"memory://{tmp_path}/out/")
    return open_folder(f"{tmp_path}/out/")


def test_files_come_whole_and_go(folder: PartFolder, tmp_path: Path) -> None:
    folder.make()
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(b"rows")
    folder.put("part-00000.jsonl", source)
    folder.write("_parts/part-00000.json", b"{}")
    there = pickle.loads(pickle.dumps(folder))
    assert there.name == folder.name and there.read("part-00000.jsonl") == b"rows" and there.read("gone") is None
    assert folder.get("part-00000.jsonl", back) and back.read_bytes() == b"rows"
    assert not folder.get("gone", back)
    assert set(folder.names()) == {"part-00000.jsonl", "_parts"} and list(folder.names("_parts")) == ["part-00000.json"]
    folder.remove("part-00000.jsonl")
    folder.remove("part-00000.jsonl")
    assert set(folder.names()) == {"_parts"}


def test_a_result_is_neither_mixed_nor_replaced_unasked(folder: PartFolder) -> None:
    assert check_folder(folder, overwrite=False, resume=True) is None, "nothing to go on with"
    folder.make()
    Manifest(SETTINGS, 100).write(folder)
    with pytest.raises(UsageError, match="exists already; give --resume, --overwrite"):
        check_folder(folder, overwrite=False, resume=False)
    found = check_folder(folder, overwrite=False, resume=True)
    assert found == Manifest(SETTINGS, 100)
    check_settings(folder, found, Manifest(SETTINGS, 100))
    other = Settings("classify", SETTINGS.values | {"--top-k": 1, "weights": "sha256:99"})
    with pytest.raises(UsageError, match=r"other weights; --top-k 5, not 1; --shard-size 100, not 50"):
        check_settings(folder, found, Manifest(other, 50))
    with pytest.raises(UsageError, match="made by 'resnext classify'"):
        check_settings(folder, found, Manifest(Settings("features", {}), 100))
    assert check_folder(folder, overwrite=True, resume=False) is None
    folder.write("notes.txt", b"mine")
    with pytest.raises(UsageError, match=r"also holds notes\.txt"):
        check_folder(folder, overwrite=True, resume=False)
    folder.remove("_manifest.json")
    with pytest.raises(UsageError, match=r"holds notes\.txt and is no result of a cluster"):
        check_folder(folder, overwrite=False, resume=True)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"version": 9, "settings": {}, "command": "classify"}', b"\xff"]
)
def test_what_is_no_manifest_is_refused(folder: PartFolder, content: bytes) -> None:
    folder.make()
    folder.write("_manifest.json", content)
    with pytest.raises(UsageError, match=r"its _manifest\.json"):
        read_manifest(folder)


def test_records_tell_of_finished_parts_and_go_with_them(folder: PartFolder, tmp_path: Path) -> None:
    folder.make()
    for number in range(3):
        (tmp_path / "rows").write_text("rows")
        folder.put(f"part-0000{number}.npy", tmp_path / "rows")
        folder.put(f"part-0000{number}.npy.jsonl", tmp_path / "rows")
        PartRecord("ab", 10, 1, 5.0).write(folder, f"part-0000{number}")
    assert read_record(folder, "part-00001") == PartRecord("ab", 10, 1, 5.0)
    folder.write("_parts/part-00001.json", json.dumps({"digest": "ab"}).encode())
    assert read_record(folder, "part-00001") is None and read_record(folder, "part-00009") is None
    folder.write(".part-00001.npy.host-12.resnext", b"half")
    sweep(folder)
    clear(folder, 1)
    assert set(folder.names()) == {"part-00000.npy", "part-00000.npy.jsonl", "_parts"}
    assert list(folder.names("_parts")) == ["part-00000.json"]


def test_a_folder_that_can_not_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="is a file"):
        open_folder(f"{tmp_path}/file").make()
    with pytest.raises(OutputError, match="can't write the results"):
        open_folder("/proc/out").make()


def test_a_store_that_can_not_be_is_one_line_without_secrets() -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(OutputError) as raised:
        open_folder("nosuch://user:secret@bucket/x")
    assert "nosuch://***@bucket/x" in str(raised.value) and "\n" not in str(raised.value)
