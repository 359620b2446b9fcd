"""A result in parts, written by many machines into one folder or store, which readers of tables take as one data set.

    part-00000.jsonl, part-00001.jsonl, ...   the rows, in the order of the inputs; each is put in place whole
    _manifest.json                            what they were made with, and whether they are all there
    _parts/part-00000.json                    of each finished part: of which inputs it is, and how many failed

A name that begins with _ is no data for Spark, pyarrow and their like.
"""

from resnext.errors import OutputError
from resnext.outputs.parts.folder import LocalFolder, PartFolder
from resnext.outputs.places import real_path

__all__ = ["PartFolder", "open_folder"]


def open_folder(name: str) -> PartFolder:
    """The folder or store that `-o` names; nothing is made yet.

    Raises:
        OutputError: there is no driver for the store, or it can't be reached.
    """
    if "://" in name:
        try:
            from resnext.outputs.parts.store import StoreFolder
        except ImportError as error:
            raise OutputError("to write into a store needs fsspec: pip install 'resnext[stores]'") from error
        return StoreFolder(name)
    from pathlib import Path

    return LocalFolder(name, real_path(name, Path(name)))
