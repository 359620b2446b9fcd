"""The commands: options -> one frozen request -> pipeline -> exit code. Each is imported when it is asked for."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resnext.commands.groups import Command

# In the order of --help, which reads these lines: to import all commands takes longer than to read a photo.
COMMANDS = {
    "classify": "Label photos: the best ImageNet classes of each, with their probabilities.",
    "tag": "Write tags of photos into XMP sidecars beside them; photos themselves are never touched.",
    "evaluate": "Measure how often a model is right, on photos of your own.",
    "features": "Save what the network sees of photos: vectors and maps for numpy, scikit-learn, FAISS.",
    "train": "Teach a model your own classes: photos in folders that are called as they are, or in a table.",
    "quantize": "Make a model twice as fast in int8, and measure on your own photos how far its labels agree.",
    "info": "Show the models of the shelf; with MODEL, the card of one.",
}


def declared(name: str) -> "Command":
    """Import a command and give what it declares."""
    from resnext.commands.groups import Command

    made = vars(importlib.import_module(f"resnext.commands.{name}"))[name]
    assert isinstance(made, Command)
    return made
