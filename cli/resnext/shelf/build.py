"""The second step where nothing is compiled yet: find the weights, build the model with timm, compile and keep it.

A warm start does not import this room.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from resnext.console.terminal import Notices
from resnext.engines import CLASSIFIER, Graph
from resnext.errors import HubUnreachable, ModelError
from resnext.models import catalog, hub, weights
from resnext.models.catalog import CONFIG_FILENAME, OWN_WEIGHTS, ModelName
from resnext.models.checkpoints import args_beside, stated_by_args
from resnext.models.hub import HubPause
from resnext.models.model_config import ModelConfig, checked_fields, read_config
from resnext.models.timm_names import check_name
from resnext.models.weights import WeightsFile
from resnext.records import Label
from resnext.shelf.choice import Asked, contents_of
from resnext.shelf.request import Adjustments
from resnext.store.digests import digest_of
from resnext.store.entries import CompiledModel, Provenance, current_provenance
from resnext.store.store import Store

if TYPE_CHECKING:
    from resnext.compiling.timm_models import TimmModel

T = TypeVar("T")


class Recipe(NamedTuple):
    """All that a model is made from; `config` has what is the user's own, or was asked for in place of it."""

    asked: Asked
    weights: WeightsFile
    config: ModelConfig

    def provenance(self, graph: Graph) -> Provenance:
        """Give the key of the compiled model.

        Raises:
            ModelError: openvino is not installed.
        """
        own = self.config.own()
        settings = digest_of(own) if own else ""
        return current_provenance(self.config.architecture, self.weights.digest, str(graph), settings)


class Built(NamedTuple):
    """A timm model with its weights, its classes and the licence of its weights."""

    model: "TimmModel"
    labels: tuple[Label, ...]
    licence: str


class Builder:
    """Compiles what is missing; says what is downloaded, how large it is and under which licence."""

    def __init__(self, notices: Notices, store: Store, hub_pause: HubPause) -> None:
        self._notices = notices
        self._store = store
        self._hub_pause = hub_pause

    # -- what it is made from ----------------------------------------------------------------------------------------

    def recipe(self, asked: Asked, adjustments: Adjustments, offline: bool) -> Recipe:
        """Find all that a model is made from, and fetch what is not on this machine.

        Raises:
            UsageError: neither the shelf nor timm knows the name.
            ModelError: the weights can't be had, in one line with what to do.
        """
        if not asked.name.is_own and asked.name.entry is None:
            check_name(asked.name.timm_name)
        if asked.weights is not None:
            found = weights.from_file(asked.weights)
            config = _config_of_checkpoint(asked, found)
        elif asked.name.folder is not None:
            config = read_config(asked.name.folder / CONFIG_FILENAME)
            found = _weights_in(asked.name.folder)
        elif asked.name.repo is not None:
            found = self._published(asked.name, asked.name.repo, offline)
            config = read_config(self._config_file(asked.name.repo, offline))
        else:
            found = self._of_shelf(asked.name, offline)
            config = ModelConfig(asked.name.timm_name)
        if asked.name.is_own:
            _check_architecture(config.architecture, asked.name)
        if adjustments.input_size is not None:
            config = replace(
                config, pretrained_cfg={**config.pretrained_cfg, "input_size": list(adjustments.input_size)}
            )
        return Recipe(asked, found, config)

    def download(self, name: ModelName) -> str | None:
        """Fetch the weights of a model for `--model auto`; give the reason where they can't be had, and note it."""
        try:
            self._download(name, _repo(name))
        except ModelError as error:
            unwritten = self._hub_pause.begin()
            if unwritten is not None:
                self._notices.detail(unwritten)
            return str(error)
        return None

    def _of_shelf(self, name: ModelName, offline: bool) -> WeightsFile:
        if name.entry is not None and name.entry.origin == "bundled":
            return weights.bundled()
        return self._published(name, _repo(name), offline)

    def _published(self, name: ModelName, repo: str, offline: bool) -> WeightsFile:
        cached = hub.find_cached(repo)
        if cached is None:
            remedy = "give --weights FILE, " if not name.is_own else ""
            if offline:
                raise ModelError(
                    f"{name.name} is not on this machine, and the network is switched off; go online once,"
                    f" {remedy}or use -m {catalog.BUNDLED_MODEL}"
                )
            try:
                self._download(name, repo)
            except HubUnreachable as error:
                raise ModelError(
                    f"{name.name} is not on this machine: {error}; try again with a network, {remedy}or use"
                    f" -m {catalog.BUNDLED_MODEL}"
                ) from error
            cached = hub.find_cached(repo)
            if cached is None:
                raise ModelError(f"{hub.hub_cache_folder()}: the download of {repo} is not there; is it being changed?")
        return cached.checked()

    def _config_file(self, repo: str, offline: bool) -> Path:
        path = hub.find_file(repo, CONFIG_FILENAME)
        if path is None and not offline:
            hub.hub_download(repo, (CONFIG_FILENAME,), lambda: None, bar=False)
            path = hub.find_file(repo, CONFIG_FILENAME)
        if path is None:
            raise ModelError(f"{repo}: its {CONFIG_FILENAME} is not on this machine; go online once")
        return path

    def _download(self, name: ModelName, repo: str) -> None:
        size = f", about {name.entry.download_mb} MB" if name.entry else ""
        licence = "" if name.is_own else f"; licence: {licence_of(name)}"
        hub.hub_download(
            repo,
            hub.HUB_FILENAMES,
            before=lambda: self._notices.info(f"downloading {name.name}{size}{licence}"),
            bar=self._notices.bars,
        )
        self._hub_pause.end()

    # -- build and compile ---------------------------------------------------------------------------------------------

    def compile(self, recipe: Recipe, graph: Graph, provenance: Provenance) -> CompiledModel:
        """Build the model, compile it and put it into the store.

        Raises:
            ModelError: the weights do not fit, or the model can't be compiled.
            OutputError: the store can't be written.
        """
        return undisturbed(lambda: self._compile(recipe, graph, provenance))

    def _compile(self, recipe: Recipe, graph: Graph, provenance: Provenance) -> CompiledModel:
        begin = time.monotonic()
        built = _build(recipe)
        what = recipe.asked.name.name
        if recipe.config.own():
            what += f", a {recipe.config.architecture}"
        if graph != CLASSIFIER:
            what += f" ({graph})"
        self._notices.info(f"compiling {what}, once; later runs start without torch")
        from resnext.compiling import convert
        from resnext.images.preprocess import from_pretrained_cfg

        with self._store.new_folder() as folder:
            convert.convert(built.model, graph, folder)
            draft = CompiledModel(
                folder=folder,
                provenance=provenance,
                weights_origin=recipe.weights.origin,
                licence=built.licence,
                preprocessing=from_pretrained_cfg(built.model.pretrained_cfg),
                pretrained_cfg=built.model.pretrained_cfg,
                num_classes=built.model.num_classes,
                num_features=built.model.num_features,
            )
            compiled = self._store.put(folder, draft, built.labels)
        self._notices.info(f"compiled {what} in {time.monotonic() - begin:.0f} s")
        return compiled

    def build(self, recipe: Recipe) -> Built:
        """Build the timm model, for the engine that runs it as it is.

        Raises:
            ModelError: the weights do not fit.
        """
        return undisturbed(lambda: _build(recipe))


