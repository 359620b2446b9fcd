"""A compiled graph is cached, imported by the next start, and never believed when it is another's or damaged."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from resnext.engines import EngineSpec, load_engine
from resnext.engines.openvino import cached_graph, engine, weights_in_place
from resnext.engines.openvino.cached_graph import CachedGraph
from resnext.engines.openvino.importing import NodeMaker, new_core
from resnext.engines.openvino.processor import Processor
from resnext.errors import DamagedEntry
from resnext.shelf.shelf import ModelRequest, Shelf
from resnext.store.store import Store
from support.checkpoints import save_safetensors, seeded_state_dict
from support.program import Heard
from support.residual import Residual

PIXELS = np.random.default_rng(3).normal(size=(1, 3, 224, 224)).astype(np.float32)


@pytest.fixture
def spec(bundled_graph: Path, tmp_path: Path) -> EngineSpec:
    """The bundled model's graph in a folder of its own, of which nothing is cached yet."""
    folder = tmp_path / "entry"
    folder.mkdir()
    for name in ("graph.xml", "graph.bin"):
        shutil.copyfile(bundled_graph.with_name(name), folder / name)
    return EngineSpec(folder / "graph.xml", ("logits", "pooled"), precision="fp32", graph_digest="of this graph")


def answer(spec: EngineSpec) -> NDArray[np.float32]:
    """What a new process computes."""
    return load_engine(spec).submit(PIXELS).result()["logits"]


def cached_in(spec: EngineSpec) -> list[Path]:
    return sorted(spec.graph.parent.glob("*.blob"))


def test_the_second_start_needs_no_graph_and_answers_the_same(spec: EngineSpec) -> None:
    expected = answer(spec._replace(graph_digest=None))
    assert cached_in(spec) == []
    assert np.array_equal(answer(spec), expected)
    assert len(cached_in(spec)) == 1
    spec.graph.unlink()
    assert np.array_equal(answer(spec), expected)


