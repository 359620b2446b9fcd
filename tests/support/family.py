"""The SSL ResNeXts of the shelf, as parameters of tests."""

import pytest

from resnext.models.catalog import CATALOG

FAMILY = [entry for entry in CATALOG if entry.origin == "hub"]
# One runs always; the larger ones take the same path, for a minute and more each.
FAMILY_BY_SIZE = [FAMILY[0], *(pytest.param(entry, marks=pytest.mark.slow) for entry in FAMILY[1:])]
