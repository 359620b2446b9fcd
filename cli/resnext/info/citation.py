"""How to cite a model, as BibTeX; the entries are those of the model cards on the hub."""

from typing import Any

from resnext.info.page import Page
from resnext.models.catalog import DEFAULT_MODEL, ModelName
from resnext.shelf.choice import named
from resnext.store.store import Store

_SEMI_SUPERVISED = """\
@misc{yalniz2019billionscale,
  title         = {Billion-scale semi-supervised learning for image classification},
  author        = {I. Zeki Yalniz and Herv{\\'e} J{\\'e}gou and Kan Chen and Manohar Paluri and Dhruv Mahajan},
  year          = {2019},
  eprint        = {1905.00546},
  archivePrefix = {arXiv},
  primaryClass  = {cs.CV}
}"""
_RESNEXT = """\
@article{Xie2016,
  title   = {Aggregated Residual Transformations for Deep Neural Networks},
  author  = {Saining Xie and Ross Girshick and Piotr Doll{\\'a}r and Zhuowen Tu and Kaiming He},
  journal = {arXiv preprint arXiv:1611.05431},
  year    = {2016}
}"""
_EFFICIENTNET = """\
@inproceedings{tan2019efficientnet,
  title        = {EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks},
  author       = {Tan, Mingxing and Le, Quoc},
  booktitle    = {International Conference on Machine Learning},
  pages        = {6105--6114},
  year         = {2019},
  organization = {PMLR}
}"""
_TIMM = """\
@misc{rw2019timm,
  author       = {Ross Wightman},
  title        = {PyTorch Image Models},
  year         = {2019},
  publisher    = {GitHub},
  journal      = {GitHub repository},
  doi          = {10.5281/zenodo.4414861},
  howpublished = {\\url{https://github.com/huggingface/pytorch-image-models}}
}"""


def bibtex(name: ModelName) -> str:
    """The works behind a model; for one that is not on the shelf timm alone, whose hub card names the others."""
    if name.entry is None:
        return _TIMM
    works = (_SEMI_SUPERVISED, _RESNEXT) if name.entry.resnext is not None else (_EFFICIENTNET,)
    return "\n\n".join((*works, _TIMM))


def report(model: str | None, store: Store, offline: bool) -> dict[str, Any]:
    """`model` None is the default model, whether or not it is what runs now.

    Raises:
        UsageError: neither the shelf nor timm knows the name.
    """
    name = named(model or DEFAULT_MODEL, store, offline)
    if name.entry is None and not name.is_own:
        from resnext.models.timm_names import check_name

        check_name(name.timm_name)
    return {"model": name.name, "bibtex": bibtex(name)}


def show(found: dict[str, Any], page: Page) -> None:
    """The entries alone, for a file of references."""
    page.verbatim(found["bibtex"])
