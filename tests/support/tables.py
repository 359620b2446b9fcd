"""Tables as their readers take them apart."""

_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}


def read_tsv(text: str) -> list[dict[str, str]]:
    """TSV as awk, cut and Miller read it: lines and tabs, no quotes, \\t, \\n, \\r and two backslashes for one."""
    header, *lines = (line.split("\t") for line in text.removesuffix("\n").split("\n"))
    return [dict(zip(header, map(_unescaped, cells), strict=True)) for cells in lines]


def _unescaped(cell: str) -> str:
    first, *rest = cell.split("\\")
    text, pieces = first, iter(rest)
    for piece in pieces:
        # Nothing between two backslashes: they are one, and what follows is as it is.
        text += _ESCAPES[piece[0]] + piece[1:] if piece else "\\" + next(pieces)
    return text
