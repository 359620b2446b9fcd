"""Names of models."""

import pytest

from resnext.models.catalog import BUNDLED_MODEL, CATALOG, DEFAULT_MODEL, CatalogEntry, known_names, resolve

ENTRIES = pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)


@ENTRIES
def test_every_spelling_names_its_model(entry: CatalogEntry) -> None:
    for spelling in (entry.name, entry.timm_name, *entry.aliases):
        for written in (spelling, spelling.upper()):
            assert resolve(written).entry == entry
            assert (resolve(written).name, resolve(written).timm_name) == (entry.name, entry.timm_name)
        assert spelling in known_names()


def test_no_spelling_names_two_models() -> None:
    spellings = [spelling.casefold() for entry in CATALOG for spelling in {entry.name, entry.timm_name, *entry.aliases}]
    assert len(set(spellings)) == len(spellings)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("50-32x4d", "ssl_resnext50_32x4d"),
        ("resnext50_32x4d.fb_ssl_yfcc100m_ft_in1k", "ssl_resnext50_32x4d"),
        ("101-32x16d", "ssl_resnext101_32x16d"),
        ("lite0", "tf_efficientnet_lite0"),
    ],
)
def test_the_documented_short_names_work(spelling: str, name: str) -> None:
    assert resolve(spelling).name == name


@pytest.mark.parametrize("name", ["resnet18.a1_in1k", "resnext50_32x4d.a1h_in1k", "resnext50_32x4d", "no such model"])
def test_another_name_is_taken_for_timms(name: str) -> None:
    resolved = resolve(name)
    assert (resolved.name, resolved.timm_name, resolved.entry) == (name, name, None)


def test_the_default_and_the_bundled_model_are_on_the_shelf() -> None:
    entries = [resolve(name).entry for name in (DEFAULT_MODEL, BUNDLED_MODEL)]
    assert [entry.origin for entry in entries if entry is not None] == ["hub", "bundled"]
