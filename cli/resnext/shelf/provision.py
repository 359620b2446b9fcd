"""Where a named model's weights come from: a file, the bundled package, the hub's cache, or the hub.

Only what is not compiled yet needs any of it: a warm start does not import this room.
"""

from pathlib import Path

from resnext.console.terminal import Notices
from resnext.errors import HubUnreachable, ModelError
from resnext.models import catalog, checkpoints, weights
from resnext.models.catalog import ModelName
from resnext.models.hub_pause import HubPause
from resnext.models.weights import WeightsFile


class Provision:
    """Finds weights and fetches them; tells the user what is downloaded, how large it is and under which licence."""

    def __init__(self, notices: Notices, hub_pause: HubPause) -> None:
        self._notices = notices
        self._hub_pause = hub_pause

    def find(self, name: ModelName, path: Path | None, offline: bool) -> WeightsFile:
        """Find a named model's weights, those in the file `path` if there is one.

        Raises:
            ModelError: they can't be had, in one line with what to do.
        """
        if path is not None:
            return weights.from_file(path)
        if name.entry is not None and name.entry.origin == "bundled":
            return weights.bundled()
        repo = _repo(name)
        cached = weights.hub_cached(repo)
        if cached is not None:
            return cached
        if offline:
            raise ModelError(
                f"{name.name} is not on this machine, and the network is switched off; go online once,"
                f" give --weights FILE, or use -m {catalog.BUNDLED_MODEL}"
            )
        try:
            return self._download(name, repo)
        except HubUnreachable as error:
            raise ModelError(
                f"{name.name} is not on this machine: {error}; try again with a network, give --weights FILE,"
                f" or use -m {catalog.BUNDLED_MODEL}"
            ) from error

    def why_not(self, name: ModelName, offline: bool) -> str | None:
        """Say why a model can't be used now; None if it can, with its weights then on this machine."""
        repo = _repo(name)
        if weights.hub_cached(repo) is not None:
            return None
        if offline:
            return "is not on this machine, and the network is switched off"
        if self._hub_pause.lasts():
            return "is not on this machine, and its hub could not be reached a short time ago"
        try:
            self._download(name, repo)
        except ModelError as error:
            unwritten = self._hub_pause.begin()
            if unwritten is not None:
                self._notices.detail(unwritten)
            return f"can't be downloaded: {error}"
        return None

    def _download(self, name: ModelName, repo: str) -> WeightsFile:
        size = f", about {name.entry.download_mb} MB" if name.entry else ""
        found = weights.hub_download(
            repo,
            before=lambda: self._notices.info(f"downloading {name.name}{size}; licence: {licence_of(name)}"),
            bar=self._notices.bars,
        )
        self._hub_pause.end()
        return found


def model_of(path: Path) -> ModelName:
    """Tell by the tensors' shapes which SSL ResNeXt a checkpoint belongs to.

    Raises:
        ModelError: to none of them.
    """
    name = checkpoints.ssl_resnext_of(holdings_of(weights.from_file(path)).shapes)
    if name is None:
        raise ModelError(f"{path}: not one of the SSL ResNeXts; name its architecture with -m (any timm name)")
    return catalog.resolve(name)


def holdings_of(found: WeightsFile) -> checkpoints.Holdings:
    """Tell what a checkpoint holds; torch is needed for a pickled one alone.

    Raises:
        ModelError: it is damaged, or can't be read without running code from it.
    """
    if found.kind == "safetensors":
        return checkpoints.read_header(found)
    from resnext.compiling import timm_models

    return timm_models.read_holdings(found)


def licence_of(name: ModelName) -> str:
    """The licence of a model's published weights."""
    if name.entry is not None:
        return name.entry.licence
    from resnext.compiling import timm_models

    return timm_models.licence(name.timm_name)


def _repo(name: ModelName) -> str:
    """The hub repository of a model; only one that is not of the shelf needs timm to tell."""
    if name.entry is not None:
        return name.entry.hub_repo
    from resnext.compiling import timm_models

    repo = timm_models.hub_repo(name.timm_name)
    if repo is None:
        raise ModelError(f"{name.name} has no weights on the hub; give a checkpoint with --weights FILE")
    return repo
