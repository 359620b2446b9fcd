"""The models on the shelf: names, published accuracy, cost, licence and source. Data only.

Where the figures are from:
- top1, top5: results/results-imagenet.csv, real: results/results-imagenet-real.csv (columns top1, top5 and top1) of
  github.com/huggingface/pytorch-image-models at commit aa4b585 (2026-08-08); per cent, at 224 x 224 pixels. The figures
  of the bundled model are timm's own port of Google's weights, of which the bundled file is another port.
- params: counted on timm's own module; the csv files' param_count is the same in millions.
- gmacs: infer_gmacs of results/benchmark-infer-amp-nchw-pt240-cu124-rtx3090.csv there, at 224 x 224.
- download_mb: 4 bytes for every parameter and running statistic.
- preprocessing, num_classes, licence: timm's pretrained_cfg. ResNeXt-specific figures: timm/models/resnet.py.
tests/unit/test_catalog.py holds all of them against the installed timm.

The SSL ResNeXts: Yalniz et al. 2019, "Billion-scale semi-supervised learning for image classification", arXiv
1905.00546.
"""

import os
import re
from pathlib import Path
from typing import Literal, NamedTuple

from resnext.console.terminal import printable
from resnext.errors import UsageError
from resnext.records import PreprocessingConfig

AUTO = "auto"
DEFAULT_MODEL = "ssl_resnext50_32x4d"
BUNDLED_MODEL = "tf_efficientnet_lite0"

# The files of a model in timm's form; weights are looked for in timm's order.
CONFIG_FILENAME = "config.json"
OWN_WEIGHTS = ("model.safetensors", "pytorch_model.bin", "pytorch_model.pth", "model.pth")
_REPO = re.compile(r"[\w-][\w.-]{0,95}/[\w-][\w.-]{0,95}", re.ASCII)
_CHECKPOINT_ENDING = re.compile(r"(?<=.)\.(?:safetensors|pth|pt|bin|ckpt|tar)$", re.IGNORECASE)

CC_BY_NC = "CC-BY-NC 4.0 (not for commercial use)"
APACHE = "Apache-2.0"

_IMAGENET_SIZE = (3, 224, 224)
_SSL_PREPROCESSING = PreprocessingConfig(
    input_size=_IMAGENET_SIZE,
    interpolation="bilinear",
    crop_pct=0.875,
    crop_mode="center",
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)
_LITE0_PREPROCESSING = PreprocessingConfig(
    input_size=_IMAGENET_SIZE,
    interpolation="bicubic",
    crop_pct=0.875,
    crop_mode="center",
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
)


class ResNeXtShape(NamedTuple):
    """A ResNeXt as timm's ResNet class takes it: `layers` blocks in each stage, `cardinality` groups of `base_width`.

    `base_width` is the channels of one group in the first stage; it doubles from stage to stage.
    """

    layers: tuple[int, int, int, int]
    cardinality: int
    base_width: int

    @property
    def depth(self) -> int:
        """Layers with weights: three a block, the stem and the classifier."""
        return 3 * sum(self.layers) + 2


class CatalogEntry(NamedTuple):
    """One model of the shelf. `timm_name` is architecture.tag.

    `top1`, `top5`, `real` (ReaL top-1) are per cent of the ImageNet validation set; `params` counts parameters; `gmacs`
    are 10^9 multiply-accumulates a photo, two operations each; `num_features` is the length D of the embeddings.
    """

    name: str
    timm_name: str
    aliases: tuple[str, ...]
    licence: str
    origin: Literal["hub", "bundled"]
    download_mb: int
    top1: float
    top5: float
    real: float
    params: int
    gmacs: float
    num_features: int
    preprocessing: PreprocessingConfig
    resnext: ResNeXtShape | None = None
    num_classes: int = 1000

    @property
    def gflops(self) -> float:
        """10^9 floating-point operations a photo: a multiply-accumulate is two."""
        return 2 * self.gmacs

    @property
    def hub_repo(self) -> str:
        """timm's own repositories are called so; asking timm would import torch."""
        return f"timm/{self.timm_name}"


def _ssl_resnext(
    layers: tuple[int, int, int, int],
    base_width: int,
    *,
    download_mb: int,
    top1: float,
    top5: float,
    real: float,
    params: int,
    gmacs: float,
) -> CatalogEntry:
    resnext = ResNeXtShape(layers, 32, base_width)
    short = f"{resnext.depth}-32x{base_width}d"
    return CatalogEntry(
        name=f"ssl_resnext{resnext.depth}_32x{base_width}d",
        timm_name=f"resnext{resnext.depth}_32x{base_width}d.fb_ssl_yfcc100m_ft_in1k",
        aliases=(short, f"ssl-{short}"),
        licence=CC_BY_NC,
        origin="hub",
        download_mb=download_mb,
        top1=top1,
        top5=top5,
        real=real,
        params=params,
        gmacs=gmacs,
        num_features=2048,
        preprocessing=_SSL_PREPROCESSING,
        resnext=resnext,
    )


