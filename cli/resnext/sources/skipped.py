"""What a walk passes over: files that are no pictures by their names, counted by kind."""

import os
from collections import Counter

# Beside photos lie the raw files of cameras, films, and the notes of other programs about photos.
_KINDS = {
    **dict.fromkeys(
        ".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .gpr .iiq .kdc .mef .mos .mrw .nef .nrw .orf .pef .raf .raw .rw2 .rwl"
        " .sr2 .srf .srw .x3f".split(),
        "raw",
    ),
    **dict.fromkeys(
        ".3gp .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .vob .webm .wmv".split(),
        "film",
    ),
    **dict.fromkeys(".aae .dop .lrv .pp3 .thm .xmp".split(), "sidecar"),
}
_ORDER = ("raw", "film", "sidecar", "other")


class SkippedFiles:
    """Counts the files that folders and patterns hold and a run leaves out; hidden ones are not counted."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def add(self, name: str) -> None:
        """Count one file by its name."""
        self.counts[_KINDS.get(os.path.splitext(name)[1].lower(), "other")] += 1  # noqa: PTH122

    def __str__(self) -> str:
        """Give the words for people, `15 files skipped (raw 12, other 3)`; empty where nothing was skipped."""
        total = self.counts.total()
        if not total:
            return ""
        kinds = ", ".join(f"{kind} {self.counts[kind]}" for kind in _ORDER if self.counts[kind])
        return f"{total} {'file' if total == 1 else 'files'} skipped ({kinds})"
