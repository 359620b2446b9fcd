"""timm models -> modules that compute one Graph: pixels (B, 3, H, W) to a tuple of its outputs."""

from typing import Any

import torch

from resnext.compiling.timm_models import TimmModel, import_timm
from resnext.engines import Graph
from resnext.errors import ModelError


def outputs_of(model: TimmModel, graph: Graph) -> torch.nn.Module:
    """Make the module that computes `graph` with the weights of `model`, in evaluation mode.

    Raises:
        ModelError: timm has no such outputs of this model.
    """
    if graph.kind == "classifier":
        return _Classifier(model.module).eval()
    if graph.kind == "unpooled":
        return _LastMap(model.module).eval()
    return _Pyramid(_features_only(model, graph.out_indices)).eval()


class _Classifier(torch.nn.Module):
    """Logits and, from the same pass, the pooled features before the classifier."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model: Any = model

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        features = self.model.forward_features(pixels)
        return self.model.forward_head(features), self.model.forward_head(features, pre_logits=True)


class _LastMap(torch.nn.Module):
    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model: Any = model

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (self.model.forward_features(pixels),)


class _Pyramid(torch.nn.Module):
    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(self.model(pixels))


def _features_only(model: TimmModel, out_indices: tuple[int, ...]) -> torch.nn.Module:
    """timm's own features_only model, with the weights of a classifier that is built already."""
    name = model.pretrained_cfg.get("architecture") or type(model.module).__name__
    try:
        pyramid: torch.nn.Module = import_timm().create_model(
            name, pretrained=False, features_only=True, out_indices=out_indices, exportable=True
        )
    except (RuntimeError, AttributeError, KeyError, IndexError, AssertionError, TypeError, ValueError) as error:
        levels = ",".join(map(str, out_indices))
        raise ModelError(f"timm has no features of {name} at --out-indices {levels}; name other levels") from error
    weights = model.module.state_dict()
    missing = set(pyramid.state_dict()) - set(weights)
    if missing:
        raise ModelError(f"timm renames the weights of {name} for multiscale features, which can't be followed here")
    pyramid.load_state_dict({name: weights[name] for name in pyramid.state_dict()})
    return pyramid
