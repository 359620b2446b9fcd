"""One entry of the store of compiled models: its files, what they say of themselves, and whether they are whole.

The check finds damage that is there when it looks. OpenVINO opens the graph again afterwards: a change between the two,
or by somebody with the user's own rights, is not defended against.
"""

import json
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, NamedTuple

from resnext.disk import read_regular
from resnext.errors import DamagedEntry, ModelError
from resnext.records import Label, PreprocessingConfig
from resnext.store.digests import digest_and_size, digest_of

FORMAT_VERSION = 5
GRAPH = "graph.xml"
GRAPH_WEIGHTS = "graph.bin"
LABELS = "labels.json"
ENTRY = "entry.json"
CHECKED_FILES = (GRAPH, GRAPH_WEIGHTS, LABELS)


class Provenance(NamedTuple):
    """What a compiled model was made from and what it computes; equal provenance, equal key.

    `settings` is a digest of what differs from the architecture as timm publishes it: own classes, labels, input size.
    """

    timm_name: str
    weights_digest: str
    timm_version: str
    openvino_version: str
    graph: str = "classifier"  # what is computed: str(engines.Graph)
    format_version: int = FORMAT_VERSION
    settings: str = ""

    @property
    def key(self) -> str:
        return digest_of(self._asdict())[:20]

    @property
    def is_current(self) -> bool:
        """Whether the installed versions would make, and look for, the same entry."""
        try:
            return self == current_provenance(self.timm_name, self.weights_digest, self.graph, self.settings)
        except ModelError:  # without openvino no entry can be used
            return False


def current_provenance(timm_name: str, weights_digest: str, graph: str, settings: str = "") -> Provenance:
    """Give the provenance that the installed versions would make.

    Raises:
        ModelError: timm or openvino is not installed.
    """
    versions = installed_version("timm"), installed_version("openvino")
    return Provenance(timm_name, weights_digest, *versions, graph, settings=settings)


def installed_version(package: str) -> str:
    """The version of an installed package without importing it, from the name of its metadata folder.

    importlib.metadata does the same in 15 ms, a twentieth of a whole start.
    """
    spec = PathFinder.find_spec(package)
    for location in (spec.submodule_search_locations or ()) if spec else ():
        for metadata in Path(location).parent.glob(f"{package}-*.dist-info"):
            return metadata.name.removeprefix(f"{package}-").removesuffix(".dist-info")
    from importlib import metadata as importlib_metadata

    try:
        return importlib_metadata.version(package)
    except importlib_metadata.PackageNotFoundError as error:
        remedy = "use --engine torch" if package == "openvino" else "pip install it again"
        raise ModelError(f"the package {package} is not installed; {remedy}") from error


class CompiledModel(NamedTuple):
    """A checked entry of the store. `weights_origin` is for people; `num_features` is the embeddings' length D.

    `quantization` is the report of an int8 graph. `digest` is that of all that is stored of it; a draft that was not
    stored yet has none.
    """

    folder: Path
    provenance: Provenance
    weights_origin: str
    licence: str
    preprocessing: PreprocessingConfig
    pretrained_cfg: dict[str, Any]
    num_classes: int
    num_features: int
    quantization: dict[str, Any] | None = None
    digest: str = ""

    @property
    def graph(self) -> Path:
        return self.folder / GRAPH

    def labels(self) -> tuple[Label, ...]:
        rows = json.loads(read_regular(self.folder / LABELS))
        return tuple(Label(index, *row) for index, row in enumerate(rows))


def files_of(model: CompiledModel) -> dict[str, bytes]:
    """The bytes of all files of an entry, for a store elsewhere.

    Raises:
        OSError: one can't be read.
    """
    return {name: read_regular(model.folder / name) for name in (*CHECKED_FILES, ENTRY)}


def complete_entry(folder: Path, model: CompiledModel, labels: tuple[Label, ...]) -> None:
    """Add labels and metadata to the graph in `folder`; they are the user's alone.

    Raises:
        OSError: they can't be written.
    """
    rows = [[label.name, label.description, label.synset, label.definition] for label in labels]
    (folder / LABELS).write_text(json.dumps(rows), encoding="utf-8")
    body = model._asdict() | {
        "provenance": model.provenance._asdict(),
        "preprocessing": model.preprocessing._asdict(),
        "files": {name: digest_and_size(folder / name) for name in CHECKED_FILES},
    }
    del body["folder"], body["digest"]
    (folder / ENTRY).write_text(json.dumps({"digest": digest_of(body), "body": body}), encoding="utf-8")
    for name in (*CHECKED_FILES, ENTRY):
        (folder / name).chmod(0o600)


def read_entry(folder: Path) -> tuple[CompiledModel, dict[str, list[str | int]]]:
    """Read an entry's metadata, checked, and [digest, size in bytes] that each of its files should have.

    Raises:
        DamagedEntry: it is incomplete, or not what was stored.
    """
    try:
        stored = json.loads(read_regular(folder / ENTRY))
        body = stored["body"]
        if stored["digest"] != digest_of(body):
            raise DamagedEntry(f"{folder / ENTRY}: damaged")
        config = body["preprocessing"]
        model = CompiledModel(
            folder=folder,
            provenance=Provenance(**body["provenance"]),
            weights_origin=body["weights_origin"],
            licence=body["licence"],
            preprocessing=PreprocessingConfig(
                input_size=tuple(config["input_size"]),
                interpolation=config["interpolation"],
                crop_pct=config["crop_pct"],
                crop_mode=config["crop_mode"],
                mean=tuple(config["mean"]),
                std=tuple(config["std"]),
            ),
            pretrained_cfg=body["pretrained_cfg"],
            num_classes=body["num_classes"],
            num_features=body["num_features"],
            quantization=body["quantization"],
            digest=stored["digest"],
        )
        return model, {name: body["files"][name] for name in CHECKED_FILES}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedEntry(f"{folder}: incomplete or unreadable ({type(error).__name__})") from error


def checked_entry(folder: Path, provenance: Provenance, *, with_graph: bool = True) -> CompiledModel:
    """Read an entry and verify the digest of every file: 10 ms for 100 MB; a start takes about 350 ms.

    Without the graph its files are left alone, and are not to be used.
    """
    model, files = read_entry(folder)
    if model.provenance != provenance:
        raise DamagedEntry(f"{folder / ENTRY}: belongs to another model")
    for name, expected in files.items():
        if name != LABELS and not with_graph:
            continue
        try:
            found = digest_and_size(folder / name)
        except OSError as error:
            raise DamagedEntry(f"{folder}: incomplete or unreadable ({type(error).__name__})") from error
        if found != expected:
            raise DamagedEntry(f"{folder / name}: damaged")
    return model