def test_each_graph_precision_and_processor_has_its_own(spec: EngineSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(spec)
    answer(spec._replace(graph_digest="of another graph"))
    answer(spec._replace(precision="auto"))
    assert len(cached_in(spec)) == 3
    monkeypatch.setattr(cached_graph, "this_processor", lambda: Processor("another", ("avx9",)))
    answer(spec)
    assert len(cached_in(spec)) == 4


@pytest.mark.parametrize("many", [{"tuning": "throughput"}, {"batch_size": 2}])
def test_only_what_is_tuned_for_one_photo_is_cached(spec: EngineSpec, many: dict[str, Any]) -> None:
    answer(spec._replace(**many))
    assert cached_in(spec) == []


def test_what_is_damaged_is_made_again(spec: EngineSpec) -> None:
    expected = answer(spec)
    (path,) = cached_in(spec)
    good = path.read_bytes()
    for damaged in (good[:5000] + bytes([good[5000] ^ 1]) + good[5001:], good[:-1], b""):
        path.write_bytes(damaged)
        assert np.array_equal(answer(spec), expected)
        assert cached_in(spec) == [path] and len(path.read_bytes()) == len(good)
    spec.graph.unlink()
    assert np.array_equal(answer(spec), expected)


class Core:
    """OpenVINO's core, but for how it imports: as another build of it might."""

    def __init__(self, import_model: Callable[..., Any]) -> None:
        self._core = new_core()
        self.compile_model, self.read_model = self._core.compile_model, self._core.read_model
        self.import_model = import_model


def computed(spec: EngineSpec, core: Any) -> NDArray[np.float32]:
    """The logits of a new process with this core."""

    def graph() -> Any:
        model = core.read_model(spec.graph)
        model.reshape([1, 3, 224, 224])
        return model

    config = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    loaded = CachedGraph(spec).load(core, graph, config, in_bf16=False)
    return np.array(loaded.compiled(PIXELS)[0])


def refused(*_: Any) -> Any:
    raise RuntimeError("not implemented")


def doubled(spec: EngineSpec) -> Callable[..., Any]:
    """Imports what computes with twice the pixels."""
    core, make = new_core(), NodeMaker()
    model = core.read_model(spec.graph)
    model.reshape([1, 3, 224, 224])
    pixels = model.get_parameters()[0]
    readers = pixels.output(0).get_target_inputs()
    twice = make("Multiply", pixels, np.float32(2))
    for reader in readers:
        reader.replace_source_output(twice.output(0))
    model.validate_nodes_and_infer_types()
    return lambda *_: core.compile_model(model, "CPU")


def test_what_answers_otherwise_or_is_refused_is_not_cached_and_not_tried_again(spec: EngineSpec) -> None:
    expected = answer(spec._replace(graph_digest=None))
    for imported in (doubled(spec), refused):
        assert np.array_equal(computed(spec, Core(imported)), expected)
        (path,) = cached_in(spec)
        assert path.stat().st_size == 64
        before = path.stat().st_mtime_ns
        assert np.array_equal(answer(spec), expected)
        assert cached_in(spec) == [path] and path.stat().st_mtime_ns == before
        path.unlink()


def test_what_the_next_openvino_refuses_is_made_again(spec: EngineSpec) -> None:
    expected = answer(spec)
    (path,) = cached_in(spec)
    assert np.array_equal(computed(spec, Core(refused)), expected)
    assert path.stat().st_size == 64


def test_where_nothing_can_be_written_the_graph_serves(spec: EngineSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil.disk_usage("/")._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    expected = answer(spec._replace(graph_digest=None))
    assert np.array_equal(answer(spec), expected)
    assert cached_in(spec) == []


# -- with its weights ------------------------------------------------------------------------------------------------


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor with bfloat16, where small networks count as large ones.

    Where it has none it computes the same graph in float32, its weights rounded.
    """
    monkeypatch.setattr(engine, "in_bf16", lambda core, precision: precision != "fp32")
    monkeypatch.setattr(weights_in_place, "LEAST_BYTES", 1)
    monkeypatch.setattr(cached_graph, "LARGE_BYTES", 1)


@pytest.fixture
def residual(tmp_path: Path) -> EngineSpec:
    """A residual network in a folder of its own."""
    return EngineSpec(Residual().save(tmp_path), graph_digest="of this graph")


def seen(spec: EngineSpec) -> NDArray[np.float32]:
    """What a new process computes with a residual network."""
    photo = np.random.default_rng(1).normal(size=(1, 3, 16, 16)).astype(np.float32)
    return load_engine(spec).submit(photo).result()["logits"]


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize(
    ("precision", "least", "whole"), [("auto", 1, True), ("fp32", 1, False), ("auto", 64 << 20, False)]
)
def test_whether_the_weights_are_cached_depends_on_what_they_weigh_and_on_the_processor(
    residual: EngineSpec, monkeypatch: pytest.MonkeyPatch, precision: Any, least: int, whole: bool
) -> None:
    monkeypatch.setattr(weights_in_place, "LEAST_BYTES", least)
    spec = residual._replace(precision=precision)
    first = seen(spec)
    (path,) = cached_in(spec)
    assert (path.stat().st_size > 500_000) == whole
    assert (CachedGraph(spec).whole is not None) == whole
    for name in ("graph.xml", *(["graph.bin"] if whole else [])):
        spec.graph.with_name(name).unlink()
    assert np.array_equal(seen(spec), first)


@pytest.mark.usefixtures("large")
def test_a_damaged_one_with_weights_is_made_again(residual: EngineSpec) -> None:
    first = seen(residual)
    (path,) = cached_in(residual)
    good = path.read_bytes()
    path.write_bytes(good[:300_000] + b"damage" + good[300_006:])
    assert np.array_equal(seen(residual), first)
    assert path.stat().st_size == len(good)


@pytest.mark.usefixtures("large")
def test_one_with_weights_that_openvino_refuses_is_removed_before_anybody_else_sees_it(
    residual: EngineSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen(residual)
    (path,) = cached_in(residual)
    monkeypatch.setattr(engine, "new_core", lambda: Core(refused))
    with pytest.raises(DamagedEntry, match="OpenVINO refuses it"):
        seen(residual)
    assert not path.exists()


def classified(store: Store, weights: Path, heard: Heard, *, tuning: Any = "latency") -> NDArray[np.float32]:
    """The logits of a seeded crop, as a new process computes them that was given few photos."""
    opened = Shelf(heard, store).open(ModelRequest(weights=weights), few=True)
    crops = np.random.default_rng(7).integers(0, 256, (1, 224, 224, 3), np.uint8)
    return opened.load(tuning).submit(crops).result()["logits"]


@pytest.mark.usefixtures("large")
def test_a_graph_that_is_cached_with_its_weights_needs_no_other_file(
    timm: Any, shared_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = shared_root / "resnext50.safetensors"
    if not weights.exists():
        save_safetensors(seeded_state_dict(timm, "resnext50_32x4d.fb_ssl_yfcc100m_ft_in1k"), weights)
    store, heard = Store(tmp_path / "cache"), Heard()
    first = classified(store, weights, heard)
    (entry,) = store.compiled.iterdir()
    (cached,) = entry.glob("*.blob")
    assert cached.stat().st_size > 40_000_000
    assert heard.lines[-1] == "preparing resnext50 for this processor, once"
    exact = Shelf(heard, store).open(ModelRequest(weights=weights, precision="fp32"))
    crops = np.random.default_rng(7).integers(0, 256, (1, 224, 224, 3), np.uint8)
    expected = exact.load("throughput").submit(crops).result()["logits"]
    assert np.abs(first - expected).max() < 0.1 * expected.std()

    # What only many photos need is not looked at for one, and is found damaged when they come.
    (entry / "graph.bin").write_bytes(b"damaged")
    told = len(heard.lines)
    assert np.array_equal(classified(store, weights, heard), first)
    assert heard.lines[told:] == []
    many = classified(store, weights, heard, tuning="throughput")
    assert "damaged" in heard.lines[told] and "compiled" in heard.lines[-1]
    assert np.abs(many - expected).max() < 0.1 * expected.std()

    # One that OpenVINO refuses is made again from a graph that is checked first.
    with monkeypatch.context() as another_build:
        another_build.setattr(engine, "new_core", lambda: Core(refused))
        again = classified(store, weights, heard)
    assert np.abs(again - expected).max() < 0.1 * expected.std()
