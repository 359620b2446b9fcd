"""Layers are left out until the judge is content; what contents nobody is not kept."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnext.compiling import quantize
from resnext.compiling.quantize import Layer
from resnext.errors import ModelError
from resnext.shelf import quantized
from resnext.shelf.quantized import LayerChoice, Quantization, Verdict
from resnext.store.entries import read_entry
from resnext.store.store import Store
from support.program import Heard

# Half of the loss is in the first layer, a quarter in the second, and so on; all are equally large.
LAYERS = [Layer(f"layer {number}", 100, 2.0**-number) for number in range(1, 11)]


class Quantizer:
    """Writes down which layers it is to leave out, in place of a graph."""

    def __init__(self, *_: Any) -> None:
        self.ranked = 0

    def quantized(self, left_out: list[str]) -> list[str]:
        return left_out

    def write(self, left_out: list[str], folder: Path) -> None:
        (folder / "graph.xml").write_text("\n".join(left_out))
        (folder / "graph.bin").write_bytes(b"weights")

    def ranking(self) -> list[Layer]:
        self.ranked += 1
        return LAYERS


class Judge:
    """Content once so many layers are left out. `asked` has the numbers of layers that it was shown."""

    def __init__(self, content_with: int) -> None:
        self.content_with = content_with
        self.asked: list[int] = []

    def verdict(self, load: Any) -> Verdict:
        left_out = load("int8").read_text().splitlines()
        self.asked.append(len(left_out))
        excess = 1.0 if len(left_out) >= self.content_with else 2.0 / (1 + len(left_out))
        return Verdict(max(excess, 1.5) if excess != 1.0 else 1.0, 0.9876, f"{len(left_out)} left out", {"top1": 0.5})

    def speed(self, load: Any) -> dict[str, float | None]:
        return {"fp32": 1.0, "bf16": None, "int8": 2.0}


@pytest.fixture
def work(warm_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Quantization, Store]:
    monkeypatch.setattr(quantize, "Quantizer", Quantizer)
    monkeypatch.setattr(quantized, "load_engine", lambda spec: spec.graph)
    (folder,) = (warm_cache / "compiled").iterdir()
    base, _ = read_entry(folder)
    store = Store(tmp_path / "cache")
    return Quantization(base, np.zeros((2, 224, 224, 3), np.uint8), {"agreement": 0.99}, store), store


def test_nothing_is_left_out_where_all_is_well(work: tuple[Quantization, Store]) -> None:
    quantization, store = work
    judge = Judge(0)
    made = quantization.make(judge, Heard())
    assert judge.asked == [0]
    assert store.load(quantization.provenance) == made
    assert made.quantization is not None
    assert made.quantization["left_out"] == [] and made.quantization["left_out_share"] == 0
    assert made.labels()[0].name == "tench"


def test_more_and_more_is_left_out_until_it_is_well(work: tuple[Quantization, Store]) -> None:
    quantization, _ = work
    judge = Judge(3)
    made = quantization.make(judge, Heard())
    assert judge.asked == sorted(set(judge.asked)) and judge.asked[-1] >= 3
    assert made.quantization is not None
    assert made.quantization["left_out"] == [layer.name for layer in LAYERS[: judge.asked[-1]]]
    assert made.quantization["left_out_share"] == judge.asked[-1] / 10


def test_what_never_is_well_is_not_kept(work: tuple[Quantization, Store]) -> None:
    quantization, store = work
    with pytest.raises(ModelError, match="nothing was kept") as caught:
        quantization.make(Judge(9), Heard())
    assert "left out" in str(caught.value) and "--agreement 0.987 would keep it" in str(caught.value)
    assert store.load(quantization.provenance) is None
    assert list(store.compiled.iterdir()) == []


def test_as_much_is_left_out_as_the_disagreement_asks_for() -> None:
    choice = LayerChoice(Quantizer(), Heard())  # type: ignore[arg-type]
    first = choice.next([], 2.0)  # twice too much: a quarter of the loss may stay
    assert first == LAYERS[:2]
    assert choice.next(first, 1.1) == LAYERS[:3]  # at least half of it goes
    assert choice.next(first, 1000.0) == LAYERS[:7]  # up to three quarters of the arithmetic
    assert choice.next(LAYERS[:7], 1000.0) is None


def test_another_set_of_photos_is_another_graph(work: tuple[Quantization, Store]) -> None:
    quantization, store = work
    base = quantization.base
    others = [
        Quantization(base, np.ones((2, 224, 224, 3), np.uint8), {"agreement": 0.99}, store),
        Quantization(base, np.zeros((2, 224, 224, 3), np.uint8), {"agreement": 0.98}, store),
    ]
    same = Quantization(base, np.zeros((2, 224, 224, 3), np.uint8), {"agreement": 0.99}, store)
    assert len({each.provenance.key for each in (quantization, *others)}) == 3
    assert same.provenance == quantization.provenance
