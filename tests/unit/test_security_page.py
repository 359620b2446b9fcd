"""SECURITY.md names the bounds that the code has."""

import re

from resnext.answers import own_labels, vocabulary
from resnext.commands.options import InputOptions
from resnext.console import interrupts
from resnext.images import embedded, limits, loading
from resnext.outputs.results import stored
from resnext.outputs.sidecars import packet
from resnext.pipeline import truths
from resnext.sources import bounds, tables, tars, urls, zips
from support.program import REPO


def test_every_bound_is_the_codes_own() -> None:
    defaults = InputOptions()

    def mib(count: int) -> str:
        assert count % (1 << 20) == 0
        return f"{count >> 20} MiB"

    expected = {
        "pixels of an image": f"{defaults.max_image_megapixels:g} megapixels",
        "scans of a JPEG": f"{limits.MAX_JPEG_SCANS}",
        "memory for decoding, all threads together; a photo that needs more has it alone": mib(loading.DECODING_BYTES),
        "a file on this machine": f"{limits.MAX_FILE_BYTES / 1e9:.2f} GB",
        "what a picture unpacks to": (
            f"{mib(limits.SMALL_PICTURE_BYTES)}, or {limits.MAX_EXPANSION} times its file if that is more"
        ),
        "what all pictures in files under 1 MB take together while they are decoded": mib(limits.SMALL_PICTURE_BYTES),
        "directories of a TIFF that are looked at": f"{limits.MAX_DIRECTORIES:,}",
        "a download, an archive member, an image on stdin": f"{defaults.max_file_size:g} MB, unpacked",
        "one address, everything included": f"{defaults.timeout:g} s",
        "redirects of one address": f"{urls.MAX_REDIRECTS}",
        "an entry of a list": mib(tables.MAX_LINE_BYTES),
        "a row of a table that says what photos show, or that `evaluate --from` reads": mib(tables.MAX_ROW_BYTES),
        "different names in such a table; its rows": f"{truths.MOST_NAMES:,}; {truths.MOST_ROWS:,}",
        "contents of a tar archive that wait to be decoded": mib(tars._WAITING_BYTES),
        "a zip archive's table of contents": mib(zips._MAX_TABLE_BYTES),
        "what an archive unpacks to in all": (
            f"{bounds.BOMB_BYTES >> 30} GiB, and {bounds.BOMB_RATIO} bytes for each of its own"
        ),
        "a colour profile": mib(limits.MAX_PROFILE_BYTES),
        "a file of labels": mib(own_labels._MAX_BYTES),
        "a vocabulary": mib(vocabulary._MAX_BYTES),
        "the XMP packet inside a photo": mib(embedded._MAX_PACKET),
        "a sidecar": mib(packet.MAX_BYTES),
        "a row of a result file that is gone on with": mib(stored.MAX_ROW_BYTES),
        "clean-up after Ctrl-C, SIGTERM or SIGHUP": f"{interrupts.CLEAN_UP_SECONDS:g} s",
    }
    page = (REPO / "SECURITY.md").read_text()
    table = dict(re.findall(r"^\| (.+?) \| (.+?) \|", page.split("## Bounds")[1].split("##")[0], re.MULTILINE))
    del table["what"]
    assert table == expected


def test_the_readme_leads_there() -> None:
    assert "(SECURITY.md)" in (REPO / "README.md").read_text()
