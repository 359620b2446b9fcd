"""A compiled graph is kept, imported by the next start, and never believed when it is another's or damaged."""

import shutil
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from resnext.engines import EngineSpec, load_engine
from resnext.engines.openvino import cached_graphs as openvino_blobs
from resnext.engines.openvino import kept, weights_in_place
from resnext.engines.openvino.importing import import_openvino
from resnext.shelf.shelf import ModelRequest, Shelf
from resnext.store import blobs
from resnext.store.entries import read_entry
from resnext.store.store import Store
from support.checkpoints import save_safetensors, seeded_state_dict
from support.program import Heard

PIXELS = np.random.default_rng(3).normal(size=(1, 3, 224, 224)).astype(np.float32)


@pytest.fixture
def spec(bundled_graph: Path, tmp_path: Path) -> EngineSpec:
    """The bundled model's graph in a folder of its own, of which nothing is kept yet."""
    folder = tmp_path / "entry"
    folder.mkdir()
    for name in ("graph.xml", "graph.bin"):
        shutil.copyfile(bundled_graph.with_name(name), folder / name)
    return EngineSpec(folder / "graph.xml", ("logits", "pooled"), precision="fp32", graph_digest="of this graph")


def answer(spec: EngineSpec) -> NDArray[np.float32]:
    """What a new process computes."""
    blobs._read.clear()
    return load_engine(spec).submit(PIXELS).result()["logits"]


def kept_in(spec: EngineSpec) -> list[Path]:
    return sorted(spec.graph.parent.glob("*.blob"))


def test_the_second_start_needs_no_graph_and_answers_the_same(spec: EngineSpec) -> None:
    expected = answer(spec._replace(graph_digest=None))
    assert kept_in(spec) == []
    assert np.array_equal(answer(spec), expected)
    assert len(kept_in(spec)) == 1
    spec.graph.unlink()
    assert np.array_equal(answer(spec), expected)


