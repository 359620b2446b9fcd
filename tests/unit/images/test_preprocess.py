"""The evaluation transform against timm's own: the same bits, for every size and configuration that is claimed."""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from resnext.compiling.outputs import outputs_of
from resnext.engines.openvino.normalize import Normalization
from resnext.images import preprocess
from resnext.images.preprocess import crop_for, from_pretrained_cfg, is_supported, resize_target
from resnext.records import PreprocessingConfig
from support.program import SAMPLES

MODELS = (
    "resnext50_32x4d.fb_ssl_yfcc100m_ft_in1k",
    "resnext101_32x4d.fb_ssl_yfcc100m_ft_in1k",
    "resnext101_32x8d.fb_ssl_yfcc100m_ft_in1k",
    "resnext101_32x16d.fb_ssl_yfcc100m_ft_in1k",
    "tf_efficientnet_lite0.in1k",
)
ODD_SIZES = (
    *((1, 1), (1, 2), (2, 1), (3, 100), (100, 3), (1, 41), (41, 1), (899, 27), (23, 900)),
    *((224, 224), (255, 255), (256, 256), (255, 256), (256, 255), (254, 900), (257, 641), (900, 900)),
)
CONFIG = PreprocessingConfig((3, 224, 224), "bicubic", 0.875, "center", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

Transform = Callable[[Image.Image], NDArray[np.float32]]
TimmTransform = Callable[[PreprocessingConfig], Transform]


def transform_for(config: PreprocessingConfig) -> Transform:
    """All of it: what is done to a photo, and then to a batch."""
    crop, normalize = crop_for(config), Normalization(config)
    return lambda image: normalize(crop(image)[None])[0]


@pytest.fixture(scope="module")
def data(timm: Any) -> Any:
    return importlib.import_module("timm.data")


@pytest.fixture(scope="module")
def timm_transform(data: Any) -> TimmTransform:
    def make(config: PreprocessingConfig) -> Transform:
        transform = data.create_transform(
            input_size=config.input_size,
            interpolation=config.interpolation,
            crop_pct=config.crop_pct,
            crop_mode=config.crop_mode,
            mean=config.mean,
            std=config.std,
            is_training=False,
        )
        return lambda image: transform(image).numpy()

    return make


def noise(size: tuple[int, int], seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(values)


def random_sizes(seed: int, count: int) -> list[tuple[int, int]]:
    """Any width and height from 1 to 900, small ones as often as large ones."""
    exponents = np.random.default_rng(seed).uniform(0, 1, (count, 2))
    return [(int(width), int(height)) for width, height in 901**exponents]


def grey_levels_apart(a: NDArray[np.float32], b: NDArray[np.float32], config: PreprocessingConfig) -> float:
    std = np.array(config.std, np.float32).reshape(3, 1, 1)
    return float((np.abs(a - b) * std * 255).max())


# -- the same bits ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timm_name", MODELS)
def test_bits_equal_timms_for_the_models_of_the_shelf(timm: Any, data: Any, timm_name: str) -> None:
    pretrained_cfg = timm.models.get_pretrained_cfg(timm_name).to_dict()
    theirs = data.create_transform(**data.resolve_data_config(pretrained_cfg=pretrained_cfg), is_training=False)
    mine = transform_for(from_pretrained_cfg(pretrained_cfg))
    for number, size in enumerate([*ODD_SIZES, *random_sizes(MODELS.index(timm_name), 6)]):
        image = noise(size, seed=number)
        assert np.array_equal(mine(image), theirs(image).numpy()), size


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos", "nearest", "box", "hamming"])
@pytest.mark.parametrize(("side", "crop_pct"), [(224, 1.0), (160, 0.95), (299, 0.9), (33, 0.5), (1, 0.3)])
def test_bits_equal_timms_for_other_configurations(
    timm_transform: TimmTransform, side: int, crop_pct: float, interpolation: str
) -> None:
    config = CONFIG._replace(
        input_size=(3, side, side),
        crop_pct=crop_pct,
        interpolation=interpolation,
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
    )
    mine, theirs = transform_for(config), timm_transform(config)
    for number, size in enumerate([(side, side), (side + 1, side), (1, 9), *random_sizes(side, 3)]):
        image = noise(size, seed=number)
        assert np.array_equal(mine(image), theirs(image)), size


# Where side // crop_pct is one less than floor(side / crop_pct); the last is where they agree.
@pytest.mark.parametrize(
    ("side", "crop_pct", "target"), [(288, 0.96, 300), (270, 0.9, 300), (57, 0.95, 60), (224, 0.95, 235)]
)
def test_the_resize_target_is_rounded_as_timm_rounds_it(
    timm_transform: TimmTransform, side: int, crop_pct: float, target: int
) -> None:
    config = CONFIG._replace(input_size=(3, side, side), crop_pct=crop_pct)
    image = noise((411, 333))
    assert resize_target(config) == target
    assert np.array_equal(transform_for(config)(image), timm_transform(config)(image))


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    width=st.integers(1, 500),
    height=st.integers(1, 500),
    side=st.integers(8, 160),
    crop_pct=st.floats(0.4, 1.0),
    interpolation=st.sampled_from(["bilinear", "bicubic", "lanczos", "nearest", "box", "hamming"]),
)
def test_bits_equal_timms_for_any_configuration(
    timm_transform: TimmTransform, width: int, height: int, side: int, crop_pct: float, interpolation: str
) -> None:
    config = CONFIG._replace(input_size=(3, side, side), crop_pct=crop_pct, interpolation=interpolation)
    image = noise((width, height))
    assert np.array_equal(transform_for(config)(image), timm_transform(config)(image))


def test_every_grey_level_is_normalized_as_timm_does(timm_transform: TimmTransform) -> None:
    ramp = Image.fromarray(np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2))
    config = CONFIG._replace(input_size=(3, 16, 16), crop_pct=1.0)
    pixels = transform_for(config)(ramp)
    assert pixels.dtype == np.float32
    assert np.array_equal(pixels, timm_transform(config)(ramp))
    assert len(np.unique(pixels[0])) == 256


