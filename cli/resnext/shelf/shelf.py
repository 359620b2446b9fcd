"""A model by name -> all that a run needs of it: its labels, its preprocessing and a way to load its engine.

Three steps: choose what is meant; recall what was compiled of it, or build it; open it. On the warm path this is a
note, an entry and a digest check: no torch, no network.
"""

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from resnext.console.terminal import Notices
from resnext.engines import Engine, EngineSpec, Tuning, load_engine
from resnext.engines.openvino.cached_graph import CachedGraph
from resnext.engines.openvino.processor import INT8, int8_graph, this_processor
from resnext.errors import DamagedEntry, OutputError, UsageError
from resnext.models import catalog
from resnext.models.hub import HubPause, hub_is_offline
from resnext.shelf.choice import Asked, choose_auto, own_checkpoint
from resnext.shelf.opened import adjusted, identity, opened, spec_of
from resnext.shelf.request import ModelRequest, OpenedModel, own_transform, what_is_left
from resnext.store import request_keys
from resnext.store.digests import digest_of
from resnext.store.entries import CompiledModel, Provenance
from resnext.store.store import Store, cache_root

if TYPE_CHECKING:
    from resnext.records import Pixels
    from resnext.shelf.build import Builder, Recipe
    from resnext.shelf.quantized import Judge

__all__ = ["ModelRequest", "OpenedModel", "Shelf"]


class Recalled(NamedTuple):
    """A compiled model. `whole`: its graph for one photo, cached with weights; its own graph isn't checked then."""

    model: CompiledModel
    whole: CachedGraph | None = None