def test_each_graph_precision_and_processor_has_its_own(spec: EngineSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(spec)
    answer(spec._replace(graph_digest="of another graph"))
    answer(spec._replace(precision="auto"))
    assert len(kept_in(spec)) == 3
    monkeypatch.setattr(kept, "processor_features", lambda: ("another", "processor"))
    answer(spec)
    assert len(kept_in(spec)) == 4


@pytest.mark.parametrize("many", [{"many": True}, {"batch_size": 2}])
def test_only_what_is_tuned_for_one_photo_is_kept(spec: EngineSpec, many: dict[str, Any]) -> None:
    answer(spec._replace(**many))
    assert kept_in(spec) == []


@pytest.mark.parametrize("content", [None, b"nothing that OpenVINO knows" * 99])
def test_what_is_damaged_or_refused_is_made_again(spec: EngineSpec, content: bytes | None) -> None:
    """A flipped bit, and a file that is as it was stored but not what OpenVINO exported."""
    expected = answer(spec)
    (path,) = kept_in(spec)
    if content is None:
        good = path.read_bytes()
        path.write_bytes(good[:5000] + bytes([good[5000] ^ 1]) + good[5001:])
    else:
        kept.kept(spec, whole=False).keep(content)
    assert np.array_equal(answer(spec), expected)
    assert kept_in(spec) == [path]
    spec.graph.unlink()
    assert np.array_equal(answer(spec), expected)


def test_what_answers_otherwise_is_not_kept_and_not_tried_again(
    spec: EngineSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = answer(spec._replace(graph_digest=None))
    monkeypatch.setattr(openvino_blobs, "_agree", lambda found, expected: False)
    assert np.array_equal(answer(spec), expected)
    (path,) = kept_in(spec)
    assert path.stat().st_size == 64
    before = path.stat().st_mtime_ns
    monkeypatch.undo()
    assert np.array_equal(answer(spec), expected)
    assert kept_in(spec) == [path] and path.stat().st_mtime_ns == before


def test_what_can_not_be_exported_is_compiled_each_time(spec: EngineSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise RuntimeError("not implemented")

    expected = answer(spec._replace(graph_digest=None))
    monkeypatch.setattr(openvino_blobs, "_imported", refused)
    for _ in range(2):
        assert np.array_equal(answer(spec), expected)
    assert [path.stat().st_size for path in kept_in(spec)] == [64]


def test_where_nothing_can_be_kept_the_graph_serves(spec: EngineSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs.Blob, "can_be_kept", lambda self, size: False)
    expected = answer(spec._replace(graph_digest=None))
    assert np.array_equal(answer(spec), expected)
    assert kept_in(spec) == []


def test_another_answer_is_told_from_rounding() -> None:
    right = [np.linspace(-3, 3, 1000, dtype=np.float32)]
    assert openvino_blobs._agree([right[0] + np.float32(0.01)], right)
    assert not openvino_blobs._agree([right[0][::-1]], right)
    assert not openvino_blobs._agree([np.roll(right[0], 1)], right)
    assert not openvino_blobs._agree([np.full_like(right[0], np.nan)], right)


# -- kept whole ------------------------------------------------------------------------------------------------------


@pytest.fixture
def resnext50(timm: Any, shared_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Store, Path]:
    """A store with an SSL ResNeXt-50 of random weights, which counts as a large one."""
    if "BF16" not in import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this processor has no bfloat16: no graph is kept whole")
    monkeypatch.setattr(weights_in_place, "_LEAST_BYTES", 1)
    monkeypatch.setattr(kept, "_LARGE_BYTES", 1)
    # The clock says: 100 seconds for the convolutions, one for what is kept whole.
    monkeypatch.setattr(openvino_blobs, "perf_counter", cycle((0, 100, 100, 101)).__next__)
    path = shared_root / "resnext50.safetensors"
    if not path.exists():
        save_safetensors(seeded_state_dict(timm, "resnext50_32x4d.fb_ssl_yfcc100m_ft_in1k"), path)
    return Store(tmp_path / "cache"), path


def classified(store: Store, weights: Path, heard: Heard, *, many: bool = False) -> NDArray[np.float32]:
    """The logits of a seeded crop, as a new process computes them that was given few photos."""
    blobs._read.clear()
    opened = Shelf(heard, store).open(ModelRequest(weights=weights), few=True)
    crops = np.random.default_rng(7).integers(0, 256, (1, 224, 224, 3), np.uint8)
    return opened.load(many).submit(crops).result()["logits"]


def test_a_graph_that_is_kept_whole_needs_no_other_file(resnext50: tuple[Store, Path]) -> None:
    store, weights = resnext50
    heard = Heard()
    first = classified(store, weights, heard)
    (entry,) = store.compiled.iterdir()
    (blob,) = entry.glob("*.blob")
    assert blob.stat().st_size > 40_000_000
    assert heard.lines[-1] == "preparing ssl_resnext50_32x4d for this processor, once"
    exact = Shelf(heard, store).open(ModelRequest(weights=weights, precision="fp32"))
    crops = np.random.default_rng(7).integers(0, 256, (1, 224, 224, 3), np.uint8)
    expected = exact.load(True).submit(crops).result()["logits"]
    assert np.abs(first - expected).max() < 0.1 * expected.std()

    # What only many photos need is not looked at for one, and is found damaged when they come.
    (entry / "graph.bin").write_bytes(b"damaged")
    told = len(heard.lines)
    assert np.array_equal(classified(store, weights, heard), first)
    assert heard.lines[told:] == []
    many = classified(store, weights, heard, many=True)
    assert "damaged" in heard.lines[told] and "compiled" in heard.lines[-1]
    assert np.abs(many - expected).max() < 0.1 * expected.std()


def test_what_is_not_faster_is_not_kept_whole(resnext50: tuple[Store, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    store, weights = resnext50
    monkeypatch.setattr(openvino_blobs, "perf_counter", cycle((0, 1, 1, 3)).__next__)
    first = classified(store, weights, Heard())
    (entry,) = store.compiled.iterdir()
    (blob,) = entry.glob("*.blob")
    assert 64 < blob.stat().st_size < 2_000_000
    assert np.array_equal(classified(store, weights, Heard()), first)


def test_a_damaged_or_refused_whole_one_is_made_again(resnext50: tuple[Store, Path]) -> None:
    store, weights = resnext50
    first = classified(store, weights, Heard())
    (entry,) = store.compiled.iterdir()
    (path,) = entry.glob("*.blob")
    with path.open("r+b") as file:
        file.seek(20_000_000)
        file.write(b"damage")
    assert np.array_equal(classified(store, weights, Heard()), first)

    model, _ = read_entry(entry)
    spec = EngineSpec(model.graph, graph_digest=model.digest)
    kept.kept(spec, whole=True).keep(b"nothing that OpenVINO knows" * 99)
    assert np.array_equal(classified(store, weights, Heard()), first)
    assert path.stat().st_size > 40_000_000
