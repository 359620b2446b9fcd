"""The catalogue is held against the installed timm: names, sizes, preprocessing, licence, cost."""

import re
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from resnext.images.preprocess import from_pretrained_cfg
from resnext.models.catalog import CATALOG, CatalogEntry, known_names, resolve
from support.program import REPO

each_entry = pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)


def _module(timm: Any, entry: CatalogEntry) -> Any:
    with torch.device("meta"):
        return timm.create_model(entry.timm_name, pretrained=False).eval()


@each_entry
def test_timm_states_the_same_configuration(timm: Any, entry: CatalogEntry) -> None:
    assert entry.timm_name in timm.list_pretrained()
    cfg = timm.models.get_pretrained_cfg(entry.timm_name).to_dict()
    assert from_pretrained_cfg(cfg) == entry.preprocessing
    assert cfg["num_classes"] == entry.num_classes
    assert cfg["hf_hub_id"] == entry.hub_repo
    assert entry.licence.split(" (")[0].replace(" ", "-").casefold() == cfg["license"]


@each_entry
def test_sizes_and_cost_are_those_of_timms_module(timm: Any, entry: CatalogEntry) -> None:
    module = _module(timm, entry)
    params = sum(tensor.numel() for tensor in module.parameters())
    stored = params + sum(tensor.numel() for tensor in module.buffers())
    assert params == entry.params
    assert module.num_features == entry.num_features
    if entry.origin == "hub":
        assert round(stored * 4 / 1e6) == entry.download_mb
    with FlopCounterMode(display=False) as counter:
        module(torch.empty(1, *entry.preprocessing.input_size, device="meta"))
    # timm's benchmark also counts normalization and pooling: 1 to 4 per cent more than convolutions and matrices.
    assert entry.gmacs == pytest.approx(counter.get_total_flops() / 2e9, rel=0.05)


@each_entry
def test_the_shape_of_a_resnext_is_timms(timm: Any, entry: CatalogEntry) -> None:
    if entry.resnext is None:
        return
    module = _module(timm, entry)
    assert tuple(len(getattr(module, f"layer{stage}")) for stage in range(1, 5)) == entry.resnext.layers
    for stage in range(1, 5):
        conv = getattr(module, f"layer{stage}")[0].conv2
        assert conv.groups == entry.resnext.cardinality
        assert conv.in_channels == entry.resnext.cardinality * entry.resnext.base_width * 2 ** (stage - 1)
    assert f"resnext{entry.resnext.depth}_" in entry.timm_name


def test_every_spelling_names_one_model() -> None:
    assert len(known_names()) == sum(2 + len(entry.aliases) for entry in CATALOG)
    for entry in CATALOG:
        for spelling in (entry.name, entry.timm_name.upper(), *entry.aliases):
            assert resolve(spelling).entry is entry


@each_entry
def test_the_page_of_models_gives_the_same_figures(entry: CatalogEntry) -> None:
    page = (REPO / "docs" / "models.md").read_text()
    (row,) = re.findall(rf"^\| `{entry.name}`.*$", page, re.MULTILINE)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    download = f"{entry.download_mb} MB" if entry.origin == "hub" else "none"
    licence = entry.licence.split(" (")[0]
    assert cells[2:] == [f"{entry.top1:.1f}", f"{entry.real:.1f}", download, licence]
    assert cells[1].strip("`") in entry.aliases
