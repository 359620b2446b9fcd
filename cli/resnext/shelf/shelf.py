"""A model by name -> all that a run needs of it: its labels, its preprocessing and a way to load its engine.

On the warm path this is a note, an entry and a digest check: no torch, no network. On the cold path it finds the
weights, builds the model with timm, compiles it and keeps it.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from resnext.console.terminal import Notices
from resnext.engines import CLASSIFIER, Engine, EngineName, EngineSpec, Graph, Precision, Tuning, load_engine
from resnext.engines.openvino.cached_graph import CachedGraph
from resnext.errors import DamagedEntry, UsageError
from resnext.models import catalog
from resnext.models.catalog import ModelName
from resnext.models.hub_pause import HubPause, hub_is_offline
from resnext.records import Label, PreprocessingConfig
from resnext.store import request_keys
from resnext.store.entries import CompiledModel, Provenance
from resnext.store.store import Store, cache_root
from resnext.store.versions import installed_version

if TYPE_CHECKING:
    from resnext.images.preprocess import Transform
    from resnext.models.weights import WeightsFile
    from resnext.shelf.provision import Provision


class ModelRequest(NamedTuple):
    """Which model to run and how. `device` other than "cpu" needs the torch engine.

    `outputs` names what is wanted of what `graph` computes. `tuning` None leaves it to the number of photos; with one
    that is named a photo's numbers do not depend on it.
    """

    model: str = catalog.AUTO
    weights: Path | None = None
    engine: EngineName = "openvino"
    device: str = "cpu"
    precision: Precision = "auto"
    batch_size: int | None = None
    offline: bool = False
    graph: Graph = CLASSIFIER
    outputs: tuple[str, ...] = ("logits",)
    tuning: Tuning | None = None


class OpenedModel(NamedTuple):
    """A model that is ready. `load(tuning)` gives its engine, tuned so unless the request says how.

    `transform` is timm's own, where the model's is not a resize and centre crop.
    """

    name: str
    weights_digest: str
    preprocessing: PreprocessingConfig
    labels: Callable[[], tuple[Label, ...]]
    num_classes: int
    load: Callable[[Tuning], Engine]
    transform: "Transform | None" = None


class Shelf:
    """Finds, builds and opens models; tells the user what takes long and what was not as asked."""

    def __init__(self, notices: Notices, store: Store | None = None) -> None:
        self._notices = notices
        self._store = store or Store(cache_root())
        self._hub_pause = HubPause(self._store.root)
        self._loaded: dict[Provenance, CompiledModel] = {}  # an entry is checked once a run

    def open(self, request: ModelRequest, *, few: bool = False) -> OpenedModel:
        """Open a model. `few` is a guess that few photos will come: what only many need is then checked when they do.

        Raises:
            ModelError: it can't be had, in one line with what to do. Only "auto" is ever replaced by another model.
        """
        if request.engine == "openvino" and request.device != "cpu":
            raise UsageError(f"--device {request.device} needs --engine torch")
        offline = request.offline or hub_is_offline()
        name = self._resolve(request, offline)
        if request.engine == "torch":
            return self._open_torch(name, request, offline)
        return self._open_compiled(name, request, offline, few)

    # -- which model -------------------------------------------------------------------------------------------------

    def _resolve(self, request: ModelRequest, offline: bool) -> ModelName:
        if request.model != catalog.AUTO:
            return catalog.resolve(request.model)
        if request.weights is not None:
            return self._model_of_checkpoint(request.weights)
        name = catalog.resolve(catalog.DEFAULT_MODEL)
        reason = self._why_not(name, request, offline)
        if reason is None:
            return name
        self._notices.warning(
            f"using the small bundled model {catalog.BUNDLED_MODEL}: {catalog.DEFAULT_MODEL} {reason};"
            f" with a network, '-m {catalog.DEFAULT_MODEL}' fetches it"
        )
        return catalog.resolve(catalog.BUNDLED_MODEL)

    def _why_not(self, name: ModelName, request: ModelRequest, offline: bool) -> str | None:
        """Say why the default model can't be used now; None if it can, with its weights then on this machine."""
        if request.engine == "openvino" and self._recall(request_keys.published(name, str(request.graph))) is not None:
            return None
        return self._provision().why_not(name, offline)

    def _model_of_checkpoint(self, path: Path) -> ModelName:
        """Tell by the tensors' shapes which SSL ResNeXt a checkpoint belongs to."""
        found = self._recalled_request(request_keys.checkpoint(None, path))
        if found is not None:
            return catalog.resolve(found.timm_name)
        from resnext.shelf.provision import model_of

        return model_of(path)

    def _provision(self) -> "Provision":
        from resnext.shelf.provision import Provision

        return Provision(self._notices, self._hub_pause)

    # -- compiled models ---------------------------------------------------------------------------------------------

    def _open_compiled(self, name: ModelName, request: ModelRequest, offline: bool, few: bool) -> OpenedModel:
        def checked() -> CompiledModel:
            return self._compiled(name, request.weights, request.graph, offline)

        whole = self._cached_whole(name, request) if few else None
        compiled = checked() if whole is None else whole[0]

        def load(tuning: Tuning) -> Engine:
            tuning = request.tuning or tuning
            if whole is None:
                return self._loaded_engine(name, _spec(compiled, request, tuning))
            if tuning == "latency":
                with suppress(DamagedEntry):  # OpenVINO refuses it, and the graph itself was not checked yet
                    return load_engine(_spec(compiled, request, tuning), whole[1])
            return self._loaded_engine(name, _spec(checked(), request, tuning))

        digest = compiled.provenance.weights_digest
        preprocessing = compiled.preprocessing
        transform = _own_transform(preprocessing)
        return OpenedModel(name.name, digest, preprocessing, compiled.labels, compiled.num_classes, load, transform)

    def _loaded_engine(self, name: ModelName, spec: EngineSpec) -> Engine:
        cached = CachedGraph(spec)
        if cached.takes_seconds_once:
            self._notices.info(f"preparing {name.name} for this processor, once")
        return load_engine(spec, cached)

    def _cached_whole(self, name: ModelName, request: ModelRequest) -> tuple[CompiledModel, CachedGraph] | None:
        """Give a model whose graph for one photo is cached with its weights; the model's own graph isn't checked."""
        provenance = self._recalled_request(_request(name, request.weights, request.graph))
        if provenance is None:
            return None
        with suppress(DamagedEntry):
            model = self._store.load(provenance, with_graph=False)
            if model is not None:
                cached = CachedGraph(_spec(model, request, request.tuning or "latency"))
                return None if cached.whole is None else (model, cached)
        return None

    def _compiled(self, name: ModelName, path: Path | None, graph: Graph, offline: bool) -> CompiledModel:
        request = _request(name, path, graph)
        recalled = self._recall(request)
        if recalled is not None:
            return recalled
        found = self._provision().find(name, path, offline)
        provenance = _current(name.timm_name, found.digest, str(graph))
        compiled = self._load(provenance)
        if compiled is None:
            with self._store.building(provenance):
                compiled = self._load(provenance) or self._build(name, found, graph, provenance)
        self._store.remember(request, provenance)
        if path is not None:
            self._store.remember(request_keys.checkpoint(None, path, str(graph)), provenance)
        return compiled

    def _recall(self, request: str) -> CompiledModel | None:
        provenance = self._recalled_request(request)
        return None if provenance is None else self._load(provenance)

    def _recalled_request(self, request: str) -> Provenance | None:
        noted = self._store.recall(request)
        if noted is None:
            return None
        return noted if noted == _current(noted.timm_name, noted.weights_digest, noted.graph) else None

    def _load(self, provenance: Provenance) -> CompiledModel | None:
        if provenance not in self._loaded:
            try:
                compiled = self._store.load(provenance)
            except DamagedEntry as error:
                self._notices.info(f"the compiled model is damaged and is built again ({error})")
                return None
            if compiled is None:
                return None
            self._loaded[provenance] = compiled
        return self._loaded[provenance]

    def _build(self, name: ModelName, found: "WeightsFile", graph: Graph, provenance: Provenance) -> CompiledModel:
        what = name.name if graph == CLASSIFIER else f"{name.name} ({graph})"
        self._notices.info(f"compiling {what}, once; later runs start without torch")
        begin = time.monotonic()
        from resnext.compiling import convert, imagenet_labels, timm_models
        from resnext.shelf.provision import licence_of

        model = timm_models.build(name.timm_name, found)
        with self._store.new_folder() as folder:
            convert.convert(model, graph, folder)
            draft = CompiledModel(
                folder=folder,
                provenance=provenance,
                weights_origin=found.origin,
                licence=licence_of(name),
                preprocessing=_preprocessing(model.pretrained_cfg),
                pretrained_cfg=model.pretrained_cfg,
                num_classes=model.num_classes,
                num_features=model.num_features,
            )
            compiled = self._store.put(folder, draft, imagenet_labels.imagenet_labels(model.num_classes))
        self._notices.info(f"compiled {what} in {time.monotonic() - begin:.0f} s")
        return compiled

    # -- the reference engine ----------------------------------------------------------------------------------------

    def _open_torch(self, name: ModelName, request: ModelRequest, offline: bool) -> OpenedModel:
        from resnext.compiling import imagenet_labels, outputs, timm_models
        from resnext.engines.torch_engine import TorchEngine

        found = self._provision().find(name, request.weights, offline)
        model = timm_models.build(name.timm_name, found)
        preprocessing = _preprocessing(model.pretrained_cfg)
        return OpenedModel(
            name=name.name,
            weights_digest=found.digest,
            preprocessing=preprocessing,
            labels=lambda: imagenet_labels.imagenet_labels(model.num_classes),
            num_classes=model.num_classes,
            load=lambda tuning: TorchEngine(
                outputs.outputs_of(model, request.graph),
                request.graph.outputs,
                request.outputs,
                request.device,
                request.precision,
                request.batch_size,
                _what_is_left(preprocessing),
            ),
            transform=_own_transform(preprocessing),
        )


