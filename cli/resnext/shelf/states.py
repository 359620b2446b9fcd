"""How near at hand each model is, and what `--model auto` means right now: a look at the disk, not at the network."""

from dataclasses import dataclass
from typing import Literal

from resnext.models import catalog
from resnext.models.catalog import CatalogEntry
from resnext.models.hub import CachedWeights, find_cached
from resnext.models.hub_pause import HubPause, hub_is_offline
from resnext.store import inventory, request_keys
from resnext.store.inventory import StoredEntry
from resnext.store.store import Store

StateName = Literal["compiled", "bundled", "cached", "download"]
STATE_TEXTS: dict[StateName, str] = {
    "compiled": "compiled for this machine",
    "bundled": "bundled",
    "cached": "weights cached",
    "download": "to be downloaded",
}


@dataclass(frozen=True, slots=True)
class ModelState:
    """`compiled`: the entry of the store that serves it; `cached`: its weights in the hub's cache."""

    name: StateName
    compiled: StoredEntry | None
    cached: CachedWeights | None


@dataclass(frozen=True, slots=True)
class AutoChoice:
    """The model that `--model auto` takes now, and why in words that follow the name."""

    name: str
    reason: str


def state_of(entry: CatalogEntry, store: Store) -> ModelState:
    """How near a model of the shelf is; what is nearest counts: compiled, bundled, cached, to be downloaded."""
    compiled = inventory.find(store, request_keys.published(catalog.resolve(entry.name)))
    cached = find_cached(entry.hub_repo) if entry.origin == "hub" else None
    if compiled is not None:
        return ModelState("compiled", compiled, cached)
    if entry.origin == "bundled":
        return ModelState("bundled", None, None)
    return ModelState("cached" if cached is not None else "download", None, cached)


def auto_choice(store: Store, offline: bool) -> AutoChoice:
    """What `--model auto` takes now, as the shelf decides it, but without asking the hub."""
    default = catalog.resolve(catalog.DEFAULT_MODEL).entry
    assert default is not None
    state = state_of(default, store).name
    if state == "compiled":
        return AutoChoice(default.name, "it is compiled for this machine")
    if state == "cached":
        return AutoChoice(default.name, "its weights are cached, the first run compiles it")
    missing = f"{default.name} is not on this machine"
    if offline or hub_is_offline():
        return AutoChoice(catalog.BUNDLED_MODEL, f"{missing}, and the network is switched off")
    if HubPause(store.root).lasts():
        return AutoChoice(catalog.BUNDLED_MODEL, f"{missing}, and its hub could not be reached a short time ago")
    return AutoChoice(
        default.name,
        f"the next run downloads its {default.download_mb} MB; if the hub does not answer,"
        f" {catalog.BUNDLED_MODEL} stands in",
    )
