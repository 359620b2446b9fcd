"""What tests of pictures share."""

import pytest
from PIL import Image

from support.program import SAMPLES


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    with Image.open(SAMPLES / "coffee.png") as image:
        return image.convert("RGB").resize((300, 200))
