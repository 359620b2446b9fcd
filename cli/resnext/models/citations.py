"""How to cite the models, as BibTeX; the entries are those of their model cards on the hub."""

from resnext.models.catalog import ModelName

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
