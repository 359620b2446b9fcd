"""Decode and resize the photos of a folder as resnext does, on all processors, and do nothing with them.

Usage: python decode_folder.py FOLDER
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from resnext.images.loading import Decoding, loader
from resnext.records import PreprocessingConfig, Source

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def main(folder: Path) -> None:
    load = loader(Decoding(PreprocessingConfig((3, 224, 224), "bilinear", 0.875, "center", MEAN, STD)))
    sources = [Source(str(path)) for path in sorted(folder.iterdir())]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        print(sum(1 for _ in pool.map(load, sources)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