class Shelf:
    """Finds, builds and opens models; says what takes long and what differs from what was asked."""

    def __init__(self, notices: Notices, store: Store | None = None) -> None:
        self._notices = notices
        self._store = store or Store(cache_root())
        self._hub_pause = HubPause(self._store.root)
        # An entry is checked once a run.
        self._loaded: dict[Provenance, CompiledModel] = {}
        self._whole: dict[EngineSpec, Recalled] = {}

    def open(self, request: ModelRequest, *, few: bool = False) -> OpenedModel:
        """Open a model. `few` is a guess that few photos will come: what only many need is then checked when they do.

        Raises:
            UsageError: no model is called so.
            ModelError: it can't be had, in one line with what to do. Only "auto" is ever replaced by another model.
        """
        if request.engine == "openvino" and request.device != "cpu":
            raise UsageError(f"--device {request.device} needs --engine torch")
        offline = request.offline or hub_is_offline()
        asked = self._choose(request, offline, few)
        if request.engine == "torch":
            return self._open_torch(asked, request, offline)
        return self._open_compiled(asked, request, offline, few)

    # -- choose ------------------------------------------------------------------------------------------------------

    def _choose(self, request: ModelRequest, offline: bool, few: bool) -> Asked:
        if request.weights is not None:
            size = request.adjustments.size_text
            return own_checkpoint(request.model, request.weights, self._store, str(request.graph), size)
        if not catalog.is_auto(request.model):
            return Asked(catalog.resolve(request.model))
        default = Asked(catalog.resolve(catalog.DEFAULT_MODEL))
        in_any = request._replace(precision="auto")
        compiled = request.engine == "openvino" and self._recalled(default, in_any, few) is not None
        choice = choose_auto(compiled, offline, self._hub_pause)
        name, reason = choice.name, choice.reason
        if choice.asks_hub:
            failed = self._builder().download(default.name)
            if failed is not None:
                name, reason = catalog.BUNDLED_MODEL, f"{default.name.name} can't be downloaded: {failed}"
        # With --offline or --quiet the rows alone say which model answered.
        if name == catalog.BUNDLED_MODEL and not request.offline and not self._notices.quiet:
            self._notices.warning(f"using the small bundled model: {reason}")
        return Asked(catalog.resolve(name))

    # -- recall or build ---------------------------------------------------------------------------------------------

    def _recalled(self, asked: Asked, request: ModelRequest, few: bool) -> Recalled | None:
        """Give what was compiled of a model; for few photos a graph that is cached whole is enough."""
        provenance = self._store.recall_current(_key(asked, request))
        if provenance is None:
            return None
        whole = self._cached_whole(provenance, request) if few else None
        if whole is not None:
            return whole
        model = self._load(provenance)
        return None if model is None else Recalled(model)

    def _cached_whole(self, provenance: Provenance, request: ModelRequest) -> Recalled | None:
        """Give a model whose graph for one photo is cached with its weights; the model's own graph isn't checked."""
        with suppress(DamagedEntry):
            model = self._store.load(provenance, with_graph=False)
            if model is not None:
                spec = spec_of(model, request, request.tuning or "latency")
                if spec not in self._whole:
                    cached = CachedGraph(spec)
                    if cached.whole is None:
                        return None
                    self._whole[spec] = Recalled(model, cached)
                return self._whole[spec]
        return None

    def _load(self, provenance: Provenance) -> CompiledModel | None:
        if provenance not in self._loaded:
            try:
                compiled = self._store.load(provenance)
            except DamagedEntry as error:
                what_now = "" if provenance.graph.startswith(INT8) else " and is built again"
                self._notices.info(f"the compiled model is damaged{what_now} ({error})")
                return None
            if compiled is None:
                return None
            self._loaded[provenance] = compiled
        return self._loaded[provenance]

    def _built(self, asked: Asked, request: ModelRequest, offline: bool) -> CompiledModel:
        """Compile a model, or find it compiled from the same weights under another name.

        Raises:
            UsageError: int8 is asked for, which `quantize` alone makes.
        """
        if request.precision == "int8":
            weights = f" --weights {asked.weights}" if asked.weights is not None else ""
            raise UsageError(
                f"{asked.name.name} is not there in int8 for this processor; some hundred of your photos make it:"
                f" resnext quantize PHOTOS... -m {asked.name.name}{weights}"
            )
        builder = self._builder()
        recipe = builder.recipe(asked, request.adjustments, offline)
        provenance = recipe.provenance(request.graph)
        compiled = self._load(provenance)
        if compiled is None:
            with self._store.building(provenance):
                compiled = self._load(provenance) or builder.compile(recipe, request.graph, provenance)
        keys = [_key(asked, request)]
        if asked.weights is not None:
            size = request.adjustments.size_text
            keys.append(request_keys.checkpoint(None, asked.weights, str(request.graph), size))
        try:
            for key in keys:
                self._store.remember(key, provenance)
        except OutputError as error:  # a full disk: the model itself is sound, and is found again by its weights
            self._notices.detail(str(error))
        return compiled

    def quantize(
        self, request: ModelRequest, photos: "Pixels", demands: dict[str, Any], judge: "Judge", *, again: bool
    ) -> CompiledModel:
        """Give the model's int8 graph, calibrated on `photos`; with `again` it is made even if it is there.

        Raises:
            UsageError, ModelError: it can't be had, as `open` and `Quantization.make` say.
            OutputError: the store can't be written.
        """
        from resnext.shelf.build import undisturbed
        from resnext.shelf.quantized import Quantization

        offline = request.offline or hub_is_offline()
        asked = self._choose(request, offline, few=False)
        recalled = self._recalled(asked, request, few=False)
        base = recalled.model if recalled is not None else self._built(asked, request, offline)

        def made() -> CompiledModel:
            work = Quantization(base, photos, demands, self._store)
            with self._store.building(work.provenance):
                found = None if again else self._load(work.provenance)
                model = found or work.make(judge, self._notices, again=again)
            self._store.remember(_key(asked, request._replace(precision="int8")), model.provenance)
            return model

        return undisturbed(made)

    def base(self, request: ModelRequest) -> "tuple[Recipe, CompiledModel]":
        """Give what a model is made from, and what was compiled of it: for a model that begins with its weights.

        Raises:
            UsageError, ModelError: it can't be had, as `open` says.
        """
        offline = request.offline or hub_is_offline()
        asked = self._choose(request, offline, few=False)
        recalled = self._recalled(asked, request, few=False)
        compiled = recalled.model if recalled is not None else self._built(asked, request, offline)
        return self._builder().recipe(asked, request.adjustments, offline), compiled

    def _builder(self) -> "Builder":
        from resnext.shelf.build import Builder

        return Builder(self._notices, self._store, self._hub_pause)

    # -- open --------------------------------------------------------------------------------------------------------

    def _open_compiled(self, asked: Asked, request: ModelRequest, offline: bool, few: bool) -> OpenedModel:
        def checked() -> CompiledModel:
            recalled = self._recalled(asked, request, few=False)
            return recalled.model if recalled is not None else self._built(asked, request, offline)

        def load(tuning: Tuning) -> Engine:
            tuning = request.tuning or tuning
            if whole is None:
                return self._loaded_engine(name, spec_of(compiled, request, tuning))
            if tuning == "latency":
                with suppress(DamagedEntry):  # OpenVINO refuses it, and the graph itself was not checked yet
                    return load_engine(spec_of(compiled, request, tuning), whole)
            return self._loaded_engine(name, spec_of(checked(), request, tuning))

        recalled = self._recalled(asked, request, few)
        compiled, whole = recalled or Recalled(self._built(asked, request, offline))
        name = asked.name.name
        return opened(f"{name}:int8" if request.precision == "int8" else name, compiled, request, load)

    def open_adopted(self, name: str, compiled: CompiledModel, request: ModelRequest) -> OpenedModel:
        """Open a compiled model that came from another machine, and is called so there."""
        of = name.removesuffix(":int8")
        return opened(
            name, compiled, request,
            lambda tuning: self._loaded_engine(of, spec_of(compiled, request, request.tuning or tuning)),
        )  # fmt: skip

    def _loaded_engine(self, name: str, spec: EngineSpec) -> Engine:
        if spec.precision == "int8" and not this_processor().has_int8:
            self._notices.info(
                f"this processor has neither VNNI nor AMX; 'resnext info {name}' shows whether anything is"
                " gained by int8"
            )
        cached = CachedGraph(spec)
        if cached.takes_seconds_once:
            self._notices.info(f"preparing {name} for this processor, once")
        return load_engine(spec, cached)

    def _open_torch(self, asked: Asked, request: ModelRequest, offline: bool) -> OpenedModel:
        builder = self._builder()
        recipe = builder.recipe(asked, request.adjustments, offline)
        built = builder.build(recipe)
        from resnext.compiling import outputs
        from resnext.engines.torch_engine import TorchEngine
        from resnext.images.preprocess import from_pretrained_cfg

        preprocessing = adjusted(from_pretrained_cfg(built.model.pretrained_cfg), request)
        own = recipe.config.own()
        return OpenedModel(
            name=asked.name.name,
            weights_digest=identity(recipe.weights.digest, digest_of(own) if own else ""),
            preprocessing=preprocessing,
            labels=lambda: built.labels,
            num_classes=built.model.num_classes,
            num_features=built.model.num_features,
            load=lambda tuning: TorchEngine(
                outputs.outputs_of(built.model, request.graph),
                request.graph.outputs,
                request.outputs,
                request.device,
                request.precision,
                request.batch_size,
                what_is_left(preprocessing),
            ),
            transform=own_transform(preprocessing),
        )


def _key(asked: Asked, request: ModelRequest) -> str:
    graph = int8_graph() if request.precision == "int8" else str(request.graph)
    return asked.key(graph, request.adjustments.size_text)
