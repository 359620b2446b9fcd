"""Licences of weights in plain words. A summary for orientation; the licence itself decides."""

# By timm's identifiers (pretrained_cfg["license"]), and by those of the catalogue.
_TERMS = {
    "cc-by-nc-4.0": (
        "CC-BY-NC 4.0: to use, change and share with credit to the authors, but not for commercial use"
        " (https://creativecommons.org/licenses/by-nc/4.0/)"
    ),
    "apache-2.0": "Apache-2.0: for any use, also commercial; copies carry the licence and its notices",
    "mit": "MIT: for any use, also commercial; copies carry the licence",
    "bsd-3-clause": "BSD 3-Clause: for any use, also commercial; copies carry the licence",
}


def licence_terms(licence: str) -> str:
    """What a licence allows, by the name that timm or the catalogue gives it; unknown ones are named alone."""
    identifier = licence.split(" (")[0].strip().replace(" ", "-").casefold()
    return _TERMS.get(identifier, f"{licence or 'not stated'}; read its terms before you use the model")