def _spec(model: CompiledModel, request: ModelRequest, tuning: Tuning) -> EngineSpec:
    return EngineSpec(
        model.graph,
        request.outputs,
        request.precision,
        tuning,
        request.batch_size,
        _what_is_left(model.preprocessing),
        model.digest,
    )


def _preprocessing(pretrained_cfg: dict[str, Any]) -> PreprocessingConfig:
    from resnext.images.preprocess import from_pretrained_cfg

    return from_pretrained_cfg(pretrained_cfg)


def _what_is_left(preprocessing: PreprocessingConfig) -> PreprocessingConfig | None:
    """What an engine has to do of the preprocessing: normalise, but for a model that gets timm's own transform."""
    from resnext.images.preprocess import is_supported

    return preprocessing if is_supported(preprocessing) else None


def _own_transform(preprocessing: PreprocessingConfig) -> "Transform | None":
    """timm's transform, which imports torch, for the few models whose own is not a resize and centre crop."""
    from resnext.images.preprocess import is_supported

    if is_supported(preprocessing):
        return None
    from resnext.compiling.timm_models import timm_transform

    return timm_transform(preprocessing)


def _current(timm_name: str, weights_digest: str, graph: str) -> Provenance:
    """What the installed versions would make."""
    return Provenance(timm_name, weights_digest, installed_version("timm"), installed_version("openvino"), graph)


def _request(name: ModelName, path: Path | None, graph: Graph) -> str:
    text = str(graph)
    return request_keys.published(name, text) if path is None else request_keys.checkpoint(name, path, text)
