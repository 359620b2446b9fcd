"""timm's evaluation transform without torch: resize the shorter side, centre crop.

With `engines.openvino.normalize` after it, bit-identical to `timm.data.create_transform(is_training=False)` for
crop_mode "center" and a square input; timm itself (`compiling.timm_models.timm_transform`) does any other transform.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from resnext.records import PreprocessingConfig

if TYPE_CHECKING:
    from resnext.records import Pixels

Transform = Callable[[Image.Image], "Pixels"]

_RESAMPLING = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}
# A photo this elongated would be resized to more pixels than this, nearly all of them cropped away: a 1 x 20000 line
# asks for 1.3 gigapixels. Its centre is cut out first.
_MAX_RESIZED_PIXELS = 64_000_000


def from_pretrained_cfg(pretrained_cfg: dict[str, Any]) -> PreprocessingConfig:
    """Take the preprocessing fields of a timm `pretrained_cfg`, with timm's own defaults for absent ones."""
    return PreprocessingConfig(
        input_size=tuple(pretrained_cfg.get("input_size") or (3, 224, 224)),
        interpolation=pretrained_cfg.get("interpolation") or "bicubic",
        crop_pct=float(pretrained_cfg.get("crop_pct") or 0.875),
        crop_mode=pretrained_cfg.get("crop_mode") or "center",
        mean=tuple(pretrained_cfg.get("mean") or (0.485, 0.456, 0.406)),
        std=tuple(pretrained_cfg.get("std") or (0.229, 0.224, 0.225)),
    )


def is_supported(config: PreprocessingConfig) -> bool:
    """Whether `crop_for` reproduces timm's transform for this model exactly."""
    channels, height, width = config.input_size
    return (
        channels == 3
        and height == width
        and config.crop_mode == "center"
        and config.interpolation in _RESAMPLING
        and 0 < config.crop_pct <= 1
        and len(config.mean) == len(config.std) == 3
    )


def resize_target(config: PreprocessingConfig) -> int:
    """The length in pixels to which timm resizes the shorter side: floor(input_size / crop_pct)."""
    return math.floor(config.input_size[-1] / config.crop_pct)  # not `//`: 288 // 0.96 is 299, 288 / 0.96 is 300


def crop_for(config: PreprocessingConfig) -> Callable[[Image.Image], NDArray[np.uint8]]:
    """Build the function from an upright RGB image of any size to its resized centre, uint8 (H, W, 3).

    Raises:
        ValueError: `is_supported(config)` is False.
    """
    if not is_supported(config):
        raise ValueError(f"not a resize and centre crop: {config}")
    target = resize_target(config)
    crop = config.input_size[-1]
    resampling = _RESAMPLING[config.interpolation]

    def cropped(image: Image.Image) -> NDArray[np.uint8]:
        width, height = resized_size(image.size, target)
        left, top = _centre(width, crop), _centre(height, crop)
        if width * height > _MAX_RESIZED_PIXELS:
            centre = _resize_centre_only(image, (width, height), (left, top), crop, resampling)
        else:
            centre = image.resize((width, height), resampling).crop((left, top, left + crop, top + crop))
        return np.asarray(centre)

    return cropped


def resized_size(size: tuple[int, int], target: int) -> tuple[int, int]:
    """(width, height) after torchvision's Resize(target): shorter side `target`, the longer one truncated."""
    width, height = size
    if width <= height:
        return target, int(target * height / width)
    return int(target * width / height), target


def _centre(length: int, crop: int) -> int:
    """Where torchvision's CenterCrop begins; round() goes to the even neighbour there too."""
    return round((length - crop) / 2.0)


def _resize_centre_only(
    image: Image.Image, size: tuple[int, int], corner: tuple[int, int], crop: int, resampling: Image.Resampling
) -> Image.Image:
    """Resize just the part of the photo that the crop keeps; within a rounding of resizing all of it."""
    scale_x, scale_y = image.width / size[0], image.height / size[1]
    left, top = corner
    box = (left * scale_x, top * scale_y, (left + crop) * scale_x, (top + crop) * scale_y)
    # Pillow keeps the box in float32, too coarse far from the origin: first cut out its neighbourhood, as wide as the
    # widest filter (Lanczos, 3 output pixels a side) reaches.
    reach_x, reach_y = (math.ceil(4 * max(scale, 1.0)) for scale in (scale_x, scale_y))
    x, y = max(0, math.floor(box[0]) - reach_x), max(0, math.floor(box[1]) - reach_y)
    right = min(image.width, math.ceil(box[2]) + reach_x)
    bottom = min(image.height, math.ceil(box[3]) + reach_y)
    near = (box[0] - x, box[1] - y, box[2] - x, box[3] - y)
    return image.crop((x, y, right, bottom)).resize((crop, crop), resampling, box=near)
