"""The first step: which model a request means now, found on the disk. The network is not asked here."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from resnext.errors import ModelError, UsageError
from resnext.models import catalog
from resnext.models.catalog import CatalogEntry, ModelName
from resnext.models.hub import CachedWeights, HubPause, find_cached, find_file, hub_is_offline
from resnext.store import request_keys
from resnext.store.store import Store

if TYPE_CHECKING:
    from resnext.models.checkpoints import CheckpointContents
    from resnext.models.model_config import ModelConfig
    from resnext.models.weights import WeightsFile
    from resnext.store.inventory import StoredEntry

StateName = Literal["compiled", "bundled", "cached", "download"]
STATE_TEXTS: dict[StateName, str] = {
    "compiled": "compiled for this machine",
    "bundled": "bundled",
    "cached": "weights cached",
    "download": "to be downloaded",
}


class ModelState(NamedTuple):
    """`compiled`: the entry of the store that serves it; `cached`: its weights in the hub's cache."""

    name: StateName
    compiled: "StoredEntry | None"
    cached: CachedWeights | None


def state_of(entry: CatalogEntry, store: Store) -> ModelState:
    """Find the state of a model of the shelf: compiled, else bundled, else cached, else to be downloaded."""
    from resnext.store import inventory

    compiled = inventory.find(store, request_keys.published(catalog.resolve(entry.name)))
    cached = find_cached(entry.hub_repo) if entry.origin == "hub" else None
    if compiled is not None:
        return ModelState("compiled", compiled, cached)
    if entry.origin == "bundled":
        return ModelState("bundled", None, None)
    return ModelState("cached" if cached is not None else "download", None, cached)


class AutoChoice(NamedTuple):
    """The model that `--model auto` takes now; `reason` completes a sentence that begins with its name.

    With `asks_hub` it has to be downloaded first; the bundled one is used where that fails.
    """

    name: str
    reason: str
    asks_hub: bool = False


def choose_auto(compiled: bool, offline: bool, pause: HubPause) -> AutoChoice:
    """Choose the model of `--model auto`; `compiled` says whether the default one is compiled for this computation."""
    default = catalog.resolve(catalog.DEFAULT_MODEL).entry
    assert default is not None
    if compiled:
        return AutoChoice(default.name, "it is compiled for this machine")
    if find_cached(default.hub_repo) is not None:
        return AutoChoice(default.name, "its weights are cached, the first run compiles it")
    if offline or hub_is_offline():
        return AutoChoice(catalog.BUNDLED_MODEL, f"{default.name} is not here, and the network is switched off")
    if pause.lasts():
        return AutoChoice(catalog.BUNDLED_MODEL, f"{default.name} is not here; its hub failed a short time ago")
    return AutoChoice(
        default.name,
        f"the next run downloads its {default.download_mb} MB; if the hub does not answer,"
        f" {catalog.BUNDLED_MODEL} stands in",
        asks_hub=True,
    )


def auto_choice(store: Store, offline: bool) -> AutoChoice:
    """Choose the model that `classify` takes for `--model auto` now."""
    from resnext.store import inventory

    key = request_keys.published(catalog.resolve(catalog.DEFAULT_MODEL))
    return choose_auto(inventory.find(store, key) is not None, offline, HubPause(store.root))


def named(model: str, store: Store, offline: bool) -> ModelName:
    """Resolve a model's name; "auto" is what it means now."""
    return catalog.resolve(auto_choice(store, offline).name if catalog.is_auto(model) else model)


class Asked(NamedTuple):
    """The model of a request. `weights` is a file of the user's own; without it a model's published weights, or those
    of its folder, are meant.
    """

    name: ModelName
    weights: Path | None = None

    def key(self, graph: str = request_keys.CLASSIFIER, size: str = "") -> str:
        """The text under which the store notes what answered this.

        Raises:
            ModelError: the file or folder can't be read.
        """
        if self.weights is not None:
            return request_keys.checkpoint(self.name, self.weights, graph, size)
        if self.name.folder is not None:
            return request_keys.folder(self.name.folder, graph, size)
        return request_keys.published(self.name, graph, size)


def config_of(name: ModelName) -> "ModelConfig | None":
    """Read the config.json of a model of the user's own, if it is here; None for any other model.

    Raises:
        ModelError: it is not on this machine, or not as timm writes it.
    """
    if not name.is_own:
        return None
    from resnext.models.model_config import read_config

    path = name.folder / catalog.CONFIG_FILENAME if name.folder is not None else None
    if name.repo is not None:
        path = find_file(name.repo, catalog.CONFIG_FILENAME)
    if path is None:
        raise ModelError(f"{name.name} is not on this machine; resnext info --download {name.name} fetches it")
    return read_config(path)


def own_checkpoint(model: str, path: Path, store: Store, graph: str = request_keys.CLASSIFIER, size: str = "") -> Asked:
    """Find the architecture of a checkpoint: the one that is named, else the one that the file states or shows.

    Raises:
        UsageError: the name is that of a model with weights of its own.
        ModelError: the file can't be read, or does not tell.
    """
    if not catalog.is_auto(model):
        name = catalog.resolve(model)
        if name.is_own:
            raise UsageError(f"{model} has weights of its own; it goes without --weights")
        return Asked(ModelName(catalog.own_name(path), name.timm_name, name.entry), path)
    noted = store.recall_current(request_keys.checkpoint(None, path, graph, size))
    timm_name = noted.timm_name if noted is not None else architecture_of(path)
    return Asked(ModelName(catalog.own_name(path), timm_name), path)


def architecture_of(path: Path) -> str:
    """Find timm's architecture of a checkpoint by what it states, else by the shapes of its tensors.

    Raises:
        ModelError: it can't be read, or tells nothing.
    """
    from resnext.models import checkpoints
    from resnext.models.timm_names import timm_names
    from resnext.models.weights import from_file

    contents = contents_of(from_file(path))
    args = checkpoints.args_beside(path)
    ssl = checkpoints.ssl_resnext_of(contents.shapes)
    for stated in (checkpoints.stated_architecture(contents.metadata), checkpoints.stated_architecture(args)):
        if stated is not None and not catalog.is_auto(stated):
            name = catalog.resolve(stated)
            if not name.is_own and timm_names().architectures and not timm_names().lack(name.timm_name):
                return name.timm_name
    if ssl is not None:
        return catalog.resolve(ssl).timm_name
    told = checkpoints.resnet_of(contents.shapes)
    if told is None:
        raise ModelError(f"{path}: does not tell its architecture; name it with -m (any timm name)")
    return told


def contents_of(found: "WeightsFile") -> "CheckpointContents":
    """Read what a checkpoint holds; only a pickled one needs torch.

    Raises:
        ModelError: it is damaged, or can't be read without running code from it.
    """
    from resnext.models.checkpoints import read_header

    if found.kind == "safetensors":
        return read_header(found)
    from resnext.compiling.checkpoint_files import read_contents

    return read_contents(found)
