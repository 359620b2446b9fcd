"""The models on the shelf: their names, published accuracy, licence and source. Data only.

Accuracy: ImageNet top-1 and ReaL top-1, in per cent, from timm's results files (results-imagenet.csv,
results-imagenet-real.csv). The SSL ResNeXts: Yalniz et al. 2019, "Billion-scale semi-supervised learning for image
classification", arXiv 1905.00546.
"""

from dataclasses import dataclass
from typing import Literal

AUTO = "auto"
DEFAULT_MODEL = "ssl_resnext50_32x4d"
BUNDLED_MODEL = "tf_efficientnet_lite0"

CC_BY_NC = "CC-BY-NC 4.0 (not for commercial use)"
APACHE = "Apache-2.0"


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """One model of the shelf. `timm_name` is architecture.tag; `top1`, `real` are per cent, None if not published."""

    name: str
    timm_name: str
    aliases: tuple[str, ...]
    licence: str
    origin: Literal["hub", "bundled"]
    download_mb: int
    top1: float | None = None
    real: float | None = None


CATALOG: tuple[CatalogEntry, ...] = (
    CatalogEntry(
        "ssl_resnext50_32x4d",
        "resnext50_32x4d.fb_ssl_yfcc100m_ft_in1k",
        ("50-32x4d", "ssl-50-32x4d"),
        CC_BY_NC,
        "hub",
        100,
        80.3,
        86.1,
    ),
    CatalogEntry(
        "ssl_resnext101_32x4d",
        "resnext101_32x4d.fb_ssl_yfcc100m_ft_in1k",
        ("101-32x4d", "ssl-101-32x4d"),
        CC_BY_NC,
        "hub",
        177,
        80.9,
        86.5,
    ),
    CatalogEntry(
        "ssl_resnext101_32x8d",
        "resnext101_32x8d.fb_ssl_yfcc100m_ft_in1k",
        ("101-32x8d", "ssl-101-32x8d"),
        CC_BY_NC,
        "hub",
        356,
        81.6,
        86.8,
    ),
    CatalogEntry(
        "ssl_resnext101_32x16d",
        "resnext101_32x16d.fb_ssl_yfcc100m_ft_in1k",
        ("101-32x16d", "ssl-101-32x16d"),
        CC_BY_NC,
        "hub",
        777,
        81.9,
        86.8,
    ),
    CatalogEntry(
        BUNDLED_MODEL,
        "tf_efficientnet_lite0.in1k",
        ("efficientnet_lite0", "lite0", "bundled"),
        APACHE,
        "bundled",
        0,
        74.8,
        None,
    ),
)

_BY_NAME: dict[str, CatalogEntry] = {
    spelling.casefold(): entry for entry in CATALOG for spelling in (entry.name, entry.timm_name, *entry.aliases)
}


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model as asked for, resolved: `name` stands in every row, `timm_name` is what timm builds."""

    name: str
    timm_name: str
    entry: CatalogEntry | None


def resolve(name: str) -> ModelName:
    """Give the model that any of its spellings names; a name that the shelf does not know is taken for timm's own."""
    entry = _BY_NAME.get(name.casefold())
    if entry is not None:
        return ModelName(entry.name, entry.timm_name, entry)
    return ModelName(name, name, None)


def known_names() -> list[str]:
    """All spellings of the shelf's models, for suggestions."""
    return sorted({spelling for entry in CATALOG for spelling in (entry.name, entry.timm_name, *entry.aliases)})
