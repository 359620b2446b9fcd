"""Label photos with timm's semi-supervised ResNeXts, compiled once and then run without torch."""

__version__ = "0.1.0"