CATALOG: tuple[CatalogEntry, ...] = (
    _ssl_resnext(
        (3, 4, 6, 3), 4, download_mb=100, top1=80.316, top5=95.386, real=86.071, params=25_028_904, gmacs=4.26
    ),
    _ssl_resnext(
        (3, 4, 23, 3), 4, download_mb=177, top1=80.936, top5=95.732, real=86.511, params=44_177_704, gmacs=8.01
    ),
    _ssl_resnext(
        (3, 4, 23, 3), 8, download_mb=356, top1=81.620, top5=96.036, real=86.803, params=88_791_336, gmacs=16.48
    ),
    _ssl_resnext(
        (3, 4, 23, 3), 16, download_mb=777, top1=81.856, top5=96.084, real=86.846, params=194_026_792, gmacs=36.27
    ),
    CatalogEntry(
        name=BUNDLED_MODEL,
        timm_name="tf_efficientnet_lite0.in1k",
        aliases=("efficientnet_lite0", "lite0", "bundled"),
        licence=APACHE,
        origin="bundled",
        download_mb=0,
        top1=74.846,
        top5=92.180,
        real=81.957,
        params=4_652_008,
        gmacs=0.40,
        num_features=1280,
        preprocessing=_LITE0_PREPROCESSING,
    ),
)

_BY_NAME: dict[str, CatalogEntry] = {
    spelling.casefold(): entry for entry in CATALOG for spelling in (entry.name, entry.timm_name, *entry.aliases)
}


class ModelName(NamedTuple):
    """A model as asked for, resolved: `name` is in every row, `timm_name` is what timm builds.

    A model of the user's own is a `folder`, or a `repo` of the hub, in timm's form: its config.json names what timm
    builds, and `timm_name` is empty.
    """

    name: str
    timm_name: str
    entry: CatalogEntry | None = None
    folder: Path | None = None
    repo: str | None = None

    @property
    def is_own(self) -> bool:
        """Whether a config.json of its own describes it."""
        return self.folder is not None or self.repo is not None


def is_auto(name: str) -> bool:
    """Whether a name leaves the choice to us."""
    return name.casefold() == AUTO


def resolve(name: str) -> ModelName:
    """Give the model that any of its spellings names; a name that the shelf does not know is taken for timm's own.

    `hf-hub:OWNER/NAME` is a repository of the hub; what has a separator of paths in it, or comes after `local-dir:`,
    is a folder.

    Raises:
        UsageError: a repository of the hub is not called so.
    """
    entry = _BY_NAME.get(name.casefold())
    if entry is not None:
        return ModelName(entry.name, entry.timm_name, entry)
    kind, colon, rest = name.partition(":")
    if colon and kind.casefold() in ("hf-hub", "hf_hub"):
        if _REPO.fullmatch(rest) is None:
            raise UsageError(f"{name[:80]}: a model of the hub is called hf-hub:OWNER/NAME")
        of_timm = _BY_NAME.get(rest.casefold().removeprefix("timm/")) if rest.startswith("timm/") else None
        return resolve(of_timm.name) if of_timm is not None else ModelName(f"hf-hub:{rest}", "", repo=rest)
    if colon and kind.casefold() == "local-dir":
        return _of_folder(rest)
    if os.sep in name or "/" in name:
        return _of_folder(name)
    return ModelName(name, name)


def own_name(path: Path) -> str:
    """What rows call a model of the user's own: the file's or folder's name, without the endings of checkpoints."""
    name = os.path.basename(os.path.realpath(path))  # noqa: PTH119  Path("..").name is ".."
    while (stem := _CHECKPOINT_ENDING.sub("", name)) != name:
        name = stem
    return printable(name) or "model"


def _of_folder(path: str) -> ModelName:
    folder = Path(os.path.expanduser(path))  # noqa: PTH111  Path.expanduser raises where nobody knows the home
    return ModelName(own_name(folder), "", folder=folder)


def known_names() -> list[str]:
    """All spellings of the shelf's models, for suggestions."""
    return sorted({spelling for entry in CATALOG for spelling in (entry.name, entry.timm_name, *entry.aliases)})
