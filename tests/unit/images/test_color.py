"""Colours as a person sees them."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from resnext.images.color import to_rgb

RED = (200, 30, 30)


def with_profile(image: Image.Image, profile: bytes) -> Image.Image:
    image.info["icc_profile"] = profile
    return image


def lab_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def test_an_srgb_profile_changes_no_pixel() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    image = with_profile(Image.fromarray(noise), profile)
    assert np.array_equal(np.asarray(to_rgb(image)), noise)


@pytest.mark.parametrize("profile", [b"", b"not a profile", b"\x00" * 4096, lab_profile()])
def test_a_profile_that_is_none_of_ours_is_left_aside(profile: bytes) -> None:
    image = with_profile(Image.new("RGB", (4, 4), RED), profile)
    assert to_rgb(image).getpixel((1, 1)) == RED


def test_a_wide_profile_makes_colours_more_vivid() -> None:
    """The samples carry one: an Adobe RGB photo, whose reds and greens are dull without the conversion."""
    from support.program import SAMPLES

    with Image.open(SAMPLES / "rocket.jpg") as photo:
        profile = photo.info["icc_profile"]
    image = with_profile(Image.new("RGB", (4, 4), (60, 160, 60)), profile)
    expected = ImageCms.profileToProfile(
        image.copy(), ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
    )
    assert expected is not None
    converted = to_rgb(image)
    assert converted.getpixel((1, 1)) == expected.getpixel((1, 1)) != (60, 160, 60)


def test_lab_is_converted() -> None:
    white = Image.new("LAB", (4, 4), (255, 128, 128))
    pixel = to_rgb(white).getpixel((1, 1))
    assert isinstance(pixel, tuple) and min(pixel) > 245
