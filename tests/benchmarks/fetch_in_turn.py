"""Fetches addresses one after the other and does nothing with them: fetch_in_turn.py LIST."""

import sys
from pathlib import Path
from urllib.request import urlopen

for address in Path(sys.argv[1]).read_text().splitlines():
    with urlopen(address) as response:
        assert response.read()