def undisturbed(task: Callable[[], T]) -> T:
    """Run a task in a thread of its own, and wait for it.

    Signals are raised in the main thread, which then does nothing but wait: met in an import or in a callback of
    compiled code they would come out as another error, or end the process.
    """
    pool = ThreadPoolExecutor(1, "compile")
    try:
        return pool.submit(task).result()
    finally:
        pool.shutdown(wait=False)


def _build(recipe: Recipe) -> Built:
    from resnext.compiling import imagenet_labels, timm_models

    name, config = recipe.asked.name, recipe.config
    model = timm_models.build(config.architecture, recipe.weights, config)
    labels = config.labels
    if labels is None:
        labels = imagenet_labels.imagenet_labels(model.num_classes)
    elif len(labels) != model.num_classes:
        raise ModelError(f"{recipe.weights.path}: {len(labels)} names of classes, but {model.num_classes} classes")
    stated = config.pretrained_cfg.get("license")
    licence = stated or ("not stated" if name.is_own else timm_models.licence(config.architecture))
    return Built(model, labels, name.entry.licence if name.entry is not None else licence)


def _config_of_checkpoint(asked: Asked, found: WeightsFile) -> ModelConfig:
    """Read the classes and the preprocessing that a checkpoint states; leave out what is not valid."""
    contents = undisturbed(lambda: contents_of(found))
    stated = contents.stated_cfg or stated_by_args(args_beside(found.path))
    fields, _ = checked_fields({name: list(each) if isinstance(each, tuple) else each for name, each in stated.items()})
    labels = tuple(Label(index, name, name) for index, name in enumerate(contents.labels or ()))
    return ModelConfig(asked.name.timm_name, labels=labels or None, pretrained_cfg=fields)


def _weights_in(folder: Path) -> WeightsFile:
    path = next((folder / name for name in OWN_WEIGHTS if (folder / name).is_file()), None)
    if path is None:
        raise ModelError(f"{folder}: holds no weights; timm calls them {OWN_WEIGHTS[0]}")
    return weights.from_file(path)


def _check_architecture(architecture: str, name: ModelName) -> None:
    from resnext.models.timm_names import timm_names

    if timm_names().lack(architecture):
        raise ModelError(f"{name.name}: its architecture {architecture} is none of timm's")


def licence_of(name: ModelName) -> str:
    """Tell the licence of a model's published weights."""
    if name.entry is not None:
        return name.entry.licence

    def asked_of_timm() -> str:
        from resnext.compiling import timm_models

        return timm_models.licence(name.timm_name)

    return undisturbed(asked_of_timm)


def _repo(name: ModelName) -> str:
    """The hub repository of a model; only one that is not of the shelf needs timm to tell."""
    if name.entry is not None:
        return name.entry.hub_repo

    def asked_of_timm() -> str | None:
        from resnext.compiling import timm_models

        return timm_models.hub_repo(name.timm_name)

    repo = undisturbed(asked_of_timm)
    if repo is None:
        raise ModelError(f"{name.name} has no weights on the hub; give a checkpoint with --weights FILE")
    return repo