def test_absent_fields_get_timms_defaults(data: Any) -> None:
    cfg = {"num_classes": 1000}
    theirs = data.resolve_data_config(pretrained_cfg=cfg)
    mine = from_pretrained_cfg(cfg)
    assert {name: getattr(mine, name) for name in theirs} == theirs


def test_each_photo_gets_pixels_of_its_own() -> None:
    crop = crop_for(CONFIG._replace(input_size=(3, 8, 8)))
    first = crop(noise((20, 30), seed=1))
    kept = first.copy()
    crop(noise((20, 30), seed=2))
    assert first.dtype == np.uint8 and first.shape == (8, 8, 3)
    assert np.array_equal(first, kept)


# -- the same in torch and in a graph ------------------------------------------------------------------------------


def test_torch_normalizes_to_the_same_bits(timm: Any) -> None:
    import torch

    from resnext.compiling.timm_models import TimmModel
    from resnext.engines import CLASSIFIER
    from resnext.engines.torch_engine import TorchEngine

    class Echo(torch.nn.Module):
        """As logits, what it is given."""

        def forward_features(self, pixels: torch.Tensor) -> torch.Tensor:
            return pixels

        def forward_head(self, pixels: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
            return pixels

    config = CONFIG._replace(input_size=(3, 16, 16))
    model = TimmModel(Echo(), {}, 1, 1, "")
    engine = TorchEngine(outputs_of(model, CLASSIFIER), CLASSIFIER.outputs, ("logits",), "cpu", "fp32", 2, config)
    crops = every_value()
    np.testing.assert_array_equal(engine.submit(crops).result()["logits"], Normalization(config)(crops))


def every_value() -> NDArray[np.uint8]:
    """A crop (1, 16, 16, 3) with all 256 values in each channel, shuffled."""
    crops = np.random.default_rng(0).permuted(np.arange(768).reshape(1, 256, 3) // 3, axis=1).astype(np.uint8)
    crops = crops.reshape(1, 16, 16, 3)
    assert all(len(np.unique(crops[..., channel])) == 256 for channel in range(3))
    return crops


def test_a_graph_that_normalizes_computes_the_same_of_every_value() -> None:
    """What it gets wrong of float32 is gone once that is rounded to bfloat16, for which alone it is used."""
    from resnext.engines.openvino.importing import NodeMaker, import_openvino

    openvino = import_openvino()
    operations = importlib.import_module("openvino.opset13")
    config = CONFIG._replace(input_size=(3, 16, 16))
    pixels = operations.parameter([-1, 3, 16, 16], np.float32)
    model = openvino.Model([operations.multiply(pixels, np.float32(2))], [pixels])
    normalize = Normalization(config)
    normalize.put_before(model, NodeMaker())
    crops = every_value()
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    got = compiled({0: crops})[0] / 2
    np.testing.assert_allclose(got, normalize(crops), rtol=0, atol=5e-7)
    np.testing.assert_array_equal(rounded_to_bfloat16(got), rounded_to_bfloat16(normalize(crops)))


def rounded_to_bfloat16(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    """The upper half of the bits, rounded to the nearest, ties to even."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16


# -- what is left to timm --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"crop_mode": "squash"},
        {"crop_mode": "border"},
        {"input_size": (3, 224, 192)},
        {"input_size": (1, 224, 224), "mean": (0.5,), "std": (0.5,)},
        {"crop_pct": 1.1},
        {"crop_pct": 0.0},
        {"interpolation": "random"},
        {"mean": (0.5,)},
    ],
    ids=str,
)
def test_other_transforms_are_not_claimed(changes: dict[str, Any]) -> None:
    config = CONFIG._replace(**changes)
    assert not is_supported(config)
    with pytest.raises(ValueError):
        crop_for(config)


# -- very elongated images -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["coffee.png", "rocket.jpg", "china.jpg"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("side", "crop_pct"), [(224, 0.875), (96, 1.0)])
def test_resizing_the_centre_alone_is_within_two_grey_levels(
    monkeypatch: pytest.MonkeyPatch,
    timm_transform: TimmTransform,
    name: str,
    side: int,
    crop_pct: float,
    interpolation: str,
) -> None:
    monkeypatch.setattr(preprocess, "_MAX_RESIZED_PIXELS", 1)
    config = CONFIG._replace(input_size=(3, side, side), crop_pct=crop_pct, interpolation=interpolation)
    with Image.open(SAMPLES / name) as opened:
        photo = opened.convert("RGB")
    for image in (photo, photo.crop((0, 0, photo.width, 40)), photo.crop((0, 200, photo.width, 212))):
        assert grey_levels_apart(transform_for(config)(image), timm_transform(config)(image), config) <= 2


@pytest.mark.parametrize("size", [(1, 20000), (20000, 1), (3, 20000)])
def test_a_line_is_within_two_grey_levels_of_timms(
    monkeypatch: pytest.MonkeyPatch, timm_transform: TimmTransform, size: tuple[int, int]
) -> None:
    monkeypatch.setattr(preprocess, "_MAX_RESIZED_PIXELS", 1)
    config = CONFIG._replace(input_size=(3, 32, 32))  # small, so that timm can do it too
    image = noise(size)
    assert grey_levels_apart(transform_for(config)(image), timm_transform(config)(image), config) <= 2


@pytest.mark.parametrize("size", [(1, 20000), (20000, 1), (1, 9_000_000)])
def test_a_line_takes_no_gigabytes(size: tuple[int, int]) -> None:
    resource = pytest.importorskip("resource")
    # Dark at one end, light at the other: the centre is grey.
    values = np.linspace(0, 255, max(size)).astype(np.uint8).reshape(size[1], size[0], 1)
    image = Image.fromarray(np.repeat(values, 3, axis=2))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pixels = transform_for(CONFIG._replace(mean=(0.0,) * 3, std=(1.0,) * 3))(image)
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert kilobytes < 500_000  # resized whole, even the first would take 5 GB
    assert pixels.shape == (3, 224, 224)
    assert np.abs(pixels - 0.5).max() < 0.02
