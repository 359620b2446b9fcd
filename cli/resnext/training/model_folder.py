"""The folder of a trained model, in timm's and the hub's own form, put in place whole.

config.json        architecture, num_classes, label_names, pretrained_cfg: what timm and the hub read
model.safetensors  all tensors by timm's names
README.md          the model card
photos.jsonl       a row a photo: digest, label, fold, answer out of fold, or why it was left out
pseudo_labels.jsonl  of semi: a row a photo without a label that was chosen, its class and how sure the teacher was
training.json      how it was made, to make it again, and its figures
"""

import glob
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnext.errors import OutputError, first_line
from resnext.models.catalog import CONFIG_FILENAME, OWN_WEIGHTS

if TYPE_CHECKING:
    from resnext.training.trained import BaseModel, Tensors

CARD = "README.md"
PHOTOS = "photos.jsonl"
PSEUDO_LABELS = "pseudo_labels.jsonl"
TRAINING = "training.json"
# What timm reads of a pretrained_cfg, and what tells where weights are from; the rest is of the base's own weights.
_CFG = (
    "input_size fixed_input_size interpolation crop_pct crop_mode mean std pool_size first_conv classifier"
    " test_input_size test_crop_pct min_input_size license"
).split()


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """All that a folder is written from. `photos` are its rows, `training` how it was made; both as JSON can say it."""

    base: "BaseModel"
    classes: tuple[str, ...]
    tensors: "Tensors"
    card: str
    photos: Sequence[Mapping[str, Any]]
    training: Mapping[str, Any]
    pseudo_labels: Sequence[Mapping[str, Any]] | None = None


def write_model_folder(target: Path, model: TrainedModel) -> None:
    """Write the folder whole or not at all: beside its place, then moved there; an earlier one goes only then.

    The caller holds the place against other runs.

    Raises:
        OutputError: it can't be written; what stood there is as it was.
    """
    from safetensors.numpy import save_file

    files: dict[str, Iterable[bytes]] = {
        CONFIG_FILENAME: [_json(config_of(model))],
        CARD: [_utf8(model.card)],
        PHOTOS: _rows(model.photos),
        **({} if model.pseudo_labels is None else {PSEUDO_LABELS: _rows(model.pseudo_labels)}),
        TRAINING: [_json(model.training)],
    }
    folder: Path | None = None
    try:
        for left in target.parent.glob(f"{glob.escape(_prefix(target))}*"):  # by a run that was killed
            shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=_prefix(target), dir=target.parent))
        for name, pieces in files.items():
            with (folder / name).open("wb") as file:
                file.writelines(pieces)
                file.flush()
                os.fsync(file.fileno())
        _save(lambda path: save_file(dict(model.tensors), path, {"format": "pt"}), folder / OWN_WEIGHTS[0])
        folder.chmod(0o777 & ~_umask())
        _move(folder, target)
    except OSError as error:
        raise OutputError(f"{target}: can't write the model: {error.strerror or error}") from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def config_of(model: TrainedModel) -> dict[str, Any]:
    """What config.json says."""
    architecture, _, tag = model.base.config.architecture.partition(".")
    cfg = {name: model.base.pretrained_cfg[name] for name in _CFG if model.base.pretrained_cfg.get(name) is not None}
    config: dict[str, Any] = {
        "architecture": architecture,
        "num_classes": len(model.classes),
        "num_features": model.base.num_features,
        "label_names": list(model.classes),
        "pretrained_cfg": {**cfg, "num_classes": len(model.classes), "source": "hf-hub"},
    }
    if model.base.config.model_args:
        config["model_args"] = dict(model.base.config.model_args)
    config["base_model"] = f"{architecture}.{tag}" if tag else architecture
    return config


def is_model_folder(path: Path) -> bool:
    """Whether a folder is a model that training made: only such a one is replaced."""
    return (path / CONFIG_FILENAME).is_file() and (path / TRAINING).is_file()


def read_training(folder: Path) -> dict[str, Any] | None:
    """What is noted of a model's training; None of a model that was made in another way."""
    from resnext.disk import read_regular

    try:
        found = json.loads(read_regular(folder / TRAINING, 64 << 20))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _save(write: Callable[[Path], None], path: Path) -> None:
    try:
        write(path)
    except OSError:
        raise
    except Exception as error:  # the library has one class for all: the tensors are sound, so it is the disk
        raise OSError(0, f"{path.name}: {first_line(error)}") from error
    path.chmod(0o666 & ~_umask())
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _move(folder: Path, target: Path) -> None:
    try:
        folder.rename(target)
        return
    except OSError:
        if not target.is_dir():
            raise
    aside = Path(tempfile.mkdtemp(prefix=_prefix(target), dir=target.parent))
    try:
        target.rename(aside / "old")
        try:
            folder.rename(target)
        except OSError:
            with suppress(OSError):
                (aside / "old").rename(target)
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _utf8(text: str) -> bytes:
    """A text with names of files in it: of bytes that are not UTF-8 an escape is left, which JSON reads."""
    return text.encode(errors="backslashreplace")


def _rows(rows: Sequence[Mapping[str, Any]]) -> Iterator[bytes]:
    return (_utf8(json.dumps(row, ensure_ascii=False)) + b"\n" for row in rows)


def _prefix(target: Path) -> str:
    return f".{target.name[:200]}.resnext-new-"


def _json(content: Mapping[str, Any]) -> bytes:
    return _utf8(json.dumps(content, indent=2, ensure_ascii=False)) + b"\n"


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
